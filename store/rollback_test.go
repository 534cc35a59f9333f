package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
)

// The keyring alone from before a change, beside the data from after it.
func TestKeyringRolledBack(t *testing.T) {
	ctx := context.Background()
	for name, change := range map[string]func(w *world) error{
		"first use":   func(w *world) error { return w.ns("acme", "jira/issues").Put(ctx, []byte("k"), []byte("v")) },
		"data keys":   func(w *world) error { _, err := w.tenant("acme").RotateDataKeys(ctx); return err },
		"tenant key":  func(w *world) error { _, err := w.tenant("acme").RotateTenantKey(ctx); return err },
		"root":        func(w *world) error { return w.tenant("acme").RotateRoot(ctx, "test://next") },
		"platform":    func(w *world) error { return w.RotatePlatformRoot(ctx, "test://next") },
		"revocation":  func(w *world) error { return w.tenant("acme").Revoke(ctx) },
		"restoration": func(w *world) error { return errors.Join(w.tenant("acme").Revoke(ctx), w.tenant("acme").Restore(ctx)) },
		"fallback": func(w *world) error {
			n := w.ns("acme", "jira/attachments")
			if err := errors.Join(n.Put(ctx, []byte("k"), []byte("v")), w.tenant("acme").Revoke(ctx)); err != nil {
				return err
			}
			_, err := n.Get(ctx, []byte("k"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, store.Options{Engine: newKept()}, "acme")
			w.roots["test://next"] = roottest.NewKey("next")
			mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(w.dir, "keyring.db")
			old, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			w.reopen()
			if err := change(w); err != nil {
				t.Fatal(err)
			}
			w.reopen()
			if err := errors.Join(w.Close(), os.WriteFile(path, old, 0o600)); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Open(ctx, w.dir, &w.opts); !errors.Is(err, store.ErrRollback) {
				t.Fatalf("a keyring from before: %v", err)
			}
		})
	}
}

// The mirror in the engine gone, damaged, or another store's.
func TestTamperedMirror(t *testing.T) {
	e, other := newKept(), newKept()
	w, foreign := newWorld(t, store.Options{Engine: e}, "acme"), newWorld(t, store.Options{Engine: other}, "acme")
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	mustPut(t, foreign.ns("acme", "jira/comments"), "k", "v")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	honest := rawGet(t, e, codec.MetaMirror)
	refuse := func(what string, raw []byte) {
		t.Helper()
		rawSet(t, e, codec.MetaMirror, raw)
		if s, err := store.Open(t.Context(), w.dir, &w.opts); err == nil {
			s.Close()
			t.Fatalf("a mirror %s: the store opens", what)
		} else if !refusal(err) {
			t.Fatalf("a mirror %s: %v", what, err)
		}
	}
	refuse("that is gone", nil)
	refuse("of another store", rawGet(t, other, codec.MetaMirror))
	refuse("that is an identity", rawGet(t, e, codec.MetaIdentity))
	for i := range honest {
		flipped := append([]byte(nil), honest...)
		flipped[i] ^= 1 << (i % 8)
		refuse("with a flipped bit", flipped)
	}
	rawSet(t, e, codec.MetaMirror, honest)
	w.Store, _ = store.Open(t.Context(), w.dir, &w.opts)
	wantValue(t, w.ns("acme", "jira/comments"), "k", "v")
}

