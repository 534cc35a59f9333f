package pebble

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"unsafe"
)

// stripeCount is a power of two. Two keys meet in a stripe by chance once in so many times.
const stripeCount = 512

// stripes keep conditional batches apart from other batches that write the same keys. A key
// belongs to the stripe that its hash names.
type stripes struct {
	seed  maphash.Seed
	locks *[stripeCount]stripe
}

// A stripe fills a cache line of 64 bytes, so that processors do not meet in one by chance.
type stripe struct {
	sync.RWMutex
	_ [64 - unsafe.Sizeof(sync.RWMutex{})]byte
}

func newStripes() stripes {
	return stripes{seed: maphash.MakeSeed(), locks: new([stripeCount]stripe)}
}

// of returns the stripe of key.
func (s *stripes) of(key []byte) uint64 { return maphash.Bytes(s.seed, key) % stripeCount }

// A stripeSet is a set of stripes, one bit each.
type stripeSet [stripeCount / 64]uint64

func (s *stripeSet) add(stripe uint64) { s[stripe/64] |= 1 << (stripe % 64) }

func (s *stripeSet) addAll() {
	for i := range s {
		s[i] = ^uint64(0)
	}
}

// lock takes each stripe of the two sets once, in ascending order, so that no two batches wait
// for each other: exclusively if it is in exclusive, else shared.
func (s *stripes) lock(shared, exclusive *stripeSet) {
	for word := range shared {
		for left := shared[word] | exclusive[word]; left != 0; left &= left - 1 {
			bit := bits.TrailingZeros64(left)
			if exclusive[word]>>bit&1 != 0 {
				s.locks[word*64+bit].Lock()
			} else {
				s.locks[word*64+bit].RLock()
			}
		}
	}
}

// unlock releases what lock took.
func (s *stripes) unlock(shared, exclusive *stripeSet) {
	for word := range shared {
		for left := shared[word] | exclusive[word]; left != 0; left &= left - 1 {
			bit := bits.TrailingZeros64(left)
			if exclusive[word]>>bit&1 != 0 {
				s.locks[word*64+bit].Unlock()
			} else {
				s.locks[word*64+bit].RUnlock()
			}
		}
	}
}
