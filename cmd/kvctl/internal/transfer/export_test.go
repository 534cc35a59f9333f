package transfer_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
	"github.com/sealkv/sealkv/store"
)

// mixed is a store with every kind of key and value.
func mixed(t *testing.T) *store.Store {
	t.Helper()
	st := newStore(t)
	put := func(tenant, name, key, value string) {
		t.Helper()
		if _, err := st.AddTenant(t.Context(), tenant, nil); err != nil && !errors.Is(err, store.ErrTenantExists) {
			t.Fatal(err)
		}
		if err := namespace(t, st, tenant, name).Put(t.Context(), []byte(key), []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	for i, value := range []string{
		`{"a":[1,2.50,"x\u00fc\/y"]}`, `{"a": 1}`, ` 1`, `1`, "", "null", "\"\u2028<>&\"", "\"\xff\"", "\x00\x01", `{"a"`, "1\n", "[]\n[]",
		`"` + strings.Repeat("long ", 100_000) + `"`, strings.Repeat("\xfe", 300_000),
	} {
		put("acme", "jira/comments", "c"+string(rune('a'+i)), value)
	}
	for _, key := range []string{"\x00", "\xff\xfe", "\"quoted\"\\", "ü/😀\n", "\u2028", "-", strings.Repeat("k", 1024), "\x7f"} {
		put("globex", "jira/issues", key, "1")
	}
	put("globex", "attachments/audit-log", "l1", "1") // a product named like the folder of attachments
	put("..", "jira/attachments", "key", "1")         // ids that are no names of files
	put(".", "jira/attachments", "key", "1")

	// Attachments that rows describe rightly, wrongly, twice, and not at all.
	row := func(key, value string) { put("acme", "jira/attachment-metadata", key, value) }
	contents := func(key, value string) { put("acme", "jira/attachments", key, value) }
	row("a/good", metadata("attachments/acme/good.png", "good"))
	contents("a/good", "good")
	row("b/same file", metadata("attachments/acme/good.png", "good"))
	contents("b/same file", "good")
	row("c/taken", metadata("attachments/acme/good.png", "other"))
	contents("c/taken", "other")
	row("d/edited", metadata("attachments/acme/edited.png", "before"))
	contents("d/edited", "after")
	row("e/gone", metadata("attachments/acme/gone.png", "gone"))
	contents("f/no row", `{"json":true}`)
	row("g/null", `{"contentFile":null}`)
	contents("g/null", "null")
	row("h/hostile", `{"contentFile":"attachments/acme/../../../../tmp/sealkv-hostile"}`)
	contents("h/hostile", "hostile")
	row("i/other type", `{"contentFile":7}`)
	contents("i/other type", "other type")
	row("j/no json", "\x00")
	contents("j/no json", "no json")
	row("k/beneath a file", metadata("attachments/acme/good.png/beneath", "x"))
	contents("k/beneath a file", "x")
	row("l/long name", metadata("attachments/acme/"+strings.Repeat("n", 300), "x"))
	contents("l/long name", "x")
	row("m/.hidden", metadata("attachments/acme/.hidden/x", "hidden"))
	contents("m/.hidden", "hidden")
	row("n/\x00", metadata("attachments/acme/\x00", "nul"))
	contents("n/\x00", "nul")
	contents("z", "after the last row")
	put("globex", "jira/attachments", "sub/plain.txt", "a file alone")
	put("globex", "jira/attachments", "sub", "also a folder")
	put("globex", "jira/attachments", "../up", "1")
	put("globex", "jira/attachments", "a/.b", "1")
	put("globex", "confluence/attachments", "page.png", "PNG")
	return st
}

func sameStore(t *testing.T, want, got *store.Store) {
	t.Helper()
	a, b := dump(t, want), dump(t, got)
	for _, at := range slices.Sorted(maps.Keys(a)) {
		if value, found := b[at]; !found || value != a[at] {
			t.Errorf("%.100q is %.60q, %v; want %.60q", at, value, found, a[at])
		}
		delete(b, at)
	}
	for at := range b {
		t.Errorf("%.100q is there too", at)
	}
}

func TestExportAndImport(t *testing.T) {
	st := mixed(t)
	want := st
	n := uint64(len(dump(t, st)) - 4) // tenants are in it
	check := func(t *testing.T, out *transfer.Exported, err error, paths ...string) {
		t.Helper()
		if err != nil || out.Total().Records != n || out.Total().Skipped != 0 || out.Elapsed <= 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		other := newStore(t)
		r, err := transfer.Import(t.Context(), other, paths, nil)
		if err != nil || len(r.Ignored) != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		sameStore(t, want, other)
	}
	for _, name := range []string{"out.jsonl", "out.jsonl.zst", "out.jsonl.gz"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), name)
			out, err := transfer.ExportFile(t.Context(), st, file, nil)
			check(t, out, err, file)
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 1 {
				t.Errorf("left behind: %v", left)
			}
			if _, err := transfer.ExportFile(t.Context(), st, file, nil); !errors.Is(err, fs.ErrExist) {
				t.Errorf("over a file: %v", err)
			}
		})
	}
	for _, compress := range []string{"", "gz", "none"} {
		t.Run("folder "+compress, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			var records uint64
			out, err := transfer.ExportFolder(t.Context(), st, dir, &transfer.ExportOptions{
				Compress: compress, Progress: func(n, _ uint64) { records = n },
			})
			check(t, out, err, dir)
			if records != n {
				t.Errorf("progress ends at %d of %d", records, n)
			}
			for name, want := range map[string]string{
				"attachments/acme/good.png": "good", "attachments/acme/.hidden/x": "hidden", "attachments/globex/sub": "also a folder",
			} {
				if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
					t.Errorf("%s is %q, %v", name, got, err)
				}
			}
			ext := map[string]string{"": ".jsonl.zst", "gz": ".jsonl.gz", "none": ".jsonl"}[compress]
			if _, err := os.Stat(filepath.Join(dir, "jira", "comments"+ext)); err != nil {
				t.Error(err)
			}
			if _, err := transfer.ExportFolder(t.Context(), st, dir, nil); !errors.Is(err, fs.ErrExist) {
				t.Errorf("into a folder that is not empty: %v", err)
			}
		})
	}
	if _, err := os.Stat("/tmp/sealkv-hostile"); err == nil {
		t.Error("a contentFile led out of the folder")
	}
	if _, err := transfer.ExportFolder(t.Context(), st, t.TempDir(), &transfer.ExportOptions{Compress: "lz4"}); err == nil {
		t.Error("there is no lz4")
	}
}

