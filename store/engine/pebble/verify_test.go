package pebble

import "testing"

// FuzzChunks: no file makes the search for its end run out of bounds or for ever.
func FuzzChunks(f *testing.F) {
	f.Add([]byte{}, uint32(0))
	f.Add(make([]byte, 100), uint32(1))
	f.Add([]byte{0, 0, 0, 0, 0xff, 0xff, 9, 1, 0, 0, 0}, uint32(1))
	f.Fuzz(func(t *testing.T, file []byte, number uint32) {
		end := chunksEnd(file, number)
		if end < 0 || end > len(file) {
			t.Fatalf("the end of %d bytes is at %d", len(file), end)
		}
		beginsRecord(file, end)
		syncedBeyond(file, number, end)
	})
}
