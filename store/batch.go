package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store/engine"
)

// A Batch collects writes over namespaces and tenants that become visible, and durable, all at
// once or not at all. It is not safe for concurrent use. Values are sealed in Commit, under the
// keys that are active then: a batch may be kept for long. Until Reset it has them in memory as
// they were put.
//
// A batch holds 5,000 operations of together 16 MiB, see Size, with the engines that come along,
// and 50 of 1 MiB with any; 3,333 and 33 of values that are stored in chunks, which count with their keys
// alone.
type Batch struct {
	store     *Store
	ops       []batchOp
	arena     []byte
	engineOps int // upper bound of the operations that the engine will get, and
	size      int // of their bytes
}

type batchOp struct {
	n          *Namespace
	del        bool
	written    time.Time
	key, value span
}

// A span is a part of the arena, which moves as it grows.
type span struct{ from, to int }

// What an operation needs in the engine at most.
const (
	// opsPerPut are the record and an entry of the retention index; one of the journal with chunks.
	opsPerPut, opsPerChunked = 2, 3
	// perOp bounds the bytes of prefixes, envelope and entries, without the key in them and the value.
	perOp = 1024
)

// NewBatch returns an empty batch.
func (s *Store) NewBatch() *Batch { return &Batch{store: s} }

// Put adds Put(key, value) to the batch. It copies both. It returns ErrTooLarge if the batch
// would be larger than the engine takes; the batch stays as it was.
func (b *Batch) Put(n *Namespace, key, value []byte) error {
	return b.add(batchOp{n: n}, key, value)
}

// PutWritten adds PutWritten(key, value, written) to the batch.
func (b *Batch) PutWritten(n *Namespace, key, value []byte, written time.Time) error {
	return b.add(batchOp{n: n, written: written}, key, value)
}

// Delete adds Delete(key) to the batch.
func (b *Batch) Delete(n *Namespace, key []byte) error {
	return b.add(batchOp{n: n, del: true}, key, nil)
}

func (b *Batch) add(o batchOp, key, value []byte) error {
	if o.n.store != b.store {
		return errors.New("store: a batch takes namespaces of its own store only")
	}
	if err := checkSizes(key, value); err != nil {
		return err
	}
	ops := opsPerPut
	size := ops*len(key) + perOp + len(value)
	if !o.del && len(value) > b.store.opts.Inline {
		ops = opsPerChunked
		size = ops*len(key) + perOp
	}
	limits := b.store.engine.Limits()
	if b.engineOps+ops > limits.MaxBatchOps || b.size+size > limits.MaxBatchBytes {
		return fmt.Errorf("%w: a batch holds %d operations of together %d bytes; commit it and go on with another",
			ErrTooLarge, limits.MaxBatchOps/ops, limits.MaxBatchBytes)
	}
	b.engineOps, b.size = b.engineOps+ops, b.size+size
	o.key, o.value = b.keep(key), b.keep(value)
	b.ops = append(b.ops, o)
	return nil
}

func (b *Batch) keep(p []byte) span {
	from := len(b.arena)
	b.arena = append(b.arena, p...)
	return span{from, len(b.arena)}
}

func (b *Batch) bytes(s span) []byte { return b.arena[s.from:s.to:s.to] }

// Len is the number of operations.
func (b *Batch) Len() int { return len(b.ops) }

// Size is an upper bound of the bytes that Commit hands to the engine at once.
func (b *Batch) Size() int { return b.size }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	clear(b.arena)
	b.ops, b.arena, b.engineOps, b.size = b.ops[:0], b.arena[:0], 0, 0
}

// Commit applies the batch. It is durable when Commit returns, unless the store was opened with
// NoSync. The batch stays as it is; Reset empties it.
func (b *Batch) Commit(ctx context.Context) error {
	o := b.store.foreground.begin(OpCommit)
	for {
		err := b.commit(ctx)
		if !errors.Is(err, ErrPolicyChanged) { // by now other chunks are wanted
			return o.end(err)
		}
	}
}

func (b *Batch) commit(ctx context.Context) error {
	if len(b.ops) == 0 {
		return ctx.Err()
	}
	c := committing{Batch: b, out: b.store.newBatch(), leases: map[*Namespace]*keys.Lease{}}
	defer c.close(ctx)
	if err := c.writeChunks(ctx); err != nil {
		return err
	}
	if err := c.pin(ctx); err != nil {
		return err
	}
	if err := c.seal(); err != nil {
		return err
	}
	err := b.store.apply(ctx, c.out)
	for _, w := range c.blobs {
		w.stored = err == nil
		err = w.applied(ctx, err)
	}
	return err
}

// committing is one Commit under way.
type committing struct {
	*Batch
	out    engine.Batch
	blobs  map[int]*blobWriter // by operation
	leases map[*Namespace]*keys.Lease
}

// writeChunks writes the chunks of long values, which nothing refers to before the batch is
// applied.
func (c *committing) writeChunks(ctx context.Context) error {
	for i, o := range c.ops {
		value := c.bytes(o.value)
		if o.del || len(value) <= c.store.opts.Inline {
			continue
		}
		w, err := o.n.newBlobWriter(ctx, c.bytes(o.key))
		if err != nil {
			return err
		}
		if c.blobs == nil {
			c.blobs = map[int]*blobWriter{}
		}
		c.blobs[i] = w
		if err := errors.Join(w.sealAll(ctx, value), w.wait()); err != nil {
			return err
		}
	}
	return nil
}

// pin pins the keys of every namespace that values are sealed for. Whoever waits for these pins
// waits for nothing that this batch needs, so the order does not matter.
func (c *committing) pin(ctx context.Context) error {
	var last *Namespace
	for _, o := range c.ops {
		if o.del || o.n == last {
			continue
		}
		if last = o.n; c.leases[o.n] != nil {
			continue
		}
		op := op{n: o.n}
		if err := o.n.pinToSeal(ctx, &op); err != nil {
			return err
		}
		c.leases[o.n] = op.lease
	}
	return nil
}

// seal fills out. Operations of one namespace that follow one another share an op.
func (c *committing) seal() error {
	var shared *op
	defer func() {
		if shared != nil {
			shared.done()
		}
	}()
	for i, o := range c.ops {
		key := c.bytes(o.key)
		if w := c.blobs[i]; w != nil {
			w.op.lease = c.leases[o.n]
			if err := w.manifest(c.out, key, firstWrite{at: o.written}); err != nil {
				return err
			}
			continue
		}
		if shared != nil && shared.n != o.n {
			shared.done()
			shared = nil
		}
		if shared == nil {
			shared = o.n.draw()
			shared.lease = c.leases[o.n]
		}
		shared.renew(key)
		if o.del {
			c.out.Delete(shared.key)
			continue
		}
		shared.env.Written = o.n.dated(firstWrite{at: o.written})
		if err := shared.seal(c.out, c.bytes(o.value)); err != nil {
			return o.n.sealingFailed(err)
		}
		shared.index(c.out, key)
	}
	return nil
}

func (c *committing) close(ctx context.Context) {
	for _, w := range c.blobs {
		w.close(ctx)
	}
	for _, lease := range c.leases {
		lease.Unpin()
	}
	c.out.Close()
}
