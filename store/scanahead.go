package store

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// maxOpeners bounds who opens ahead, beside the caller's goroutine.
	maxOpeners = 3
	// aheadGroups is how many groups may wait for each of them: one who finds none waiting falls asleep.
	aheadGroups = 8
	// aheadFrom is how many entries a page takes at least for others to open some of them: on two
	// processors it takes 130 µs until another goroutine runs, and 15 µs to start it.
	aheadFrom = 256
)

// ahead opens groups of a page on several goroutines, in order, while the scan still reads the page and
// while the caller looks at entries: those envelopes that open by themselves. The scan opens a group
// itself where enough wait already; while it waits for one, it opens others.
type ahead struct {
	s *scanner

	mu      sync.Mutex
	changed sync.Cond // a group was added or is done, or it stops
	waiting []*group  // that nobody has begun
	stopped bool

	inflated atomic.Int64 // bytes of the page that values opened ahead take beyond their envelopes
	openers  int          // begun; the scan's
	workers  sync.WaitGroup
}

// takes reports whether somebody would open another group soon. At the first time it has them begin,
// if there are processors for it.
func (a *ahead) takes() bool {
	for a.openers < min(maxOpeners, runtime.GOMAXPROCS(0)-1) {
		a.openers++
		a.workers.Go(a.opener)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waiting) < aheadGroups*a.openers
}

// add hands a group over.
func (a *ahead) add(g *group) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, g)
	a.changed.Broadcast()
}

// opener opens one group after the other until it is told to stop.
func (a *ahead) opener() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.stopped {
		if len(a.waiting) == 0 {
			a.changed.Wait()
			continue
		}
		a.openNext()
	}
}

// openNext opens the group that was added first. a.mu is held, but not meanwhile.
func (a *ahead) openNext() {
	g := a.waiting[0]
	a.waiting = slices.Delete(a.waiting, 0, 1)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		g.awaited = false
		a.changed.Broadcast()
	}()
	a.s.openGroup(g)
}

// await returns when a group is not awaited any more; meanwhile it opens others.
func (a *ahead) await(g *group) {
	if a.openers == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for g.awaited {
		if len(a.waiting) > 0 {
			a.openNext()
		} else {
			a.changed.Wait()
		}
	}
}

// stop ends the openers, and returns when nobody is at a group any more.
func (a *ahead) stop() {
	a.mu.Lock()
	a.stopped = true
	a.changed.Broadcast()
	a.mu.Unlock()
	a.workers.Wait()
}

// openGroup opens the envelopes of a group that open by themselves, if the keys are open, and not
// more than a page's bytes of what was compressed.
func (s *scanner) openGroup(g *group) {
	op := s.n.pinned(s.ctx)
	if op == nil {
		return
	}
	defer op.unpin()
	for i := range g.records {
		if op.lease.Unlinked() || s.ahead.inflated.Load() > maxPageBytes {
			return
		}
		r := &g.records[i]
		r.open(op, g.of(r.envelope))
		s.ahead.inflated.Add(int64(r.inflated()))
	}
}
