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
}

type cell struct {
	n     atomic.Uint64 // operations begun, and steps of long ones
	ended [operations][outcomes]atomic.Uint64
	_     [64]byte // a cache line apart from the next
}

func (f *foreground) cell() *cell {
	if c, ok := f.free.Get().(*cell); ok {
		return c
	}
	return &f.cells[f.next.Add(1)%uint32(len(f.cells))]
}

// begin counts an operation, which the caller ends.
func (f *foreground) begin(kind Operation) operation {
	o := operation{foreground: f, cell: f.cell(), kind: kind}
	if n := o.cell.n.Add(1); n%sampled == 0 && kind.OneIn() > 0 || kind.OneIn() == 1 {
		o.began = time.Now()
	}
	return o
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
