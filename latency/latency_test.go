package latency_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sealkv/sealkv/latency"
)

func TestHistogram(t *testing.T) {
	bounds := latency.Bounds()
	if !slices.IsSorted(bounds) || len(slices.Compact(slices.Clone(bounds))) != len(bounds) {
		t.Fatalf("bounds do not ascend: %v", bounds)
	}
	var h latency.Histogram
	for _, d := range []time.Duration{0, time.Microsecond, time.Microsecond + 1, 10 * time.Second, time.Hour} {
		h.Observe(d)
	}
	got := h.Snapshot()
	want := make([]uint64, len(bounds)+1)
	want[0], want[1], want[len(bounds)-1], want[len(bounds)] = 2, 1, 1, 1
	if !slices.Equal(got.Counts, want) {
		t.Errorf("counts %v, want %v", got.Counts, want)
	}
	if got.Count() != 5 || got.Sum != time.Hour+10*time.Second+2*time.Microsecond+1 {
		t.Errorf("%d times, together %v", got.Count(), got.Sum)
	}
	if n := testing.AllocsPerRun(100, func() { h.Observe(time.Millisecond) }); n != 0 {
		t.Errorf("Observe allocates %v times", n)
	}
}
