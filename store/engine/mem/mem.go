// Package mem is an engine in memory, for tests and models. It is strict where a real engine is
// only in danger: slices that it lends are copies, which it wipes when their time is over, and
// it panics if a sink has written into one.
package mem

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"

	"github.com/RaduBerinde/btreemap"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/internal/gate"
	"github.com/sealkv/sealkv/store/engine/internal/tally"
)

var limits = engine.Limits{MaxKey: 2 << 10, MaxValue: 512 << 10, MaxBatchOps: 10_000, MaxBatchBytes: 16 << 20}

// state is everything that the engine holds at one moment. It is not changed once published: a
// writer changes a clone, which shares all nodes that stay as they were.
type state = btreemap.BTreeMap[[]byte, []byte]

// An Engine keeps its bytes in memory and loses them when it is closed.
type Engine struct {
	gate   gate.Gate
	closed sync.Once
	writer sync.Mutex // held from loading the newest state to publishing the next
	newest atomic.Pointer[state]
}

var (
	_ engine.Engine      = (*Engine)(nil)
	_ engine.Snapshotter = (*Engine)(nil)
	_ engine.Exclusive   = (*Engine)(nil)
)

// New returns an empty engine.
func New() *Engine {
	e := &Engine{}
	e.newest.Store(btreemap.New[[]byte, []byte](16, bytes.Compare))
	return e
}

// Get implements engine.Reader.
func (e *Engine) Get(ctx context.Context, key []byte, sink engine.Sink) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	return get(e.newest.Load(), key, sink)
}

// Page implements engine.Reader.
func (e *Engine) Page(ctx context.Context, r engine.Range, sink engine.PageSink) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	return page(ctx, e.newest.Load(), r, sink)
}

// NewBatch implements engine.Engine.
func (e *Engine) NewBatch() engine.Batch {
	return &batch{engine: e, tally: tally.New(limits)}
}

// Apply implements engine.Engine. Memory is as durable as it gets: sync changes nothing.
func (e *Engine) Apply(ctx context.Context, b engine.Batch, sync bool) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	own, ok := b.(*batch)
	if !ok || own.engine != e {
		return tally.ErrForeign
	}
	own.finish()
	if err := own.tally.Spend(); err != nil {
		return err
	}
	return e.apply(own)
}

func (e *Engine) apply(b *batch) error {
	e.writer.Lock()
	defer e.writer.Unlock()
	now := e.newest.Load()
	for _, c := range b.conditions {
		if !c.holds(now) {
			return engine.ErrConflict
		}
	}
	next := now.Clone()
	for _, op := range b.ops {
		op(next)
	}
	e.newest.Store(next)
	return nil
}

// Sync implements engine.Engine.
func (e *Engine) Sync(ctx context.Context) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	e.gate.Leave()
	return nil
}

// Limits implements engine.Engine.
func (e *Engine) Limits() engine.Limits { return limits }

// Exclusive implements engine.Exclusive.
func (e *Engine) Exclusive() {}

// Close implements engine.Engine. Snapshots that are still open end with it.
func (e *Engine) Close() error {
	e.closed.Do(e.gate.Shut)
	return nil
}

// enter begins a call, which then leaves the gate.
func (e *Engine) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !e.gate.Enter() {
		return engine.ErrClosed
	}
	return nil
}
