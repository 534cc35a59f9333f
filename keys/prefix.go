package keys

import (
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sealkv/sealkv/keys/internal/xaes"
)

// prefixes are where a key that seals under suite 2 has its prefixes from, one after the other.
type prefixes struct {
	current atomic.Pointer[prefix]
	seals   *sealCount // nil where nobody counts
}

// after is the prefix in use if it is not spent itself, else a new one.
func (p *prefixes) after(spent *prefix) *prefix {
	if current := p.current.Load(); current != spent {
		return current
	}
	fresh := new(prefix)
	rand.Read(fresh.bytes[:])
	if p.current.CompareAndSwap(spent, fresh) {
		p.seals.begin()
	}
	return p.current.Load()
}

// A prefix is the first half of nonces, with the number of seals under it.
type prefix struct {
	bytes xaes.Prefix
	seals atomic.Uint64
}

// take reports whether there may be another seal, and counts it.
func (p *prefix) take() bool { return p.seals.Add(1) <= maxSealsPrefix }

// keptPrefixes are those of a namespace's active keys, by number, with the counts of their seals. They outlive the opened keys and end
// with the store: the fewer prefixes there are, the fewer keys are derived to read. They are no secret.
type keptPrefixes struct {
	mu sync.Mutex
	m  map[uint32]*dataKeyPrefixes
}

// of are the prefixes of a data key.
func (k *keptPrefixes) of(number uint32) *dataKeyPrefixes {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.m == nil {
		k.m = map[uint32]*dataKeyPrefixes{}
	}
	if k.m[number] == nil {
		k.m[number] = newDataKeyPrefixes()
	}
	return k.m[number]
}

// keep forgets all others than those of the numbers.
func (k *keptPrefixes) keep(numbers []uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.m, func(number uint32, _ *dataKeyPrefixes) bool { return !slices.Contains(numbers, number) })
}