func TestExportOrderAndFilter(t *testing.T) {
	st := newStore(t)
	lines := []string{
		record("acme", "confluence/pages", "p1", `1`), record("acme", "jira/comments", "a", `1`), record("acme", "jira/comments", "b", `1`),
		record("globex", "jira/comments", "a", `1`), record("globex", "jira/issues", "a", `1`),
	}
	mustImport(t, st, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{Stdin: strings.NewReader(lines[4] + lines[2] + lines[0] + lines[3] + lines[1])}}, "-")
	for name, c := range map[string]struct {
		opts *transfer.ExportOptions
		want []string
	}{
		"all":       {nil, lines},
		"tenant":    {&transfer.ExportOptions{Tenants: []string{"globex", "globex"}}, lines[3:]},
		"namespace": {&transfer.ExportOptions{Namespaces: []string{"jira/comments"}}, lines[1:4]},
		"both":      {&transfer.ExportOptions{Tenants: []string{"acme"}, Namespaces: []string{"jira/comments", "jira/issues"}}, lines[1:3]},
		"none":      {&transfer.ExportOptions{Namespaces: []string{"jira/search-data"}}, nil},
	} {
		var b bytes.Buffer
		out, err := transfer.Export(t.Context(), st, &b, c.opts)
		if err != nil || b.String() != strings.Join(c.want, "") || int(out.Total().Records) != len(c.want) {
			t.Errorf("%s: %v\n%s", name, err, b.String())
		}
	}
	if _, err := transfer.Export(t.Context(), st, &bytes.Buffer{}, &transfer.ExportOptions{Tenants: []string{"nobody"}}); !errors.Is(err, store.ErrTenantUnknown) {
		t.Error(err)
	}
	if _, err := transfer.Export(t.Context(), st, &bytes.Buffer{}, &transfer.ExportOptions{Namespaces: []string{"jira"}}); !errors.Is(err, store.ErrInvalidName) {
		t.Error(err)
	}
}

