package pebble

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// However long the one who looks takes, no more is let in meanwhile than memtables have room for: beyond
// that a write would wait inside Pebble.
func TestAdmissionWhileSomebodyLooks(t *testing.T) {
	const memTable, batch = 64 << 10, 1 << 10
	looking, done, once := make(chan struct{}), make(chan struct{}), sync.Once{}
	a := newAdmission(Options{MemTableBytes: memTable, FS: vfs.NewMem()}, "/", newHealth(nil, slog.New(slog.DiscardHandler)), func() *pebble.Metrics {
		once.Do(func() { close(looking) })
		<-done
		return &pebble.Metrics{}
	})
	looked := make(chan error)
	go func() { looked <- a.admit(context.Background(), batch) }()
	<-looking
	admitted := 0
	for admitted <= 4*memTable {
		ctx, stop := context.WithTimeout(context.Background(), 2*admissionPoll)
		err := a.admit(ctx, batch)
		stop()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		admitted += batch
	}
	if admitted < memTable/4 || admitted > memTable {
		t.Errorf("%d bytes were let in, memtables have %d", admitted, memTable)
	}
	close(done)
	select {
	case err := <-looked:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("the one who looks is let in by nobody")
	}
	if err := a.admit(context.Background(), batch); err != nil {
		t.Error(err)
	}
}
