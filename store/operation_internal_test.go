package store

import "testing"

// What counting adds to each operation.
func BenchmarkCountOperation(b *testing.B) {
	var f foreground
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			o := f.begin(OpGet)
			o.end(nil)
		}
	})
}
