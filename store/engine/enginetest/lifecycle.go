package enginetest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/sealkv/sealkv/store/engine"
)

// snapshot skips the test if the engine has none.
func (r rig) snapshot() engine.Snapshot {
	r.Helper()
	s, ok := r.Engine.(engine.Snapshotter)
	if !ok {
		r.Skip("not a Snapshotter")
	}
	snapshot, err := s.NewSnapshot(context.Background())
	r.want(nil, err)
	return snapshot
}

func testSnapshot(r rig) {
	empty := r.snapshot()
	r.set("a=1", "b=2", "c=3")
	full := r.snapshot()
	r.do(func(b engine.Batch) {
		b.Set([]byte("a"), []byte("9"))
		b.Delete([]byte("b"))
	})
	changed := r.snapshot()
	r.do(func(b engine.Batch) { b.DeleteRange([]byte("a"), []byte("z")) })

	r.wantPage(r, "a", "z", "")
	r.wantPage(changed, "a", "z", "a=9 c=3")
	r.wantValue(changed, "b", "")
	r.wantPage(full, "a", "z", "a=1 b=2 c=3")
	r.wantValue(full, "b", "2")
	r.wantPage(empty, "a", "z", "")
	for _, s := range []engine.Snapshot{empty, full, changed} {
		r.want(nil, s.Close())
	}
}

func testSnapshotClosed(r rig) {
	ctx := context.Background()
	r.set("a=1")
	closed, left := r.snapshot(), r.snapshot()
	r.want(nil, closed.Close())
	r.want(nil, closed.Close())
	r.want(engine.ErrClosed, closed.Get(ctx, []byte("a"), &valueSink{}))
	r.want(engine.ErrClosed, closed.Page(ctx, span("a", "z", false), &pageSink{}))

	r.wantValue(left, "a", "1")
	r.want(nil, r.Close())
	r.want(engine.ErrClosed, left.Get(ctx, []byte("a"), &valueSink{}))
	r.want(engine.ErrClosed, left.Page(ctx, span("a", "z", false), &pageSink{}))
	r.want(nil, left.Close())
}

func testClosed(r rig) {
	ctx := context.Background()
	r.want(engine.ErrUnavailable, engine.ErrClosed)
	r.set("a=1")
	before := r.NewBatch()
	before.Set([]byte("a"), []byte("2"))
	r.want(nil, r.Close())
	r.want(nil, r.Close())

	r.want(engine.ErrClosed, r.Get(ctx, []byte("a"), &valueSink{}))
	r.want(engine.ErrClosed, r.Page(ctx, span("a", "z", false), &pageSink{}))
	r.want(engine.ErrClosed, r.Sync(ctx))
	r.want(engine.ErrClosed, r.Apply(ctx, before, true))
	before.Close()
	r.want(engine.ErrClosed, r.try(func(b engine.Batch) {
		b.IfAbsent([]byte("b"))
		copy(first(b.SetDeferred(1, 1)), "b")
	}))
	if s, ok := r.Engine.(engine.Snapshotter); ok {
		_, err := s.NewSnapshot(ctx)
		r.want(engine.ErrClosed, err)
	}
	if c, ok := r.Engine.(engine.Checkpointer); ok {
		r.want(engine.ErrClosed, c.Checkpoint(ctx, r.TempDir()+"/checkpoint"))
	}
	if c, ok := r.Engine.(engine.Compactor); ok {
		r.want(engine.ErrClosed, c.Flush(ctx))
		r.want(engine.ErrClosed, c.Compact(ctx, span("a", "z", false)))
	}
}

// testCloseWaits closes the engine while a page is being read.
func testCloseWaits(r rig) {
	ctx := context.Background()
	r.set("a=1", "b=2")
	inside, goOn, read, closed := make(chan bool), make(chan bool), make(chan error, 1), make(chan error, 1)
	var left atomic.Bool
	sink := &pageSink{max: 2, then: func() error {
		inside <- true
		<-goOn
		return nil
	}}
	go func() { read <- r.Page(ctx, span("a", "z", false), sink) }()
	<-inside
	go func() {
		err := r.Close()
		if !left.Load() {
			err = errors.New("closing did not wait for a page under way")
		}
		closed <- err
	}()
	for r.Get(ctx, []byte("a"), &valueSink{}) == nil { // until Close has shut the engine
	}
	goOn <- true
	<-inside
	left.Store(true)
	goOn <- true
	r.want(nil, <-read)
	r.want(nil, <-closed)
}

func testCancelled(r rig) {
	ctx, cancel := context.WithCancel(context.Background())
	r.set("a=1", "b=2", "c=3")
	sink := &pageSink{then: func() error { cancel(); return nil }}
	r.want(context.Canceled, r.Page(ctx, span("a", "z", false), sink))
	if len(sink.pairs) != 1 {
		r.Fatalf("the page went on: %q", sink.pairs)
	}

	r.want(context.Canceled, r.Get(ctx, []byte("a"), &valueSink{}))
	r.want(context.Canceled, r.Page(ctx, span("a", "z", false), sink))
	r.want(context.Canceled, r.Sync(ctx))
	b := r.NewBatch()
	defer b.Close()
	b.Delete([]byte("a"))
	r.want(context.Canceled, r.Apply(ctx, b, true))
	if s, ok := r.Engine.(engine.Snapshotter); ok {
		_, err := s.NewSnapshot(ctx)
		r.want(context.Canceled, err)
	}
	if c, ok := r.Engine.(engine.Checkpointer); ok {
		r.want(context.Canceled, c.Checkpoint(ctx, r.TempDir()+"/checkpoint"))
	}
	r.wantPage(r, "a", "z", "a=1 b=2 c=3")
}

// testDurable closes and opens again after each way to write.
func testDurable(r rig) {
	ctx := context.Background()
	r.set("synced=1", "deleted=1", "range1=1", "range2=1")
	r.do(func(b engine.Batch) { b.Delete([]byte("deleted")) })
	r.do(func(b engine.Batch) { b.DeleteRange([]byte("range"), []byte("rangf")) })
	b := r.NewBatch()
	b.Set([]byte("unsynced"), []byte("1"))
	r.want(nil, r.Apply(ctx, b, false))
	b.Close()
	for range 3 {
		r.Engine = r.options.Reopen(r.T, r.Engine)
		r.wantPage(r, "a", "z", "synced=1 unsynced=1")
	}
	r.set("synced=2")
	r.Engine = r.options.Reopen(r.T, r.Engine)
	r.wantPage(r, "a", "z", "synced=2 unsynced=1")
	r.want(nil, r.Close())
}
