package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// TestCloseAgainstEverything closes an engine on which every method is being called. None panics
// and each returns nil, or says that the engine is closed.
func TestCloseAgainstEverything(t *testing.T) {
	ctx, rounds := context.Background(), 20
	if quick() {
		rounds = 5
	}
	for round := range rounds {
		e := mustCreate(t, pebble.Options{MemTableBytes: small, FS: vfs.NewMem()})
		wantError(t, nil, put(e, []byte("k"), []byte("v"), true))
		all := engine.Range{Start: []byte("a"), End: []byte("z")}
		calls := []func() error{
			func() error { return e.Get(ctx, []byte("k"), &nullSink{}) },
			func() error { return e.Page(ctx, all, &firstSink{}) },
			func() error { return put(e, []byte("k"), []byte("v"), false) },
			func() error { return put(e, []byte("k"), []byte("v"), true) },
			func() error { return e.Sync(ctx) },
			func() error { return e.Flush(ctx) },
			func() error { return e.Compact(ctx, all) },
			func() error { return e.Checkpoint(ctx, fmt.Sprintf("/%d", rand.Uint64())) },
			func() error { e.Metrics(); return nil },
			func() error {
				s, err := e.NewSnapshot(ctx)
				if err != nil {
					return err
				}
				return errors.Join(s.Get(ctx, []byte("k"), &nullSink{}), s.Page(ctx, all, &firstSink{}), s.Close())
			},
		}
		var started, done sync.WaitGroup
		for _, call := range calls {
			started.Add(1)
			done.Go(func() {
				for i := range 1000 {
					err := call()
					if i == 0 {
						started.Done()
					}
					if errors.Is(err, engine.ErrUnavailable) {
						return
					}
					if err != nil {
						t.Errorf("round %d: %v", round, err)
						return
					}
				}
			})
		}
		started.Wait()
		wantError(t, nil, e.Close())
		done.Wait()
	}
}

// TestRangeInItsPlace: in Pebble a range deletion takes effect in the order of the batch.
func TestRangeInItsPlace(t *testing.T) {
	ctx, e := context.Background(), mustCreate(t, pebble.Options{FS: vfs.NewMem()})
	defer e.Close()
	b := e.NewBatch()
	b.Set([]byte("before"), []byte("1"))
	b.DeleteRange([]byte("a"), []byte("c"))
	b.Set([]byte("behind"), []byte("1"))
	wantError(t, nil, e.Apply(ctx, b, true))
	wantError(t, engine.ErrNotFound, e.Get(ctx, []byte("before"), &nullSink{}))
	wantError(t, nil, e.Get(ctx, []byte("behind"), &nullSink{}))
}

// TestCompactRemoves: after a range deletion and Compact no table holds the deleted values.
func TestCompactRemoves(t *testing.T) {
	ctx, disk := context.Background(), vfs.NewMem()
	e := mustCreate(t, pebble.Options{FS: disk})
	for i := range 100 {
		wantError(t, nil, put(e, numbered(i), []byte(strings.Repeat("v", 10_000)), false))
	}
	wantError(t, nil, e.Flush(ctx))
	full := e.Metrics()
	b := e.NewBatch()
	b.DeleteRange(numbered(0), numbered(99))
	wantError(t, nil, e.Apply(ctx, b, true))
	wantError(t, nil, e.Compact(ctx, engine.Range{Start: numbered(0), End: numbered(100)}))
	left := e.Metrics()
	if full.TableBytes < 1_000_000 || full.Tables == 0 || full.DiskBytes < full.TableBytes ||
		left.TableBytes > 20_000 || left.Flushes <= full.Flushes || left.Compactions == 0 {
		t.Errorf("before %+v\nafter %+v", full, left)
	}
	wantError(t, nil, e.Close())
	if (e.Metrics() != pebble.Metrics{}) {
		t.Error("metrics of a closed engine")
	}
}

// TestWritesWaitOutside: while flushes take for ever, a write waits where its context can end it,
// and not inside Pebble, where nothing can.
func TestWritesWaitOutside(t *testing.T) {
	block := make(chan struct{})
	disk := hookFS{vfs.NewMem(), func(op, name string) error {
		if op == "create" && strings.HasSuffix(name, ".sst") {
			<-block
		}
		return nil
	}}
	e := mustCreate(t, pebble.Options{MemTableBytes: small, FS: disk})
	b := e.NewBatch()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	var err error
	for written := 0; err == nil; written += small / 10 {
		b.Reset()
		b.Set([]byte("k"), make([]byte, small/10))
		if err = e.Apply(ctx, b, false); written > 8*small {
			t.Fatal("writes do not wait")
		}
	}
	wantError(t, context.DeadlineExceeded, err)
	wantError(t, nil, e.Get(context.Background(), []byte("k"), &nullSink{}))
	close(block)
	wantError(t, nil, put(e, []byte("k"), []byte("v"), true))
	wantError(t, nil, e.Close())
}
