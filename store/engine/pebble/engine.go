// Package pebble is the default engine: Pebble on local disk. It is the only importer of
// github.com/cockroachdb/pebble.
//
// Pebble answers some failures in ways that a library inside somebody's service cannot afford:
// after an error in its log it ends the process, or acknowledges what is lost; on a full disk a
// write blocks for ever; a call after Close panics. Files of this package put a stop to each:
// fence.go to the first, admission.go and health.go to the second, the gate in engine.go to the
// third. apply.go adds what Pebble lacks, conditions.
package pebble

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/internal/gate"
	"github.com/sealkv/sealkv/store/engine/internal/tally"
)

// An Engine is an open Pebble database.
type Engine struct {
	db       *pebble.DB
	log      *slog.Logger
	fence    *fence
	health   *health
	entry    *admission
	lock     *pebble.Lock
	disk     io.Closer // of the check for slow operations
	readOnly bool

	stripes stripes
	batches sync.Pool // of *batch

	gate   gate.Gate
	closed sync.Once

	mu        sync.Mutex
	snapshots map[*snapshot]struct{} // guarded by mu
}

var (
	_ engine.Engine       = (*Engine)(nil)
	_ engine.Snapshotter  = (*Engine)(nil)
	_ engine.Checkpointer = (*Engine)(nil)
	_ engine.Compactor    = (*Engine)(nil)
	_ engine.Exclusive    = (*Engine)(nil)
)

// newEngine returns an engine that lacks only its database.
func newEngine(path string, o Options) *Engine {
	e := &Engine{
		log:       o.Logger,
		readOnly:  o.ReadOnly,
		stripes:   newStripes(),
		snapshots: make(map[*snapshot]struct{}),
	}
	e.fence = newFence(o.FS, path, o.ReadOnly, o.Logger)
	e.health = newHealth(e.fence, o.Logger)
	e.fence.beforeTable = e.health.brake
	e.entry = newAdmission(o, path, e.health, func() *pebble.Metrics { return e.db.Metrics() })
	return e
}

// slowDisk is how long an operation on a file takes when the log is told of it.
const slowDisk = 5 * time.Second

// pebbleOptions returns what the engine opens its database with.
func (e *Engine) pebbleOptions(o *Options) *pebble.Options {
	t := o.tuned()
	t.Logger = logger{e}
	t.EventListener = e.events()
	t.FS, e.disk = vfs.WithDiskHealthChecks(e.fence, slowDisk, nil, e.health.slow)
	t.Lock = e.lock
	return t
}

// NewBatch implements engine.Engine.
func (e *Engine) NewBatch() engine.Batch {
	if b, ok := e.batches.Get().(*batch); ok {
		return b
	}
	return &batch{engine: e, tally: tally.New(limits), rec: e.db.NewBatch()}
}

// Limits implements engine.Engine.
func (e *Engine) Limits() engine.Limits { return limits }

// Exclusive implements engine.Exclusive.
func (e *Engine) Exclusive() {}

// Sync implements engine.Engine. On a poisoned engine it returns ErrUnknown: what was applied
// before may be lost.
func (e *Engine) Sync(ctx context.Context) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	if e.readOnly || e.fence.broken() {
		return e.fence.outcome()
	}
	if err := e.health.failing(); err != nil {
		return err
	}
	// A record without operations goes through the log like any other.
	if err := e.db.LogData(nil, pebble.Sync); err != nil {
		return translate("syncing", err)
	}
	return e.fence.outcome()
}

// Close implements engine.Engine. It ends the snapshots that are still open. Unless something is
// wrong with the disk it moves the log's content into tables, where every flipped bit is found.
// It returns ErrUnknown if the engine is poisoned.
func (e *Engine) Close() (err error) {
	e.closed.Do(func() {
		e.gate.Shut()
		err = e.close()
	})
	return err
}

func (e *Engine) close() error {
	close(e.health.closing)
	for _, s := range e.openSnapshots() {
		_ = s.Close()
	}
	if !e.readOnly && !e.fence.broken() && !e.entry.diskLow() {
		if err := e.settle(); err != nil {
			e.log.Warn("engine: closing without a flush; the log is replayed at the next opening", "err", err)
		}
	}
	err := errors.Join(e.db.Close(), e.release())
	if e.fence.broken() {
		return e.fence.outcome()
	}
	return translate("closing", err)
}

// release gives back what the engine holds besides its database.
func (e *Engine) release() error {
	if e.disk != nil {
		_ = e.disk.Close()
	}
	return e.lock.Close()
}

// begin admits a call that reads or writes; the call then leaves the gate.
func (e *Engine) begin(ctx context.Context) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	if e.fence.broken() {
		e.gate.Leave()
		return e.fence.refusal()
	}
	return nil
}

// enter admits a call, to a poisoned engine too; the call then leaves the gate.
func (e *Engine) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !e.gate.Enter() {
		return engine.ErrClosed
	}
	return nil
}
