package store

import (
	"context"
	"runtime"
	"slices"
	"sync"
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
// while the caller looks at entries. The scan opens
// itself what too many groups would wait before, and what it comes to and nobody has begun.
type ahead struct {
	s   *scanner
	ctx context.Context // of the scan

	mu      sync.Mutex
	changed sync.Cond // a group was added or is done, or it stops
	waiting []*group  // that nobody has begun
	working int       // groups that somebody is at
	openers int
	stopped bool
	workers sync.WaitGroup
}

// start has others open, if there are processors for it.
func (a *ahead) start() {
	for a.openers < min(maxOpeners, runtime.GOMAXPROCS(0)-1) {
		a.openers++
		a.workers.Go(a.opener)
	}
}

// takes reports whether somebody would open another group soon.
func (a *ahead) takes() bool {
	if a.openers == 0 {
		return false
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
	a.working++
	a.mu.Unlock()
	a.s.openGroup(a.ctx, g)
	a.mu.Lock()
	a.working--
	g.awaited = false
	a.changed.Broadcast()
}

// isStopped is asked now and then.
func (a *ahead) isStopped() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stopped
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

// clear forgets what waits, and returns when nobody is at a group.
func (a *ahead) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.waiting)
	a.waiting = a.waiting[:0]
	for a.working > 0 {
		a.changed.Wait()
	}
}

// stop ends the openers; the page that they were at is forgotten.
func (a *ahead) stop() {
	a.mu.Lock()
	a.stopped = true
	a.changed.Broadcast()
	a.mu.Unlock()
	a.workers.Wait()
}

// openGroup opens the envelopes of a group: first under keys that are pinned once for all of them, then one by
// one what takes more.
func (s *scanner) openGroup(ctx context.Context, g *group) {
	s.openPinned(ctx, g)
	for i := range g.records {
		if r := &g.records[i]; !r.opened {
			if ctx.Err() != nil || s.ahead.isStopped() {
				return
			}
			s.open(ctx, r, g.of(r.envelope))
		}
	}
}

func (s *scanner) openPinned(ctx context.Context, g *group) {
	op := s.n.pinned(ctx)
	if op == nil {
		return
	}
	defer op.unpin()
	for i := range g.records {
		if i%4 == 0 && (ctx.Err() != nil || s.ahead.isStopped()) {
			return
		}
		r := &g.records[i]
		r.open(op, g.of(r.envelope))
	}
}
