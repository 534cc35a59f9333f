package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/internal/tally"
)

// Apply implements engine.Engine. The batch is visible to readers, and its keys are free for
// other batches, before the log is synced: a reader may see what a crash then removes. A batch
// without operations only checks its conditions.
func (e *Engine) Apply(ctx context.Context, b engine.Batch, sync bool) error {
	if err := e.begin(ctx); err != nil {
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
	if e.readOnly {
		return engine.ErrReadOnly
	}
	if err := e.entry.admit(ctx, own.tally.Size()); err != nil {
		return err
	}
	if err := e.commit(own, sync); err != nil {
		return err
	}
	if sync {
		// An error of the log breaks the fence, and Pebble hears nothing of it.
		if err := own.rec.SyncWait(); err != nil {
			return fmt.Errorf("%w: %s", engine.ErrUnknown, redacted(err))
		}
	}
	return e.fence.outcome()
}

// commit checks the conditions of b and makes it visible under the locks of its stripes. With
// sync the record is on its way to the disk when commit returns.
func (e *Engine) commit(b *batch, sync bool) error {
	e.stripes.lock(&b.shared, &b.exclusive)
	defer e.stripes.unlock(&b.shared, &b.exclusive)
	for _, c := range b.conditions {
		if err := e.check(c); err != nil {
			return err
		}
	}
	if sync {
		return translate("applying", e.db.ApplyNoSyncWait(b.rec, pebble.Sync))
	}
	return translate("applying", e.db.Apply(b.rec, pebble.NoSync))
}

// check returns nil if c holds and ErrConflict if not. The stripe of its key is held.
func (e *Engine) check(c condition) error {
	value, closer, err := e.db.Get(c.key)
	if errors.Is(err, pebble.ErrNotFound) {
		if c.value == nil {
			return nil
		}
		return engine.ErrConflict
	}
	if err != nil {
		return translate("checking a condition", err)
	}
	defer closer.Close()
	if len(value) == 0 {
		return errValueLost
	}
	if c.value == nil || !bytes.Equal(value, c.value) {
		return engine.ErrConflict
	}
	return nil
}
