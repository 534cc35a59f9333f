package store

import "sync/atomic"

// foreground counts the operations that users of the store have begun, so that work in the
// background notices them. It counts in cells that lie apart, so that processors that count at
// the same time do not wait for one another.
type foreground struct {
	cells [16]cell
	next  atomic.Uint32 // cell that is given out next
}

type cell struct {
	n atomic.Uint64
	_ [56]byte // the rest of a cache line
}

// cell gives a counter out; those who hold the same one slow each other down, no more.
func (f *foreground) cell() *cell { return &f.cells[f.next.Add(1)%uint32(len(f.cells))] }

// count counts an operation of somebody who holds no cell, because a cache line is nothing to it.
func (f *foreground) count() { f.cells[0].n.Add(1) }

// operations is how many operations were begun.
func (f *foreground) operations() (sum uint64) {
	for i := range f.cells {
		sum += f.cells[i].n.Load()
	}
	return sum
}
