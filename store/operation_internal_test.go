package store

import (
	"sync/atomic"
	"testing"
)

// What counting and timing add to each operation, beside the one counter that work in the background
// looks at.
func BenchmarkOperation(b *testing.B) {
	f := newForeground()
	b.Run("counted", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			o := f.begin(OpGet)
			o.end(nil)
		}
	})
	b.Run("begun", func(b *testing.B) {
		var n atomic.Uint64
		for b.Loop() {
			n.Add(1)
		}
	})
}
