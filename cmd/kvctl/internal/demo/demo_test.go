package demo_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/demo"
	"github.com/sealkv/sealkv/keys/root/keyfile"
	"github.com/sealkv/sealkv/store"
)

func run(t *testing.T, opts *demo.Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := demo.Run(t.Context(), &out, opts); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}

func TestRun(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	out := run(t, nil)
	for _, want := range []string{
		`\$ kvctl init --root /\S+/keys/platform.key\n`,
		`\$ kvctl tenant add acme --root /\S+/keys/acme.key\n`,
		`acme is enrolled`,
		`\$ kvctl import /\S+/data\n +1,438 values of 3 tenants, .* 2 tenants made, under the platform`,
		`\$ kvctl stats\n`,
		`jira/comments +the tenant +3 +3 +576 `,
		`jira/attachments +both: a transition +3 +6 +38 `,
		`jira/attachment-metadata +the platform +3 +3 +38 `,
		`\$ kvctl keys rotate acme\n +13 new data keys took over`,
		` +0 of 746 read  ░+ +0 % under the new keys\n`,
		`746 of 746 read  █+ +100 % under the new keys\n`,
		`746 values were rewrapped in the background as they were read; 0 failed`,
		`\$ kvctl tenant revoke acme\n`,
		`\$ kvctl get acme jira/comments ROCK-\S+\n +store: .*key revoked`,
		`jira/comments +0 of 296  dark`,
		`jira/attachments +20 of 20  reads through the platform's key`,
		`jira/attachment-metadata +20 of 20  reads, under the keys of the platform`,
		`all data of globex +455 of 455  reads`,
		`\$ kvctl tenant restore acme\n +746 of 746 values of acme read`,
		`1,438 of 1,438 values read back identical`,
		`\$ kvctl audit verify\n +The audit log is whole: \d+ entries`,
		`Done in .* is gone`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no line like %s", want)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("colors that nobody asked for")
	}
	if t.Failed() {
		t.Log(out)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What stays is a whole store, and the key files are not in it.
func TestKeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept here")
	out := run(t, &demo.Options{Dir: dir, Color: true, Command: "go run ./cmd/kvctl"})
	for _, want := range []string{"\x1b[36m$ go run ./cmd/kvctl stats\x1b[0m", "--root '" + dir + "/keys/acme.key'", "stay in " + dir} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	st, err := store.Open(t.Context(), filepath.Join(dir, "store"), &store.Options{Roots: &keyfile.Opener{}})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	acme, err := st.Tenant("acme")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := acme.Info(); err != nil || info.Status() != "enrolled" {
		t.Errorf("acme is %s, %v", info.Status(), err)
	}
	if err := demo.Run(t.Context(), &bytes.Buffer{}, &demo.Options{Dir: dir}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second run into the same folder: %v", err)
	}
}

// One tenant, without anything of its own keys: there is nothing to go dark, and the demo says so.
func TestData(t *testing.T) {
	data := t.TempDir()
	line := `{"tenant":"solo","product":"confluence","type":"pages","key":"p1","value":{"title":"Home"}}` + "\n"
	if err := os.WriteFile(filepath.Join(data, "pages.jsonl"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(t, &demo.Options{Data: data})
	for _, want := range []string{"1 value of 1 tenant", "confluence/pages            1 of 1  reads", "1 of 1 values read back identical"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	bad := filepath.Join(t.TempDir(), "bad.jsonl")
	if err := os.WriteFile(bad, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		data string
		want string
	}{
		"empty folder": {t.Context(), t.TempDir(), "no values in it"},
		"no folder":    {t.Context(), filepath.Join(t.TempDir(), "none"), "no such file"},
		"bad line":     {t.Context(), filepath.Dir(bad), "bad.jsonl:1: no field tenant"},
		"canceled":     {canceled, "", "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			err := demo.Run(c.ctx, &bytes.Buffer{}, &demo.Options{Data: c.data})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
