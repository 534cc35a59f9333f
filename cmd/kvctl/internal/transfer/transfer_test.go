package transfer_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
	"github.com/sealkv/sealkv/keys/root/keyfile"
	"github.com/sealkv/sealkv/store"
)

// newStore creates a store in a directory of the test's, which does not wait for the disk.
func newStore(t testing.TB) *store.Store {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Create(t.Context(), filepath.Join(dir, "store"), newKey(t, dir, "platform"), &store.Options{
		Roots: &keyfile.Opener{}, NoSync: true, CollectEvery: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// newKey makes a key file and returns its URI.
func newKey(t testing.TB, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name+".key")
	if err := keyfile.Create(path, nil); err != nil {
		t.Fatal(err)
	}
	uri, err := keyfile.URI(path)
	if err != nil {
		t.Fatal(err)
	}
	return uri
}

// folder writes files, by path, into a directory of the test's. What ends in .zst or .gz is
// compressed.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, packed(t, name, text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func packed(t testing.TB, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	switch filepath.Ext(name) {
	case ".zst":
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(text))
		w.Close()
	case ".gz":
		w := gzip.NewWriter(&b)
		w.Write([]byte(text))
		w.Close()
	default:
		return []byte(text)
	}
	return b.Bytes()
}

// record is a line of the test's.
func record(tenant, namespace, key, value string) string {
	product, typ, _ := strings.Cut(namespace, "/")
	r := transfer.Record{Tenant: tenant, Product: product, Type: typ, Key: []byte(key), Value: []byte(value)}
	return string(r.Append(nil))
}

func mustImport(t testing.TB, st *store.Store, opts *transfer.ImportOptions, paths ...string) *transfer.Result {
	t.Helper()
	r, err := transfer.Import(t.Context(), st, paths, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func namespace(t testing.TB, st *store.Store, tenant, name string) *store.Namespace {
	t.Helper()
	of, err := st.Tenant(tenant)
	if err != nil {
		t.Fatal(err)
	}
	n, err := of.Namespace(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func wantValue(t testing.TB, st *store.Store, tenant, name, key, value string) {
	t.Helper()
	got, err := namespace(t, st, tenant, name).Get(t.Context(), []byte(key))
	if err != nil || string(got) != value {
		t.Errorf("%s %s %q is %.40q, %v; want %.40q", tenant, name, key, got, err, value)
	}
}

func wantNone(t testing.TB, st *store.Store, tenant, name, key string) {
	t.Helper()
	if _, err := namespace(t, st, tenant, name).Get(t.Context(), []byte(key)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%s %s %q: %v, want none", tenant, name, key, err)
	}
}

// dump is everything that a store holds.
func dump(t testing.TB, st *store.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	infos, err := st.Tenants("", 1000)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := st.Usage(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		out[info.ID] = ""
	}
	for _, row := range rows {
		for e, err := range namespace(t, st, row.Tenant, row.Namespace).Scan(t.Context(), nil) {
			if err != nil {
				t.Fatal(err)
			}
			value, err := e.Value()
			if err != nil {
				t.Fatal(err)
			}
			out[row.Tenant+" "+row.Namespace+" "+string(e.Key)] = string(value)
		}
	}
	return out
}