// What does not open is counted, and the rest is exported; the folder is still one to import.
func TestExportOfRevokedTenant(t *testing.T) {
	st := mixed(t)
	if err := namespace(t, st, "acme", "confluence/pages").Put(t.Context(), []byte("p1"), []byte("1")); err != nil {
		t.Fatal(err)
	}
	acme, err := st.Tenant("acme")
	if err != nil {
		t.Fatal(err)
	}
	if err := acme.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "out")
	out, err := transfer.ExportFolder(t.Context(), st, dir, nil)
	var skipped *transfer.SkippedError
	if !errors.As(err, &skipped) || !errors.Is(err, store.ErrKeyRevoked) || out.Total().Skipped != 14 ||
		!strings.Contains(err.Error(), "acme jira/comments: 14: ") {
		t.Fatalf("%+v, %v", out, err)
	}
	other := newStore(t)
	mustImport(t, other, nil, dir)
	a, b := dump(t, other), map[string]string{}
	if err := acme.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	for at, value := range dump(t, st) {
		if !strings.HasPrefix(at, "acme jira/comments") {
			b[at] = value
		}
	}
	if !maps.Equal(a, b) {
		t.Errorf("%d records came over, want %d", len(a), len(b))
	}

	var lines bytes.Buffer
	if err := acme.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Export(t.Context(), st, &lines, nil); !errors.As(err, &skipped) || bytes.Count(lines.Bytes(), []byte("\n")) != len(b)-4 {
		t.Errorf("%d lines, %v", bytes.Count(lines.Bytes(), []byte("\n")), err)
	}
	file := filepath.Join(t.TempDir(), "out.jsonl")
	if _, err := transfer.ExportFile(t.Context(), st, file, nil); !errors.As(err, &skipped) {
		t.Error(err)
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, lines.Bytes()) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// A value that is too long for a line is left out and counted, and a folder has it.
func TestExportOfLongValue(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 64 MiB")
	}
	st := newStore(t)
	if _, err := st.AddTenant(t.Context(), "acme", nil); err != nil {
		t.Fatal(err)
	}
	w, err := namespace(t, st, "acme", "jira/attachments").Create(t.Context(), []byte("long"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zeros{}, store.MaxValueLen+1); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := transfer.Export(t.Context(), st, io.Discard, nil)
	if !errors.Is(err, transfer.ErrTooLong) || errors.Is(err, store.ErrTooLarge) || out.Total().Skipped != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	out, err = transfer.ExportFolder(t.Context(), st, filepath.Join(t.TempDir(), "out"), nil)
	if err != nil || out.Total().Bytes != store.MaxValueLen+1 {
		t.Fatalf("%+v, %v", out, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// The reason of a failed export is that of the first record, whatever else is the matter.
func TestExportSaysTheFirstReason(t *testing.T) {
	st := newStore(t)
	lines := record("acme", "jira/comments", "k", `1`) + record("globex", "jira/comments", "k", `1`)
	mustImport(t, st, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{Stdin: strings.NewReader(lines)}}, "-")
	acme, err := st.Tenant("acme")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := acme.DataKeys()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acme.RotateDataKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := acme.RetireDataKey(t.Context(), "jira/comments", keys[0].Number, true); err != nil {
		t.Fatal(err)
	}
	globex, err := st.Tenant("globex")
	if err != nil {
		t.Fatal(err)
	}
	if err := globex.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = transfer.Export(t.Context(), st, io.Discard, nil)
	if !errors.Is(err, store.ErrKeyDestroyed) || errors.Is(err, store.ErrKeyRevoked) {
		t.Fatal(err)
	}
}

// Of a namespace with a max-age the time of the first write goes along.
func TestWritten(t *testing.T) {
	st := newStore(t)
	mustImport(t, st, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{Stdin: strings.NewReader(record("acme", "jira/cached-content", "k", `1`))}}, "-")
	var b bytes.Buffer
	if _, err := transfer.Export(t.Context(), st, &b, nil); err != nil {
		t.Fatal(err)
	}
	r, err := transfer.Parse(bytes.TrimSpace(b.Bytes()))
	if err != nil || time.Since(r.Written) > time.Minute || r.Written.IsZero() {
		t.Fatalf("%s: %v, %v", b.String(), r.Written, err)
	}
	other := newStore(t)
	r.Written = r.Written.Add(-10 * 24 * time.Hour)
	aged := r.Append(nil)
	mustImport(t, other, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{Stdin: bytes.NewReader(aged)}}, "-")
	b.Reset()
	if _, err := transfer.Export(t.Context(), other, &b, nil); err != nil || !bytes.Equal(bytes.TrimSpace(b.Bytes()), bytes.TrimSpace(aged)) {
		t.Fatalf("%v\n%s\n%s", err, b.String(), aged)
	}
	other = newStore(t)
	r.Written = r.Written.Add(-21 * 24 * time.Hour)
	result := mustImport(t, other, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{Stdin: bytes.NewReader(r.Append(nil))}}, "-")
	if result.Total().Expired != 1 {
		t.Errorf("%+v", result)
	}
	wantNone(t, other, "acme", "jira/cached-content", "k")
}
