package store

import (
	"context"
	"sync"
	"time"
)

// A hold is a Snapshot or a Reader that is open: what it reads may be under keys that were in use
// when it began, so none of these is retired. It lasts until it is ended or too old.
type hold struct {
	what    string
	n       *Namespace // that it reads of; nil for all
	order   uint64
	began   time.Time
	release func() // lets go of what it holds, once it is too old; nil until it is whole
}

// holds are those that are open.
type holds struct {
	mu   sync.Mutex
	last uint64 // order of the one that began last
	open map[*hold]struct{}
	// swept keeps the namespaces that were swept while one is open, so that they know.
	swept map[*Namespace]struct{}
}

// hold begins one; of what it reads nothing was read before.
func (s *Store) hold(what string, n *Namespace, began time.Time) *hold {
	h := &hold{what: what, n: n, began: began}
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	s.holds.last++
	h.order = s.holds.last
	if s.holds.open == nil {
		s.holds.open = map[*hold]struct{}{}
	}
	s.holds.open[h] = struct{}{}
	return h
}

// releasing says how to let go of what a hold keeps.
func (s *Store) releasing(h *hold, release func()) {
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	h.release = release
}

func (s *Store) unhold(h *hold) {
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	s.holds.endLocked(h)
}

func (hs *holds) endLocked(h *hold) {
	delete(hs.open, h)
	if len(hs.open) == 0 {
		clear(hs.swept)
	}
}

// check returns ErrTooOld if the hold is.
func (s *Store) check(h *hold) error {
	if s.tooOld(h) {
		return ErrTooOld
	}
	return nil
}

func (s *Store) tooOld(h *hold) bool {
	return s.opts.MaxOpen >= 0 && h.age(s.opts.Now()) >= s.opts.MaxOpen
}

// age goes by both clocks: a machine that was suspended has held for as long.
func (h *hold) age(now time.Time) time.Duration {
	return max(now.Sub(h.began), now.Round(0).Sub(h.began.Round(0)))
}

// held counts those that are open and not too old.
func (s *Store) held() (open int, oldest time.Duration) {
	now := s.opts.Now()
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	for h := range s.holds.open {
		if !s.tooOld(h) {
			open++
			oldest = max(oldest, h.age(now))
		}
	}
	return open, oldest
}

// noteSwept is called at the end of a sweep, when every record was visited: who begins to read later needs none of the keys that
// the sweep has emptied.
func (n *Namespace) noteSwept() {
	n.store.holds.mu.Lock()
	defer n.store.holds.mu.Unlock()
	n.swept = n.store.holds.last
	if hs := &n.store.holds; len(hs.open) > 0 {
		if hs.swept == nil {
			hs.swept = map[*Namespace]struct{}{}
		}
		hs.swept[n] = struct{}{}
	}
}

// heldOpen says who reads of a namespace since before the end of its last sweep, or nothing. What
// swept it in another process was before anybody here began.
func (s *Store) heldOpen(n *Namespace) (what string) {
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	var first *hold
	for h := range s.holds.open {
		if (h.n == nil || h.n == n) && h.order <= n.swept && !s.tooOld(h) && (first == nil || h.order < first.order) {
			first = h
		}
	}
	if first == nil {
		return ""
	}
	return first.what + " is open since " + first.began.UTC().Format(time.DateTime)
}

// releaseOld has those that are too old let go of what the engine keeps for them.
func (s *Store) releaseOld(ctx context.Context) error {
	var old []*hold
	s.holds.mu.Lock()
	for h := range s.holds.open {
		if s.tooOld(h) && h.release != nil {
			old = append(old, h)
			s.holds.endLocked(h)
		}
	}
	s.holds.mu.Unlock()
	for _, h := range old {
		h.release()
	}
	return ctx.Err()
}
