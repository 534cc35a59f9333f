package store

import (
	"context"
	"errors"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store/engine"
)

// An op is the scratch memory of one operation on one record, drawn from a pool so that the hot
// path allocates nothing. As an engine.Sink it opens a record from the engine's memory.
type op struct {
	n     *Namespace
	lease *keys.Lease
	key   []byte // engine key
	aad   []byte
	env   codec.Envelope

	headOnly bool   // look at the head, open nothing
	dst      []byte // what the value is appended to
	frame    []byte // room for the value, compressed
	manifest []byte // copy of an envelope that Value leaves to finish: of a chunked value, or without its dictionary
	stale    bool   // sealed under other keys than the active ones
}

// begin draws an op for a record.
func (n *Namespace) begin(key []byte) (*op, error) {
	if err := checkSizes(key, nil); err != nil {
		return nil, err
	}
	op := n.draw()
	op.renew(key)
	return op, nil
}

// pinned draws an op for several records under the keys that are open, pinned, or returns nil if none are.
// Until unpin nothing is called that may wait for other keys: those may wait for this op.
func (n *Namespace) pinned(ctx context.Context) *op {
	lease := n.keys.TryPin()
	if lease == nil {
		return nil
	}
	n.prepare(ctx, lease)
	op := n.draw()
	op.lease = lease
	return op
}

// renew goes on with another record, under the same keys.
func (op *op) renew(key []byte) {
	op.key = append(append(op.key[:0], op.n.records...), key...)
	op.stale, op.manifest = false, op.manifest[:0]
	clear(op.frame)
	op.frame = op.frame[:0]
}

// unpin gives an op of pinned back.
func (op *op) unpin() {
	op.lease.Unpin()
	op.done()
}

// draw draws an op without a key.
func (n *Namespace) draw() *op {
	op := n.store.ops.Get().(*op)
	op.n = n
	op.headOnly, op.stale, op.manifest = false, false, op.manifest[:0]
	return op
}

// done gives the op back, without references to anything of the caller's or the engine's.
func (op *op) done() {
	n := op.n
	op.n, op.lease, op.dst = nil, nil, nil
	clear(op.frame)
	op.frame = op.frame[:0]
	op.env = codec.Envelope{}
	n.store.ops.Put(op)
}

// Value is called by the engine with the envelope.
func (op *op) Value(value []byte) error {
	if err := op.env.Parse(value); err != nil {
		return err
	}
	if op.n.expired(op.env.Written) {
		return ErrNotFound
	}
	if op.headOnly {
		return nil
	}
	op.stale = op.n.stale(op)
	if op.env.Chunked || op.env.Dictionary != 0 && op.dictionaries().coder(op.env.Dictionary) == nil {
		op.manifest = append(op.manifest, value...)
		return nil
	}
	return op.open()
}

// get reads a record from a state of the engine.
func (n *Namespace) get(ctx context.Context, from engine.Reader, key, dst []byte) ([]byte, error) {
	for {
		out, err := n.getOnce(ctx, from, key, dst)
		if err != errGone && err != errRotated {
			return out, err
		}
	}
}

func (n *Namespace) getOnce(ctx context.Context, from engine.Reader, key, dst []byte) ([]byte, error) {
	op, err := n.begin(key)
	if err != nil {
		return dst, err
	}
	defer op.done()
	if op.lease, err = n.keys.Pin(ctx); err != nil {
		return dst, n.withoutKeys(ctx, from, op, err)
	}
	n.prepare(ctx, op.lease)
	op.dst = dst
	if cache := n.store.values; cache == nil || from != engine.Reader(n.store.engine) {
		err = op.read(ctx, from)
	} else {
		err = op.readCached(ctx, cache)
	}
	err = op.rotated(err)
	fallback := op.lease.Fallback
	op.lease.Unpin()
	if err != nil {
		return dst, n.failed(op, err)
	}
	if op.stale && !fallback {
		n.store.hint(ctx, n, key)
	}
	return op.dst, nil
}

// read reads op's record from a state of the engine.
func (op *op) read(ctx context.Context, from engine.Reader) error {
	err := from.Get(ctx, op.key, op)
	if err == nil {
		err = op.finish(ctx, from)
	}
	return err
}

// readCached reads op's record, as it is now, from the cache, or else from the engine, and then keeps it.
func (op *op) readCached(ctx context.Context, cache *valueCache) error {
	hash := cache.hash(op.key)
	if v := cache.find(op, hash); v != nil {
		if op.n.expired(v.written) {
			return ErrNotFound
		}
		op.dst = append(op.dst, v.value...)
		return nil
	}
	at, from := cache.stamp(hash), len(op.dst)
	if err := op.read(ctx, op.n.store.engine); err != nil {
		return err
	}
	if !op.stale && !op.lease.Fallback && !op.env.Chunked {
		cache.keep(op, hash, at, op.dst[from:])
	}
	return nil
}

// errRotated says that a record names a key that was minted after the keys were pinned to read
// it: with those of now it opens, or fails for good.
var errRotated = errors.New("store: the keys were rotated meanwhile")

func (op *op) rotated(err error) error {
	if errors.Is(err, ErrKeyMismatch) && op.lease.Unlinked() {
		return errRotated
	}
	return err
}

// withoutKeys says why a read fails for which there are no keys: because there is no value, or
// because of the keys.
func (n *Namespace) withoutKeys(ctx context.Context, from engine.Reader, op *op, cause error) error {
	op.headOnly = true
	if err := from.Get(ctx, op.key, op); err != nil {
		return n.failed(op, err)
	}
	return n.failed(op, cause)
}
