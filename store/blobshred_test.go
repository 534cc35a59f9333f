package store_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
)

// heldChunks is an engine that holds up the next batch of a namespace's chunks until it is let go.
func heldChunks(t *testing.T, e engine.Engine) (h *hooked, hold func(n *store.Namespace), arrived chan struct{}, letGo func()) {
	h, arrived = &hooked{Engine: e}, make(chan struct{})
	release := make(chan struct{})
	letGo = sync.OnceFunc(func() { close(release) })
	t.Cleanup(letGo)
	var armed atomic.Pointer[[]byte] // what the engine keys of these chunks begin with
	h.before = func(ws []write) error {
		if of := armed.Load(); of != nil && len(ws) > 0 && bytes.HasPrefix(ws[0].key, *of) && armed.CompareAndSwap(of, nil) {
			close(arrived)
			<-release
		}
		return nil
	}
	return h, func(n *store.Namespace) {
		of := codec.AppendPrefix(nil, codec.KindChunk, n.Tenant(), n.Name())
		armed.Store(&of)
	}, arrived, letGo
}

// Chunks that are on their way when their tenant is shredded, or their namespace is, are waited for
// and deleted with the rest. Nothing is left that no collection would find.
func TestShredWaitsForChunks(t *testing.T) {
	for name, opts := range map[string]*store.ShredOptions{"tenant": nil, "namespace": {Namespaces: []string{"jira/attachments"}}} {
		t.Run(name, func(t *testing.T) {
			e, hold, arrived, letGo := heldChunks(t, newKept())
			w := newWorld(t, store.Options{Engine: e}, "acme")
			n := w.ns("acme", "jira/attachments")
			mustPut(t, n, "k", "v")
			out, err := n.Create(t.Context(), []byte("k"), nil)
			if err != nil {
				t.Fatal(err)
			}
			hold(n)
			if _, err := out.Write(content(9*chunk, 1)); err != nil {
				t.Fatal(err)
			}
			<-arrived
			shredded := make(chan error, 1)
			go func() { _, err := w.tenant("acme").Shred(context.Background(), opts); shredded <- err }()
			select {
			case err := <-shredded:
				t.Errorf("it did not wait: %v", err)
				shredded <- err
			case <-time.After(300 * time.Millisecond): // it is slower than others
			}
			letGo()
			if err := <-shredded; err != nil {
				t.Fatal(err)
			}
			wantNoChunks(t, e)
			if err := out.Close(); !errors.Is(err, store.ErrKeyDestroyed) {
				t.Errorf("Close: %v", err)
			}
			wantNoChunks(t, e)
		})
	}
}

// A value that was begun before its namespace was shredded went with it, however it is ended: it
// is not stored under the namespace's new keys.
func TestShreddedWhileWriting(t *testing.T) {
	for name, opts := range map[string]*store.CreateOptions{"create": nil, "if absent": {IfAbsent: true}} {
		for _, more := range []int{0, 20 * chunk} {
			t.Run(name, func(t *testing.T) {
				e := newKept()
				w := newWorld(t, store.Options{Engine: e}, "acme")
				n := w.ns("acme", "jira/attachments")
				out, err := n.Create(t.Context(), []byte("k"), opts)
				if err == nil {
					_, err = out.Write(content(20*chunk, 1))
				}
				if err != nil {
					t.Fatal(err)
				}
				shred(t, w, &store.ShredOptions{Namespaces: []string{n.Name()}})
				mustPut(t, n, "new", "v")
				out.Write(content(more, 2))
				if err := out.Close(); !errors.Is(err, store.ErrKeyDestroyed) {
					t.Errorf("Close: %v", err)
				}
				wantError(t, n, "k", store.ErrNotFound)
				wantValue(t, n, "new", "v")
				wantNoChunks(t, e)
			})
		}
	}
}

// A Batch of which one namespace is shredded while the chunks of another are on their way is not
// committed: its manifest would refer to nothing.
func TestShreddedBesideABatch(t *testing.T) {
	e, hold, arrived, letGo := heldChunks(t, newKept())
	w := newWorld(t, store.Options{Engine: e}, "acme")
	n, other := w.ns("acme", "jira/attachments"), w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "v")
	mustCreate(t, n, "before", content(9*chunk, 1))
	b := w.NewBatch()
	if err := errors.Join(b.Put(n, []byte("k"), content(9*chunk, 2)), b.Put(other, []byte("k"), content(9*chunk, 3))); err != nil {
		t.Fatal(err)
	}
	hold(other)
	committed := make(chan error, 1)
	go func() { committed <- b.Commit(context.Background()) }()
	<-arrived
	shred(t, w, &store.ShredOptions{Namespaces: []string{n.Name()}})
	mustPut(t, n, "new", "v")
	letGo()
	if err := <-committed; !errors.Is(err, store.ErrKeyDestroyed) {
		t.Errorf("Commit: %v", err)
	}
	wantError(t, n, "k", store.ErrNotFound)
	wantError(t, other, "k", store.ErrNotFound)
	wantNoChunks(t, e)
}

// A Put and a Batch whose chunks were there before the shredding say so too.
func TestShreddedWhilePutting(t *testing.T) {
	for name, put := range map[string]func(ctx context.Context, w *world, n *store.Namespace) error{
		"Put": func(ctx context.Context, _ *world, n *store.Namespace) error {
			return n.Put(ctx, []byte("k"), content(9*chunk, 1))
		},
		"PutIfAbsent": func(ctx context.Context, _ *world, n *store.Namespace) error {
			return n.PutIfAbsent(ctx, []byte("k"), content(9*chunk, 1))
		},
		"Batch": func(ctx context.Context, w *world, n *store.Namespace) error {
			b := w.NewBatch()
			return errors.Join(b.Put(n, []byte("k"), content(9*chunk, 1)), b.Put(n, []byte("k2"), []byte("v")), b.Commit(ctx))
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, hold, arrived, letGo := heldChunks(t, newKept())
			w := newWorld(t, store.Options{Engine: e}, "acme")
			n := w.ns("acme", "jira/attachments")
			mustPut(t, n, "other", "v")
			hold(n)
			wrote, shredded := make(chan error, 1), make(chan error, 1)
			go func() { wrote <- put(context.Background(), w, n) }()
			<-arrived
			go func() {
				_, err := w.tenant("acme").Shred(context.Background(), &store.ShredOptions{Namespaces: []string{n.Name()}})
				shredded <- err
			}()
			for n.Put(t.Context(), []byte("other"), nil) == nil { // until it is announced
				time.Sleep(time.Millisecond)
			}
			letGo()
			if err := <-shredded; err != nil {
				t.Fatal(err)
			}
			if err := <-wrote; !errors.Is(err, store.ErrKeyDestroyed) {
				t.Error(err)
			}
			if err := w.Collect(t.Context()); err != nil {
				t.Fatal(err)
			}
			checkBlobs(t, e)
		})
	}
}
