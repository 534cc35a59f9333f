package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/store"
)

// Wherever creating a store is cut short, it opens, or creating it again makes it.
func TestCreationCrashes(t *testing.T) {
	s := &stage{world: &world{t: t, dir: filepath.Join(t.TempDir(), "store")}, clock: &clock{began: dayBefore}, camera: newCamera(t)}
	s.roots = roottest.Opener{platformURI: roottest.NewKey("platform")}
	s.opts = store.Options{Engine: s.camera, Roots: s.roots, CollectEvery: -1, KeyTTL: 1000 * time.Hour, Now: s.clock.now}
	s.camera.start(filepath.Join(s.dir, "keyring.db"))
	var err error
	if s.Store, err = store.Create(t.Context(), s.dir, platformURI, &s.opts); err != nil {
		t.Fatal(err)
	}
	points := s.camera.stop()
	s.Close()
	unfinished := 0
	for i := range points {
		t.Run(points[i].name, func(t *testing.T) {
			c, err := s.at(t, &points[i])
			if errors.Is(err, store.ErrIncomplete) {
				unfinished++
				c.Store, err = store.Create(t.Context(), c.dir, platformURI, &c.opts)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.AddTenant(t.Context(), "acme", nil); err != nil {
				t.Fatal(err)
			}
			mustPut(t, c.ns("acme", "jira/comments"), "k", "v")
			wantValue(t, c.ns("acme", "jira/comments"), "k", "v")
			c.check()
			if _, err := store.Create(t.Context(), c.dir, platformURI, &c.opts); err == nil {
				t.Error("created over a store")
			}
		})
	}
	if unfinished == 0 || unfinished == len(points) {
		t.Errorf("%d of %d were unfinished", unfinished, len(points))
	}
}

// A keyring has its own name only once it has its identity: what bbolt leaves of a new file that was
// cut short is another's, and creating the store again removes it.
func TestCreationCrashesInBbolt(t *testing.T) {
	for name, lay := range map[string]func(path string) error{
		"nothing": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a page":  func(path string) error { return os.WriteFile(path, make([]byte, 4096), 0o600) },
		"no buckets": func(path string) error {
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				return err
			}
			return db.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := lay(filepath.Join(dir, "keyring.db.create")); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Open(t.Context(), dir, &store.Options{Inspect: true}); !errors.Is(err, store.ErrNoStore) {
				t.Errorf("there is no store yet: %v", err)
			}
			w := newWorldIn(t, dir, store.Options{}, "acme")
			mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
			if _, err := os.Stat(filepath.Join(dir, "keyring.db.create")); !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		})
	}
}

// A restoration that is cut short leaves no store, and the next one makes it whole.
func TestRestorationCrashes(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 1 << 10}, "acme")
	settle(t, w, "acme")
	dir, _ := backup(t, w)
	if _, err := w.tenant("acme").Shred(t.Context(), &store.ShredOptions{Namespaces: []string{"jira/comments"}}); err != nil {
		t.Fatal(err)
	}
	w.Close()
	out := &world{t: t, dir: filepath.Join(t.TempDir(), "restored"), opts: w.opts, roots: w.roots}
	cut := 0
	for ; ; cut++ {
		ctx, cancel := context.WithCancel(t.Context())
		opts := w.opts
		var asked atomic.Int64
		opts.Now = func() time.Time { // each act of the keyring asks for the time
			if asked.Add(1) > int64(cut) {
				cancel()
			}
			return time.Now()
		}
		_, err := store.Restore(ctx, dir, out.dir, w.dir, &opts)
		cancel()
		if err == nil {
			break
		}
		if _, statErr := os.Stat(out.dir); !errors.Is(statErr, fs.ErrNotExist) || !errors.Is(err, context.Canceled) {
			t.Fatalf("cut short at %d: %v, %v", cut, err, statErr)
		}
	}
	if cut < 2 {
		t.Errorf("it was cut short %d times", cut)
	}
	var err error
	if out.Store, err = store.Open(t.Context(), out.dir, &out.opts); err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if opened, dark := verified(t, out.Store); opened != 4 || dark != 0 {
		t.Errorf("%d records open, %d are dark", opened, dark)
	}
	if _, err := out.VerifyAudit(t.Context(), nil); err != nil {
		t.Error(err)
	}
}
