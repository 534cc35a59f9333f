package pebble

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
)

// admission lets batches in to Pebble, which knows only one answer when it cannot keep up or the
// disk is full: the write waits inside it, perhaps for ever, and cannot be called back. So the
// engine refuses and waits first, while nothing has been applied and a context can still end it;
// Pebble's own thresholds are set out of reach.
//
// It looks at the disk and at Pebble once for every few writes, and at every write while there is
// something to see.
type admission struct {
	files   vfs.FS
	dir     string
	reserve uint64 // bytes of the device that are kept free
	stride  int64  // bytes let in between two looks
	slack   int64  // bytes let in while somebody looks
	queue   uint64 // bytes of memtables above which writes wait
	metrics func() *pebble.Metrics
	health  *health

	clear  atomic.Bool  // nothing was seen at the last look
	unseen atomic.Int64 // bytes let in since
	look   sync.Mutex   // held by the one caller that looks
}

const (
	// maxMemTables is how many memtables may wait to be flushed before writes wait.
	maxMemTables = 4
	// maxSublevels is how many tables of level 0 one Get may have to look into before writes
	// wait for compactions.
	maxSublevels = 24
	// admissionPoll is how long a write waits between two looks.
	admissionPoll = 10 * time.Millisecond
)

// newAdmission reserves sixteen memtables: those that wait, their logs, and as much again for
// the compactions that follow. A log that met a full disk would poison the engine.
func newAdmission(o Options, dir string, h *health, metrics func() *pebble.Metrics) *admission {
	memTable := uint64(o.MemTableBytes)
	a := &admission{
		files:   o.FS,
		dir:     dir,
		reserve: 16 * memTable,
		stride:  int64(memTable / 16),
		slack:   int64(memTable),
		queue:   maxMemTables * memTable,
		metrics: metrics,
		health:  h,
	}
	a.clear.Store(true)
	a.unseen.Store(a.stride) // the first write looks
	return a
}

// admit returns nil when a batch of n bytes may be handed to Pebble, and otherwise why not.
func (a *admission) admit(ctx context.Context, n int) error {
	if err := a.health.failing(); err != nil {
		return err
	}
	if a.clear.Load() && a.unseen.Add(int64(n)) < a.stride {
		return nil
	}
	for {
		if a.look.TryLock() {
			err := a.see()
			a.look.Unlock()
			if err != nil {
				return err
			}
		}
		// Still clear, if another looks just now; but that may take long on a busy machine.
		if a.clear.Load() && a.unseen.Load() < a.slack {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(admissionPoll):
		}
	}
}

// see looks once and sets clear. It returns an error if writes are to be refused; where they are
// to wait it returns one only if that for which they would wait fails.
func (a *admission) see() error {
	a.unseen.Store(0)
	low := a.diskLow()
	behind := !low && a.behind()
	a.clear.Store(!low && !behind)
	switch {
	case low:
		return engine.ErrDiskFull
	case behind:
		return a.health.stuck()
	}
	return nil
}

// behind reports whether flushes or compactions have fallen behind the writes.
func (a *admission) behind() bool {
	m := a.metrics()
	return m.MemTable.Size > a.queue || m.Levels[0].Sublevels > maxSublevels
}

// diskLow asks the file system. On a small device the reserve is a tenth of it. A file system
// that cannot tell has space.
func (a *admission) diskLow() bool {
	usage, err := a.files.GetDiskUsage(a.dir)
	return err == nil && usage.AvailBytes < min(a.reserve, usage.TotalBytes/10)
}
