package store

import "testing"

// A page of long values ends long before it has its number of entries.
func TestPagesAreBoundedInBytes(t *testing.T) {
	p, value := keyPage{withValues: true}, make([]byte, DefaultInline)
	for more := true; more; {
		more, _ = p.Entry([]byte("k"), value)
	}
	if !p.full || p.size >= 2*maxPageBytes || p.size < maxPageBytes {
		t.Errorf("%d entries with %d bytes, full: %v", len(p.keys), p.size, p.full)
	}
}
