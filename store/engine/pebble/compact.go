package pebble

import (
	"context"
	"time"

	"github.com/sealkv/sealkv/store/engine"
)

// healthPoll is how often a call that waits for background work looks whether that goes well.
const healthPoll = 20 * time.Millisecond

// Flush implements engine.Compactor.
func (e *Engine) Flush(ctx context.Context) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	if e.readOnly {
		return engine.ErrReadOnly
	}
	return e.flush(ctx)
}

// flush waits for a flush of everything written so far, but not for one that keeps failing.
func (e *Engine) flush(ctx context.Context) error {
	if err := e.health.failing(); err != nil {
		return err
	}
	ctx, stop := watch(ctx, e.health.failing)
	defer stop()
	done, err := e.db.AsyncFlush()
	if err != nil {
		return translate("flushing", err)
	}
	select {
	case <-done:
		return e.fence.outcome()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settle flushes twice. The second flush is empty and only makes the first one's edit not the
// last of the MANIFEST, on which there is no check; see verify.
func (e *Engine) settle() error {
	if err := e.flush(context.Background()); err != nil {
		return err
	}
	return e.flush(context.Background())
}

// Compact implements engine.Compactor. It gives up when compactions fail: Pebble would try again
// and again the one that it finds most urgent, and never come to this one.
func (e *Engine) Compact(ctx context.Context, r engine.Range) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	if e.readOnly {
		return engine.ErrReadOnly
	}
	if r.Empty() {
		return nil
	}
	if err := e.flush(ctx); err != nil {
		return err
	}
	ctx, stop := watch(ctx, e.health.stuck)
	defer stop()
	if err := e.db.Compact(ctx, r.Start, r.End, false); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return translate("compacting", err)
	}
	return e.fence.outcome()
}

// watch returns a context that also ends, and has its error as the cause, when ill returns one.
func watch(ctx context.Context, ill func() error) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		poll := time.NewTicker(healthPoll)
		defer poll.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-poll.C:
				if err := ill(); err != nil {
					cancel(err)
				}
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
