package keys

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"

	"github.com/sealkv/sealkv/codec"
)

const (
	// sealsPerRun is how many seals are counted at once, as a run. Under suite 2 a run is what shares a
	// prefix; under suite 1 one begins with each seal whose nonce begins with 20 zero bits, which is one
	// in as many. So no seal touches a counter that others touch too.
	sealsPerRun = maxSealsPrefix
	// maxSealsXAES is how many seals a data key of suite 2 makes: two of as many nonces are equal with 2^-32.
	maxSealsXAES = 1 << 45
	// MinMaxSeals is the least of Want.MaxSeals: 1,024 runs, few enough to be counted ahead.
	MinMaxSeals = 1 << 30

	firstRuns, mostRuns = 4, 32 // that are counted ahead at once: doubling, so that a short life costs little
)

// A sealCount is how many runs of a data key are counted in the keyring and have not begun. It lasts
// while the store is open. What is left then, or at a crash, is lost: the keyring's count is never
// below the seals that were made.
type sealCount struct {
	left atomic.Int64
	next atomic.Int64 // how many to count at the next time; 0 for firstRuns
}

// begin begins a run. It may take what is not counted yet, by what one operation seals; the next one
// counts that too.
func (c *sealCount) begin() {
	if c != nil {
		c.left.Add(-1)
	}
}

// maxSeals is how many seals a data key makes, 0 for any number.
func (w Want) maxSeals() uint64 {
	if w.suite() == codec.SuiteXAES {
		return min(cmp.Or(w.MaxSeals, maxSealsXAES), maxSealsXAES)
	}
	return w.MaxSeals
}

// runsLeft is how many runs of a key may still be counted.
func (row *dataKeyRow) runsLeft(want Want) int64 {
	limit := want.maxSeals()
	if limit == 0 {
		return mostRuns // nobody asks for more at once, but for what is owed
	}
	return int64((max(limit, row.rec.Seals) - row.rec.Seals) / sealsPerRun)
}

// PinToSeal is Pin for who seals. Where the seals of a key are counted, it counts ahead, durably, about
// once in 2^25 seals; and it replaces a key that has made as many as it may. The lease has no active key
// in a fallback.
func (s *Space) PinToSeal(ctx context.Context) (*Lease, error) {
	for {
		l, err := s.Pin(ctx)
		if err != nil || !l.uncounted() {
			return l, err
		}
		l.Unpin()
		if err := cmp.Or(s.countAhead(ctx), ctx.Err()); err != nil {
			return nil, err
		}
	}
}

// uncounted reports whether an active key has no run left that is counted.
func (l *Lease) uncounted() bool {
	if !l.counted {
		return false
	}
	for _, key := range l.Active {
		if key.seals.left.Load() < 1 {
			return true
		}
	}
	return false
}

// countAhead counts the next runs of the active keys in the keyring, once for all who wait.
func (s *Space) countAhead(ctx context.Context) error {
	return s.once(ctx, "seals ", func(ctx context.Context) error {
		return s.k.settle(ctx, s.tenant, s.countUncounted)
	})
}

func (s *Space) countUncounted(ctx context.Context) error {
	l, err := s.Pin(ctx)
	if err != nil {
		return err
	}
	defer l.Unpin()
	if !l.uncounted() {
		return nil // somebody was faster
	}
	return s.count(ctx, l)
}

func (s *Space) count(ctx context.Context, l *Lease) error {
	want, err := s.want(s.k.opts.Now())
	if err != nil {
		return err
	}
	platform, own, err := s.k.parentsOf(ctx, s.tenant, func(namespace string) bool { return namespace == s.namespace })
	if err != nil {
		return err
	}
	defer platform.release()
	if own != nil {
		defer own.release()
	}
	var runs []int64
	_, err = s.k.file.update(ctx, func(c *change) error {
		e, err := c.edit(s.tenant, platform, own)
		if err != nil {
			return err
		}
		if runs = e.countRuns(s.namespace, l.Active, want); runs == nil {
			return nil
		}
		return e.save()
	})
	if err != nil {
		return fmt.Errorf("keys: counting seals of tenant %s: %w", s.tenant, err)
	}
	if runs == nil { // the next lease has other keys
		s.k.invalidate(s.tenant, false, func(space *Space, _ *Lease) bool { return space == s })
		return nil
	}
	for i, key := range l.Active {
		key.seals.counted(runs[i])
	}
	return nil
}

// countRuns counts the next runs of the active keys that have none left, and returns how many. It returns nil
// and changes nothing if one of the keys has been replaced, or is to be: it has made its last seal.
func (e *editor) countRuns(namespace string, active []*DataKey, want Want) []int64 {
	runs := make([]int64, len(active))
	for i, key := range active {
		row := e.numbered(namespace, key.Number)
		if row == nil || row.rec.State != codec.StateActive || row.runsLeft(want) == 0 {
			return nil
		}
		if key.seals.left.Load() < 1 {
			runs[i] = min(key.seals.wanted(), row.runsLeft(want))
		}
	}
	for i, key := range active {
		if runs[i] > 0 {
			row := e.numbered(namespace, key.Number)
			row.rec.Seals += uint64(runs[i]) * sealsPerRun
			e.touched[row.KeyRow] = true
		}
	}
	return runs
}

// wanted is how many runs to count now: what is owed, and some ahead.
func (c *sealCount) wanted() int64 {
	return max(firstRuns, c.next.Load()) + max(0, -c.left.Load())
}

// counted says that so many runs are in the keyring.
func (c *sealCount) counted(runs int64) {
	if runs > 0 {
		c.left.Add(runs)
		c.next.Store(min(mostRuns, 2*max(firstRuns, c.next.Load())))
	}
}
