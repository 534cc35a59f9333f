package pebble

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sealkv/sealkv/store/engine"
)

// Checkpoint implements engine.Checkpointer. It holds everything applied before it, synced or
// not. Tables are hard links where the file system allows it, so a checkpoint on the same device
// is quick and is no second copy. On an error dir is removed again as far as possible.
func (e *Engine) Checkpoint(ctx context.Context, dir string) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	if e.readOnly {
		return engine.ErrReadOnly
	}
	if err := e.health.failing(); err != nil {
		return err
	}
	if err := e.checkpoint(filepath.Clean(dir)); err != nil {
		return err
	}
	if err := e.fence.outcome(); err != nil {
		_ = e.fence.RemoveAll(dir)
		return err
	}
	return nil
}

// checkpoint turns the panic with which Pebble meets a directory that cannot be synced into an
// error. It is that of the checkpoint, not the engine's, and no lock is held.
func (e *Engine) checkpoint(dir string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			_ = e.fence.RemoveAll(dir)
			err = fmt.Errorf("%w: making a checkpoint: %s", engine.ErrUnavailable, redacted(fmt.Errorf("%v", r)))
		}
	}()
	return translate("making a checkpoint", e.db.Checkpoint(dir, pebble.WithFlushedWAL()))
}
