// Package latency counts how long things take, in buckets whose bounds never change.
package latency

import (
	"slices"
	"sync/atomic"
	"time"
)

// bounds go up in steps of 1, 2, 5: a quantile read from the buckets is right to a factor of 2.5.
var bounds = [...]time.Duration{
	1 * time.Microsecond, 2 * time.Microsecond, 5 * time.Microsecond,
	10 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
}

// Bounds are the longest times of the buckets, ascending; one bucket more has what is longer.
func Bounds() []time.Duration { return slices.Clone(bounds[:]) }

// A Histogram is safe for concurrent use and ready as its zero. All who observe share its memory, so
// what happens millions of times a second is sampled.
type Histogram struct {
	counts [len(bounds) + 1]atomic.Uint64
	sum    atomic.Int64 // nanoseconds
}

// Observe counts one time.
func (h *Histogram) Observe(d time.Duration) {
	at, _ := slices.BinarySearch(bounds[:], d)
	h.counts[at].Add(1)
	h.sum.Add(int64(d))
}

// Snapshot returns the counts of this moment.
func (h *Histogram) Snapshot() Snapshot {
	s := Snapshot{Counts: make([]uint64, len(h.counts)), Sum: time.Duration(h.sum.Load())}
	for i := range h.counts {
		s.Counts[i] = h.counts[i].Load()
	}
	return s
}

// A Snapshot is what a Histogram has counted.
type Snapshot struct {
	Counts []uint64      // one for each of Bounds, times up to and including it, and the last for what is longer
	Sum    time.Duration // of all times
}

// Count is how many times were counted.
func (s Snapshot) Count() (sum uint64) {
	for _, n := range s.Counts {
		sum += n
	}
	return sum
}
