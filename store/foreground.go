package store

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealkv/sealkv/latency"
)

// foreground counts the operations that users of the store have begun, so that work in the
// background notices them, and how they ended. It counts in cells that lie apart, so that processors
// that count at the same time do not wait for one another.
type foreground struct {
	cells     [16]cell
	next      atomic.Uint32 // cell that is given out next
	free      sync.Pool     // of *cell: a processor that gives one back gets it again
	latencies [operations]latency.Histogram
	start     time.Time
}

type cell struct {
	n     atomic.Uint64 // operations begun, and steps of long ones
	ended [operations][outcomes]atomic.Uint64

	foreground *foreground
	_          [64]byte // a cache line apart from the next
}

func newForeground() *foreground {
	f := &foreground{start: time.Now()}
	for i := range f.cells {
		f.cells[i].foreground = f
	}
	return f
}

func (f *foreground) cell() *cell {
	if c, ok := f.free.Get().(*cell); ok {
		return c
	}
	return &f.cells[f.next.Add(1)%uint32(len(f.cells))]
}

// begin counts an operation, which the caller ends.
func (f *foreground) begin(kind Operation) operation {
	c, began := f.cell(), time.Duration(0)
	if n := c.n.Add(1); n%sampled == 0 && kind.OneIn() > 0 || kind.OneIn() == 1 {
		began = time.Since(f.start)
	}
	return operation{cell: c, kind: kind, began: began}
}

// count counts a step of a long operation, to which a cache line is nothing.
func (f *foreground) count() { f.cells[0].n.Add(1) }

// operations is how many operations and steps were begun.
func (f *foreground) operations() (sum uint64) {
	for i := range f.cells {
		sum += f.cells[i].n.Load()
	}
	return sum
}
