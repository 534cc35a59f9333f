package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// between is an engine that calls functions after it has done something, as if another goroutine had
// been at it just then. Nil functions are not called.
type between struct {
	*mem.Engine
	got     func(key []byte)
	applied func(b engine.Batch)
	refuse  error // with which Apply fails
}

func (e *between) Get(ctx context.Context, key []byte, sink engine.Sink) error {
	err := e.Engine.Get(ctx, key, sink)
	if e.got != nil {
		e.got(key)
	}
	return err
}

func (e *between) Apply(ctx context.Context, b engine.Batch, sync bool) error {
	if e.refuse != nil {
		return e.refuse
	}
	err := e.Engine.Apply(ctx, b, sync)
	if e.applied != nil {
		e.applied(b)
	}
	return err
}

// A snapshot from before the end of a sweep holds up a retirement from the moment on at which the census
// can be seen.
func TestRetireAtTheEndOfASweep(t *testing.T) {
	e := &between{Engine: mem.New()}
	w := newWorld(t, store.Options{Engine: e, NoSync: true, Rewrap: store.RewrapOff}, "acme")
	n, acme := w.ns("acme", "jira/comments"), w.tenant("acme")
	mustPut(t, n, "k", "v")
	snapshot, err := w.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	done, err := acme.RotateDataKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	retired := errors.New("no census was written")
	census := codec.AppendPrefix(nil, codec.KindCensus, "acme", "jira/comments")
	e.applied = func(engine.Batch) {
		var got caught
		if e.Engine.Get(context.Background(), census, got) != nil {
			return
		}
		e.applied = nil
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		retired = acme.RetireDataKey(ctx, "jira/comments", done[0].From, false)
	}
	if _, err := acme.Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(retired, store.ErrNeeded) {
		t.Errorf("it was retired: %v", retired)
	}
	if got, err := snapshot.Get(t.Context(), n, []byte("k")); err != nil || string(got) != "v" {
		t.Errorf("the snapshot reads %q, %v", got, err)
	}
}

type caught struct{}

func (caught) Value([]byte) error { return nil }

// What is written while its earlier self is collected keeps its entry in the retention index, and is
// collected by the next.
func TestCollectBesideAWriter(t *testing.T) {
	for _, before := range []string{"deleted", "replaced"} {
		t.Run(before, func(t *testing.T) {
			e := &between{Engine: mem.New()}
			w := newWorld(t, store.Options{Engine: e, NoSync: true}, "acme")
			n, ctx := w.ns("acme", "jira/cached-content"), t.Context()
			old := time.Now().Add(-2 * n.MaxAge())
			write := func() {
				if err := n.PutWritten(ctx, []byte("k"), []byte("expired"), old); err != nil {
					t.Fatal(err)
				}
			}
			write()
			if before == "replaced" {
				mustPut(t, n, "k", "v")
			} else if err := n.Delete(ctx, []byte("k")); err != nil {
				t.Fatal(err)
			}
			key := codec.AppendPrefix(nil, codec.KindRecord, "acme", "jira/cached-content")
			key = append(key, 'k')
			e.got = func(at []byte) {
				if string(at) == string(key) {
					e.got = nil
					write()
				}
			}
			for range 2 {
				if err := w.Collect(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Engine.Get(ctx, key, caught{}); !errors.Is(err, engine.ErrNotFound) {
				t.Errorf("an expired record stays: %v", err)
			}
		})
	}
}

// An engine that refuses work until it is opened again is not taken for a closed store.
func TestPoisonedEngine(t *testing.T) {
	e := &between{Engine: mem.New()}
	w := newWorld(t, store.Options{Engine: e, NoSync: true}, "acme")
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "v")
	e.refuse = engine.ErrPoisoned
	if err := n.Put(t.Context(), []byte("k"), nil); !errors.Is(err, store.ErrPoisoned) || errors.Is(err, store.ErrClosed) {
		t.Errorf("Put returned %v", err)
	}
	e.refuse = nil
}
