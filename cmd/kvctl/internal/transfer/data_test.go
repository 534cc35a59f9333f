package transfer_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
	"github.com/sealkv/sealkv/store"
)

// underRace is set where the race detector is built in.
var underRace bool

// sharedData returns the folder of real data beside the module, or skips the test.
func sharedData(t testing.TB) string {
	t.Helper()
	if testing.Short() || underRace {
		t.Skip("the real data takes half a minute, and under the race detector several")
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("no go.mod above the package")
		}
		dir = filepath.Dir(dir)
	}
	data := filepath.Join(dir, "..", "shared", "data")
	if _, err := os.Stat(filepath.Join(data, "jira")); err != nil {
		t.Skipf("the real data is not beside the module, nothing to import: %v", err)
	}
	return data
}

// A sourceLine is a line as encoding/json reads it: the test shares no parser with the package.
type sourceLine struct {
	Tenant, Product, Type, Key string
	Value                      json.RawMessage
	Base64                     []byte `json:"value_base64"`
}

// eachLine streams the lines of the data with their exact values.
func eachLine(t *testing.T, data string, fn func(l *sourceLine, value []byte)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "*", "*.jsonl.zst"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		d, err := zstd.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewScanner(d)
		in.Buffer(nil, 64<<20)
		var compact bytes.Buffer
		for in.Scan() {
			var l sourceLine
			if err := json.Unmarshal(in.Bytes(), &l); err != nil {
				t.Fatal(name, err)
			}
			value := l.Base64
			if l.Value != nil {
				compact.Reset()
				if err := json.Compact(&compact, l.Value); err != nil {
					t.Fatal(name, err)
				}
				value = compact.Bytes()
			}
			fn(&l, value)
		}
		if in.Err() != nil {
			t.Fatal(name, in.Err())
		}
		d.Close()
		f.Close()
	}
}

// A place is a namespace of a tenant, with what is in it.
type place struct{ tenant, namespace string }

type amount struct{ records, bytes uint64 }

// TestRealData imports all of the shared data in one call, reads back every value, and compares
// the counts with the data's own.
func TestRealData(t *testing.T) {
	data := sharedData(t)
	st := newStore(t)
	r := mustImport(t, st, nil, data)
	t.Logf("imported %d values, %d bytes, of %d tenants in %v", r.Total().New, r.Total().Bytes, r.Tenants(), r.Elapsed)

	want := map[place]amount{}
	add := func(tenant, namespace string, value []byte) {
		a := want[place{tenant, namespace}]
		want[place{tenant, namespace}] = amount{a.records + 1, a.bytes + uint64(len(value))}
	}
	handles := map[place]*store.Namespace{}
	handle := func(tenant, name string) *store.Namespace {
		at := place{tenant, name}
		if handles[at] == nil {
			handles[at] = namespace(t, st, tenant, name)
		}
		return handles[at]
	}
	var attachments int
	eachLine(t, data, func(l *sourceLine, value []byte) {
		name := l.Product + "/" + l.Type
		add(l.Tenant, name, value)
		got, err := handle(l.Tenant, name).Get(t.Context(), []byte(l.Key))
		if err != nil || !bytes.Equal(got, value) {
			t.Fatalf("%s %s %s reads back as %d bytes, %v; want %d", l.Tenant, name, l.Key, len(got), err, len(value))
		}
		var row struct{ ContentFile, SHA256 string }
		if name != "jira/attachment-metadata" || json.Unmarshal(value, &row) != nil || row.ContentFile == "" {
			return
		}
		attachments++
		got, err = handle(l.Tenant, "jira/attachments").Get(t.Context(), []byte(l.Key))
		sum := sha256.Sum256(got)
		if err != nil || hex.EncodeToString(sum[:]) != row.SHA256 {
			t.Errorf("attachment %s reads back with another sha256, %v", row.ContentFile, err)
		}
		add(l.Tenant, "jira/attachments", got)
	})
	files, err := filepath.Glob(filepath.Join(data, "attachments", "*", "*"))
	if err != nil || len(files) != attachments || attachments != 220 {
		t.Errorf("%d attachments read back, of %d files", attachments, len(files))
	}
	wantUsage(t, st, want)
	wantRows(t, r, want)

	again := mustImport(t, st, nil, data)
	if sum := again.Total(); sum.Unchanged != r.Total().New || sum.New+sum.Replaced != 0 {
		t.Errorf("again: %+v", sum)
	}
	t.Logf("again, all unchanged, in %v", again.Elapsed)

	out := filepath.Join(t.TempDir(), "out")
	exported, err := transfer.ExportFolder(t.Context(), st, out, nil)
	if err != nil || exported.Total().Records != r.Total().Records {
		t.Fatalf("%+v, %v", exported.Total(), err)
	}
	t.Logf("exported %d files in %v", exported.Files, exported.Elapsed)
	other := newStore(t)
	r = mustImport(t, other, nil, out)
	t.Logf("imported into another store in %v", r.Elapsed)
	wantUsage(t, other, want)
	verified, err := transfer.Verify(t.Context(), other, []string{data}, nil)
	if err != nil || verified.Total().Unchanged != r.Total().Records {
		t.Errorf("verified %+v, %v", verified.Total(), err)
	}
}

func wantUsage(t *testing.T, st *store.Store, want map[place]amount) {
	t.Helper()
	usage, err := st.Usage(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[place]amount{}
	for _, u := range usage {
		a := got[place{u.Tenant, u.Namespace}]
		got[place{u.Tenant, u.Namespace}] = amount{a.records + u.Records, a.bytes + u.Bytes}
	}
	wantAmounts(t, "stats", got, want)
}

func wantRows(t *testing.T, r *transfer.Result, want map[place]amount) {
	t.Helper()
	got := map[place]amount{}
	for _, c := range r.Rows {
		got[place{c.Tenant, c.Namespace}] = amount{c.Records, c.Bytes}
	}
	wantAmounts(t, "the import", got, want)
}

func wantAmounts(t *testing.T, who string, got, want map[place]amount) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for at := range maps.Keys(want) {
		if got[at] != want[at] {
			t.Errorf("%s: %v has %v, and the data %v", who, at, got[at], want[at])
		}
	}
	if extra := slices.DeleteFunc(slices.Collect(maps.Keys(got)), func(at place) bool { return want[at].records > 0 }); len(extra) > 0 {
		t.Errorf("%s: %v are not in the data", who, extra)
	}
}
