package keys

import (
	"math"
	"sync/atomic"
)

// pins counts who is using something that must not be wiped under them. Once shut, nobody gets
// in any more, and drained closes when the last one has left.
type pins struct {
	n       atomic.Int64 // users; math.MinInt64 more once shut
	drained chan struct{}
	last    func() // runs once, before drained closes
	after   func() // runs once after it; may be nil
}

func newPins(last func()) *pins { return &pins{drained: make(chan struct{}), last: last} }

// acquire lets the caller in unless p is shut; it takes no lock.
func (p *pins) acquire() bool {
	if p.n.Add(1) > 0 {
		return true
	}
	p.release()
	return false
}

func (p *pins) release() {
	if p.n.Add(-1) == math.MinInt64 {
		p.finish()
	}
}

// shut lets nobody else in. Only the first call counts. It does not wait.
func (p *pins) shut() {
	for {
		n := p.n.Load()
		if n < 0 {
			return
		}
		if p.n.CompareAndSwap(n, n+math.MinInt64) {
			if n == 0 {
				p.finish()
			}
			return
		}
	}
}

// finish may be reached twice: a caller that was turned away counts for a moment.
func (p *pins) finish() {
	if p.n.CompareAndSwap(math.MinInt64, math.MinInt64/2) {
		p.last()
		close(p.drained)
		if p.after != nil {
			p.after()
		}
	}
}

// isDrained is true once the last user has left for good.
func (p *pins) isDrained() bool {
	select {
	case <-p.drained:
		return true
	default:
		return false
	}
}

// isShut is true from shut on.
func (p *pins) isShut() bool { return p.n.Load() < 0 }
