package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// hookedEngine calls hook once, in the middle of the next Get.
type hookedEngine struct {
	*mem.Engine
	hook func()
}

func (e *hookedEngine) Get(ctx context.Context, key []byte, sink engine.Sink) error {
	if hook := e.hook; hook != nil {
		e.hook = nil
		hook()
	}
	return e.Engine.Get(ctx, key, sink)
}

// Who reads while keys rotate never sees it: a record under a key that is younger than the keys
// the reader had pinned is read again with those of now.
func TestReaderNeverSeesARotation(t *testing.T) {
	reads := map[string]func(n *store.Namespace) error{
		"get": func(n *store.Namespace) error { _, err := n.Get(context.Background(), []byte("k")); return err },
		"compare-and-swap": func(n *store.Namespace) error {
			return n.CompareAndSwap(context.Background(), []byte("k"), []byte("v"), []byte("v"))
		},
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			e := &hookedEngine{Engine: mem.New()}
			w := newWorld(t, store.Options{Engine: e}, "acme")
			n := w.ns("acme", "jira/comments")
			mustPut(t, n, "k", "v")
			rotated := make(chan error, 1)
			e.hook = func() {
				go func() {
					_, err := w.tenant("acme").RotateDataKeys(context.Background())
					rotated <- err
				}()
				for first := numberOf(t, w, "k"); numberOf(t, w, "k") == first; time.Sleep(time.Millisecond) {
					mustPut(t, n, "k", "v")
				}
			}
			if err := read(n); err != nil {
				t.Error(err)
			}
			if err := <-rotated; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// numberOf is the data key under which a comment of acme's is sealed.
func numberOf(t *testing.T, w *world, key string) uint32 {
	t.Helper()
	h, err := w.Head(t.Context(), "acme", "jira/comments", []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return h.Keys[0]
}
