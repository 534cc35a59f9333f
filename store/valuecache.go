package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/maypok86/otter/v2"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store/engine"
)

// A valueCache keeps opened values that are read often. It is one for the store; an entry stands
// under the engine key, and so serves one tenant and namespace.
//
// It is never stale. A write takes its keys out of the cache, and closes their stripes, before the
// engine begins to apply it, and opens them when it is done. What a reader has read from the
// engine goes in only if the stripe was open before it read, and no write has closed it since. So
// from the moment at which a write may be seen until it is acknowledged every reader asks the
// engine, and what an earlier reader still holds is not put in afterwards.
//
// It needs the lease that it was opened with: an entry of a lease that is not the reader's is
// none. So what ends a lease (a revocation, a rotation, a policy, the end of KeyTTL) ends its
// entries, and the last one who leaves it has them wiped.
type valueCache struct {
	values  *otter.Cache[uint64, *cachedValue]
	seed    maphash.Seed
	stripes [cacheStripes]cacheStripe
	batches sync.Pool // of *trackedBatch

	hits, misses atomic.Uint64

	purging sync.Mutex
	ended   chan struct{} // a lease has ended; never closed, as leases may end after the cache
	stop    chan struct{}
	done    sync.WaitGroup
}

const (
	cacheStripes = 1 << 10
	// entryOverhead is what an entry costs beside its key and its value, in bytes: a node of the
	// cache, the entry, and a place in the hash table, as measured by TestValueCacheMemory.
	entryOverhead = 200
	// maxCachedValue is the longest value that is kept: a few long ones would displace many that
	// gain more from it.
	maxCachedValue = 64 << 10
)

type cachedValue struct {
	lease   *keys.Lease
	key     []byte // engine key; shares its memory with value
	value   []byte
	written uint64
}

// A cacheStripe guards the keys whose hash is in it.
type cacheStripe struct {
	mu      sync.Mutex
	writers int    // under way
	writes  uint64 // done
	_       [104]byte
}

// A stamp is what a stripe was when a reader began.
type stamp struct {
	writes uint64
	open   bool
}

