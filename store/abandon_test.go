package store_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// A Create or Open that fails, wherever that is, leaves no goroutine of its own, and the caller's engine open.
func TestFailedOpeningsLeaveNothing(t *testing.T) {
	engine := mem.New()
	w := newWorld(t, store.Options{})
	opts := store.Options{Roots: w.roots, Engine: engine, CacheBytes: 1 << 20, ValueCacheBytes: 1 << 10}
	reading := opts
	reading.ReadOnly = true
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := cacheGoroutines()
	for name, open := range map[string]func() (*store.Store, error){
		"to read what is not there yet": func() (*store.Store, error) { return store.Create(t.Context(), t.TempDir(), platformURI, &reading) },
		"in a file":                     func() (*store.Store, error) { return store.Create(t.Context(), file, platformURI, &opts) },
		"over a store":                  func() (*store.Store, error) { return store.Create(t.Context(), w.dir, platformURI, &opts) },
		"under an unknown root":         func() (*store.Store, error) { return store.Create(t.Context(), t.TempDir(), "test://none", &opts) },
		"nowhere":                       func() (*store.Store, error) { return store.Open(t.Context(), filepath.Join(file, "x"), &opts) },
		"where there is none":           func() (*store.Store, error) { return store.Open(t.Context(), t.TempDir(), &opts) },
		"what is held":                  func() (*store.Store, error) { return store.Open(t.Context(), w.dir, &opts) },
		"over other records": func() (*store.Store, error) {
			closed := newWorld(t, store.Options{})
			if err := closed.Close(); err != nil {
				t.Fatal(err)
			}
			opts := opts
			opts.Roots = roottest.Opener{}
			return store.Open(t.Context(), closed.dir, &opts)
		},
	} {
		if s, err := open(); err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
		}
		if now := cacheGoroutines(); now != before {
			t.Errorf("%s: %d goroutines of a cache, there were %d", name, now, before)
		}
		if err := engine.Sync(t.Context()); err != nil {
			t.Errorf("%s: the engine: %v", name, err)
		}
	}
}

// cacheGoroutines is how many goroutines of caches of values there are.
func cacheGoroutines() int {
	stacks := make([]byte, 4<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "store.newValueCache.func")
}