// Files of two stores mixed, files missing, and files of a later version.
func TestMismatchedFiles(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, dir, other string)
		want   error
	}{
		"another's keyring": {func(t *testing.T, dir, other string) { replace(t, dir, other, "keyring.db") }, store.ErrIdentity},
		"another's records": {func(t *testing.T, dir, other string) { replace(t, dir, other, "records") }, store.ErrIdentity},
		"no keyring":        {func(t *testing.T, dir, _ string) { remove(t, dir, "keyring.db") }, store.ErrIdentity},
		"no records":        {func(t *testing.T, dir, _ string) { remove(t, dir, "records") }, store.ErrIdentity},
		"empty records": {func(t *testing.T, dir, _ string) {
			remove(t, dir, "records")
			if err := os.Mkdir(filepath.Join(dir, "records"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, store.ErrIdentity},
		"neither": {func(t *testing.T, dir, _ string) { remove(t, dir, "keyring.db"); remove(t, dir, "records") }, store.ErrNoStore},
		"a required feature": {func(t *testing.T, dir, _ string) {
			editIdentity(t, dir, func(id *codec.Identity) { id.Required = 1 << 40 })
		}, store.ErrUnsupported},
		"a later format":            {func(t *testing.T, dir, _ string) { editIdentity(t, dir, func(id *codec.Identity) { id.Format++ }) }, store.ErrUnsupported},
		"an optional feature alone": {func(t *testing.T, dir, _ string) { editIdentity(t, dir, func(id *codec.Identity) { id.Optional = 1 }) }, store.ErrIdentity},
		"another store id":          {func(t *testing.T, dir, _ string) { editIdentity(t, dir, func(id *codec.Identity) { id.Store[3] ^= 1 }) }, store.ErrIdentity},
		"no mark": {func(t *testing.T, dir, _ string) {
			editMeta(t, dir, func(b *bolt.Bucket) error { return b.Delete([]byte("initialised")) })
		}, store.ErrIncomplete},
	} {
		t.Run(name, func(t *testing.T) {
			w, other := newWorld(t, store.Options{}, "acme"), newWorld(t, store.Options{}, "acme")
			mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
			mustPut(t, other.ns("acme", "jira/comments"), "k", "v")
			if err := errors.Join(w.Close(), other.Close()); err != nil {
				t.Fatal(err)
			}
			test.change(t, w.dir, other.dir)
			if s, err := store.Open(t.Context(), w.dir, &w.opts); !errors.Is(err, test.want) {
				if err == nil {
					s.Close()
				}
				t.Fatalf("Open: %v, want %v", err, test.want)
			}
			// Whatever is wrong with it, creating a store does not delete anybody's data.
			if s, err := store.Create(t.Context(), w.dir, platformURI, &w.opts); err == nil {
				s.Close()
				if test.want != store.ErrNoStore {
					t.Fatal("Create made a new store over an old one")
				}
			}
		})
	}
}

func replace(t *testing.T, dir, other, name string) {
	t.Helper()
	remove(t, dir, name)
	if err := os.Rename(filepath.Join(other, name), filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func editMeta(t *testing.T, dir string, edit func(b *bolt.Bucket) error) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, "keyring.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bolt.Tx) error { return edit(tx.Bucket([]byte("meta"))) }), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func editIdentity(t *testing.T, dir string, edit func(id *codec.Identity)) {
	t.Helper()
	editMeta(t, dir, func(b *bolt.Bucket) error {
		var id codec.Identity
		if err := codec.DecodeRecord(b.Get([]byte("identity")), &id); err != nil {
			return err
		}
		edit(&id)
		return b.Put([]byte("identity"), codec.EncodeRecord(id))
	})
}

// The engine's identity gone or another.
func TestTamperedIdentity(t *testing.T) {
	e := newKept()
	w := newWorld(t, store.Options{Engine: e}, "acme")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	honest := rawGet(t, e, codec.MetaIdentity)
	tampered := [][]byte{nil, {0}, append(honest[:len(honest):len(honest)], 0)}
	for i := range honest {
		flipped := append([]byte(nil), honest...)
		flipped[i] ^= 1
		tampered = append(tampered, flipped)
	}
	for _, raw := range tampered {
		rawSet(t, e, codec.MetaIdentity, raw)
		if _, err := store.Open(t.Context(), w.dir, &w.opts); !errors.Is(err, store.ErrIdentity) {
			t.Fatalf("identity % x: %v", raw, err)
		}
	}
}

var _ engine.Engine = kept{}