func newValueCache(size int64) (*valueCache, error) {
	values, err := otter.New(&otter.Options[uint64, *cachedValue]{
		MaximumWeight: uint64(size),
		Weigher: func(_ uint64, v *cachedValue) uint32 {
			return uint32(len(v.key) + len(v.value) + entryOverhead)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("store: making the cache of values: %w", err)
	}
	c := &valueCache{values: values, seed: maphash.MakeSeed(), ended: make(chan struct{}, 1), stop: make(chan struct{})}
	c.batches.New = func() any { return new(trackedBatch) }
	c.done.Go(func() {
		for {
			select {
			case <-c.ended:
				c.purge()
			case <-c.stop:
				return
			}
		}
	})
	return c, nil
}

// close wipes what is left. No operation is under way.
func (c *valueCache) close() {
	if c == nil {
		return
	}
	close(c.stop)
	c.done.Wait()
	c.purge()
}

func (c *valueCache) hash(key []byte) uint64 { return maphash.Bytes(c.seed, key) }

func (c *valueCache) stripe(hash uint64) *cacheStripe { return &c.stripes[hash%cacheStripes] }

// find returns the entry of a record that was opened with op's lease, which is pinned, or nil.
func (c *valueCache) find(op *op, hash uint64) *cachedValue {
	v, found := c.values.GetIfPresent(hash)
	if !found || v.lease != op.lease || !bytes.Equal(v.key, op.key) {
		c.misses.Add(1)
		return nil
	}
	c.hits.Add(1)
	return v
}

// stamp is taken before the engine is read.
func (c *valueCache) stamp(hash uint64) stamp {
	s := c.stripe(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	return stamp{writes: s.writes, open: s.writers == 0}
}

// keep puts in what op has read since the stamp was taken. value belongs to the caller.
func (c *valueCache) keep(op *op, hash uint64, at stamp, value []byte) {
	if !at.open || len(value) > maxCachedValue {
		return
	}
	both := make([]byte, 0, len(op.key)+len(value))
	both = append(append(both, op.key...), value...)
	v := &cachedValue{lease: op.lease, key: both[:len(op.key)], value: both[len(op.key):], written: op.env.Written}
	s := c.stripe(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writers == 0 && s.writes == at.writes {
		c.values.Set(hash, v)
	}
}

// begin closes the stripe of a key that is going to be written, and takes the key out.
func (c *valueCache) begin(hash uint64) {
	s := c.stripe(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writers++
	c.values.Invalidate(hash)
}

func (c *valueCache) end(hash uint64) {
	s := c.stripe(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writers--
	s.writes++
}

// leaseEnded is called when the last user of a lease has left it. It does not block.
func (c *valueCache) leaseEnded() {
	select {
	case c.ended <- struct{}{}:
	default: // a purge is due already
	}
}

// purge takes out and wipes what was opened with leases that have ended: nobody copies from it,
// for who does has the lease pinned. When it returns, all of that is wiped, by whomever. It does nothing
// for a nil cache.
func (c *valueCache) purge() {
	if c == nil {
		return
	}
	c.purging.Lock()
	defer c.purging.Unlock()
	for hash, v := range c.values.All() {
		if v.lease.Ended() {
			c.values.Invalidate(hash)
			clear(v.value)
		}
	}
}

// A trackedBatch remembers which records it writes.
type trackedBatch struct {
	engine.Batch
	cache    *valueCache
	hashes   []uint64
	deferred []byte // a key that the caller may still be filling
	ranges   bool   // it deletes ranges of records
}

func (b *trackedBatch) track(key []byte) {
	if codec.Kind(key[0]) == codec.KindRecord {
		b.hashes = append(b.hashes, b.cache.hash(key))
	}
}

func (b *trackedBatch) settle() {
	if b.deferred != nil {
		b.track(b.deferred)
		b.deferred = nil
	}
}

func (b *trackedBatch) Set(key, value []byte) {
	b.settle()
	b.track(key)
	b.Batch.Set(key, value)
}

func (b *trackedBatch) SetDeferred(keyLen, valueLen int) (key, value []byte) {
	b.settle()
	key, value = b.Batch.SetDeferred(keyLen, valueLen)
	b.deferred = key
	return key, value
}

func (b *trackedBatch) Delete(key []byte) {
	b.settle()
	b.track(key)
	b.Batch.Delete(key)
}

func (b *trackedBatch) DeleteRange(start, end []byte) {
	b.settle()
	b.ranges = b.ranges || codec.Kind(start[0]) <= codec.KindRecord && codec.Kind(end[0]) >= codec.KindRecord
	b.Batch.DeleteRange(start, end)
}

func (b *trackedBatch) IfAbsent(key []byte)        { b.settle(); b.Batch.IfAbsent(key) }
func (b *trackedBatch) IfEquals(key, value []byte) { b.settle(); b.Batch.IfEquals(key, value) }

func (b *trackedBatch) Reset() {
	b.Batch.Reset()
	b.forget()
}

func (b *trackedBatch) Close() {
	b.Batch.Close()
	b.forget()
	b.Batch = nil
	b.cache.batches.Put(b)
}

func (b *trackedBatch) forget() { b.hashes, b.deferred, b.ranges = b.hashes[:0], nil, false }

// begin closes the stripes of everything that the batch writes. A deletion of ranges closes all.
func (b *trackedBatch) begin() {
	b.settle()
	if b.ranges {
		b.hashes = b.hashes[:0]
		for i := range uint64(cacheStripes) {
			b.hashes = append(b.hashes, i)
		}
	}
	for _, hash := range b.hashes {
		b.cache.begin(hash)
	}
	if b.ranges {
		for hash := range b.cache.values.Keys() {
			b.cache.values.Invalidate(hash)
		}
	}
}

func (b *trackedBatch) end() {
	for _, hash := range b.hashes {
		b.cache.end(hash)
	}
}

// newBatch returns an empty batch. Everything that writes to the engine uses newBatch and
// applyBatch, or the cache of values would not know of it.
func (s *Store) newBatch() engine.Batch {
	if s.values == nil {
		return s.engine.NewBatch()
	}
	b := s.values.batches.Get().(*trackedBatch)
	b.Batch, b.cache = s.engine.NewBatch(), s.values
	return b
}

// applyBatch is the engine's Apply. After an unknown outcome the stripes stay closed.
func (s *Store) applyBatch(ctx context.Context, b engine.Batch, sync bool) error {
	tracked, ok := b.(*trackedBatch)
	if !ok {
		return s.engine.Apply(ctx, b, sync)
	}
	tracked.begin()
	err := s.engine.Apply(ctx, tracked.Batch, sync)
	if !errors.Is(err, engine.ErrUnknown) {
		tracked.end()
	}
	return err
}
