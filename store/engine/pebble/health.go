package pebble

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// How long background work that failed waits before Pebble does what it would do at once, try
// again: flushes and compactions, and the collecting of statistics, which matters less and which
// on a damaged table is a search for the flipped bit.
const (
	brakeTime      = 100 * time.Millisecond
	statisticsTime = 5 * time.Second
)

// health is what is known of Pebble's background work. Pebble tries again what failed, so the
// errors here, except for damage, end by themselves when their cause does.
type health struct {
	fence   *fence
	log     *slog.Logger
	closing chan struct{} // closed when nothing is to wait any more
	// opening is true while Pebble opens the database. Then it is Open itself that waits for
	// the flush of what it has replayed, and a flush that fails must end the attempt.
	opening atomic.Bool
	// flush and compaction are why they fail at present; nil while they succeed.
	flush, compaction atomic.Pointer[error]
	// damage was found by background work. It will be met again, and tables that cannot be
	// compacted pile up, so writes are refused from then on; files are restored while the engine
	// is closed.
	damage atomic.Pointer[error]
	// reported are the paths of damaged files that the log has heard of.
	reported sync.Map
	// lastFlush is the error with which the last flush ended, perhaps a harmless one.
	lastFlush atomic.Pointer[error]
	// ended counts the errors with which compactions ended and which backgroundError will get.
	ended   map[error]int
	endedMu sync.Mutex
	// said is what the log was told last of background work.
	said atomic.Pointer[string]
}

func newHealth(f *fence, log *slog.Logger) *health {
	return &health{fence: f, log: log, closing: make(chan struct{}), ended: make(map[error]int)}
}

// failing returns why no write may be let in, nil if it may: without flushes the memtables fill
// up, and then it would wait for ever.
func (h *health) failing() error {
	if damage := h.damage.Load(); damage != nil {
		return *damage
	}
	if flush := h.flush.Load(); flush != nil {
		return *flush
	}
	return nil
}

// stuck returns why a write that waits for background work waits in vain, nil if it does not.
func (h *health) stuck() error {
	if h.fence.broken() {
		return h.fence.refusal()
	}
	if compaction := h.compaction.Load(); compaction != nil {
		return *compaction
	}
	return h.failing()
}

// flushEnded takes the end of a flush. That of an empty memtable ends with an error too; only
// backgroundError, which is called next, tells whether a flush has failed.
func (h *health) flushEnded(info pebble.FlushInfo) {
	h.lastFlush.Store(&info.Err)
	if info.Err == nil && h.flush.Swap(nil) != nil {
		h.said.Store(nil)
		h.log.Info("engine: flushing succeeds again; writes are taken")
	}
}

// compactionEnded takes the end of a compaction.
func (h *health) compactionEnded(info pebble.CompactionInfo) {
	switch {
	case info.Err == nil:
		h.compaction.Store(nil)
	case !errors.Is(info.Err, pebble.ErrCancelledCompaction):
		reason := translate("compacting", info.Err)
		h.compaction.Store(&reason)
		h.endedMu.Lock()
		defer h.endedMu.Unlock()
		h.ended[info.Err]++
	}
}

// backgroundError takes an error of any background work. That of a flush or compaction was just
// seen at its end, and Pebble's mutex is held; any other was met without it, and is waited out.
func (h *health) backgroundError(err error) {
	reason := translate("working in the background", err)
	if pebble.IsCorruptionError(err) {
		h.damage.Store(&reason)
	}
	switch {
	case h.ofFlush(err):
		h.flush.Store(&reason)
		if h.opening.Load() {
			h.fence.sever("flushing", err)
		}
	case !h.ofCompaction(err):
		defer h.wait(statisticsTime)
	}
	text := reason.Error()
	if before := h.said.Swap(&text); before == nil || *before != text {
		h.log.Error("engine: background work", "err", reason)
	}
}

// ofFlush reports whether err is that of the last flush; there is one at a time.
func (h *health) ofFlush(err error) bool {
	last := h.lastFlush.Load()
	return last != nil && *last == err
}

// ofCompaction reports whether err is that of a compaction, once for each.
func (h *health) ofCompaction(err error) bool {
	h.endedMu.Lock()
	defer h.endedMu.Unlock()
	n := h.ended[err]
	if n > 1 {
		h.ended[err] = n - 1
	} else {
		delete(h.ended, err)
	}
	return n > 0
}

// damaged logs damage that a read or a compaction has found, once for each file. The bounds of
// the table are user keys and are left out.
func (h *health) damaged(info pebble.DataCorruptionInfo) {
	if _, before := h.reported.LoadOrStore(info.Path, true); before {
		return
	}
	h.log.Error("engine: damaged file", "path", info.Path, "err", redacted(info.Details))
}

// slow logs an operation that takes long.
func (h *health) slow(info vfs.DiskSlowInfo) {
	h.log.Warn("engine: slow disk", "op", info.OpType.String(), "path", info.Path, "for", info.Duration)
}

// brake waits a little while flushes or compactions fail. It is called before each table is
// created, with none of Pebble's locks held.
func (h *health) brake() {
	if h.flush.Load() != nil || h.compaction.Load() != nil {
		h.wait(brakeTime)
	}
}

func (h *health) wait(d time.Duration) {
	select {
	case <-h.closing:
	case <-time.After(d):
	}
}

// isNoSpace is true for a full disk and for a quota that is used up.
func isNoSpace(err error) bool {
	return vfs.IsNoSpaceError(err) || errors.Is(err, syscall.EDQUOT)
}
