package keys_test

import (
	"testing"

	"github.com/sealkv/sealkv/keys"
)

// benchLease is a lease with one active data key, pinned.
func benchLease(b *testing.B) (*keys.Space, *keys.Lease) {
	r := newRing(b, nil, "acme")
	s := r.Space("acme", "jira/comments", tenantOnly)
	l, err := s.Pin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(l.Unpin)
	return s, l
}

// The key of an envelope: the lease, and the data key of a number in it.
func BenchmarkLookup(b *testing.B) {
	space, lease := benchLease(b)
	number := lease.Active[0].Number
	b.Run("Pin", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l, err := space.Pin(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			l.Unpin()
		}
	})
	b.Run("PinParallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l, err := space.Pin(b.Context())
				if err != nil {
					b.Error(err)
					return
				}
				l.Unpin()
			}
		})
	})
	b.Run("Find", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := lease.Find(number); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What values with several recipients, and chunks, take besides.
func BenchmarkContentKey(b *testing.B) {
	_, lease := benchLease(b)
	key, aad := lease.Active[0], make([]byte, 80)
	content, err := keys.NewContentKey(key.Suite)
	if err != nil {
		b.Fatal(err)
	}
	wrap := key.Wrap(nil, content, aad)
	b.Run("New", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, err := keys.NewContentKey(key.Suite)
			if err != nil {
				b.Fatal(err)
			}
			c.Wipe()
		}
	})
	b.Run("Wrap", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			key.Wrap(wrap[:0], content, aad)
		}
	})
	b.Run("Unwrap", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, err := key.Unwrap(wrap, aad)
			if err != nil {
				b.Fatal(err)
			}
			c.Wipe()
		}
	})
}
