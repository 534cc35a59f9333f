package store

import (
	"context"
	"fmt"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store/engine"
)

// A condition is what a write of a record depends on.
type condition struct {
	absent bool
	equals []byte // envelope that must be there; nil for no such condition
}

var (
	always   = condition{}
	ifAbsent = condition{absent: true}
)

func ifEquals(raw []byte) condition { return condition{equals: raw} }

func (c condition) add(b engine.Batch, key []byte) {
	switch {
	case c.absent:
		b.IfAbsent(key)
	case c.equals != nil:
		b.IfEquals(key, c.equals)
	}
}

// write seals value and stores it under key if the condition holds, else returns
// engine.ErrConflict.
func (n *Namespace) write(ctx context.Context, key, value []byte, first firstWrite, c condition) error {
	if err := checkSizes(key, value); err != nil {
		return err
	}
	if len(value) > n.store.opts.Inline {
		return n.writeChunked(ctx, key, value, first, c)
	}
	op, err := n.begin(key)
	if err != nil {
		return err
	}
	defer op.done()
	if err := n.pinToSeal(ctx, op); err != nil {
		return err
	}
	defer op.lease.Unpin()
	return op.write(ctx, key, value, first, c)
}

// write is Namespace.write with the keys pinned. (One function with all three defers has too many returns for
// the compiler to make plain calls of them, which a Put would feel.)
func (op *op) write(ctx context.Context, key, value []byte, first firstWrite, c condition) error {
	n := op.n
	b := n.store.newBatch()
	defer b.Close()
	op.env.Written = n.dated(first)
	if err := op.seal(b, value); err != nil {
		return n.sealingFailed(err)
	}
	op.index(b, key)
	c.add(b, op.key)
	return n.store.apply(ctx, b)
}

// A firstWrite is when a value was first written: as an envelope keeps it, or else at a time; the zero
// one is now.
type firstWrite struct {
	kept uint64
	at   time.Time
}

// dated is what an envelope says of a first write, Unix seconds; 0 where the namespace keeps no time. The
// keys are pinned: what a policy asks for then is asked of all that is sealed under them.
func (n *Namespace) dated(first firstWrite) uint64 {
	if first.kept > 0 || n.maxAge.Load() == 0 {
		return first.kept
	}
	now := n.now()
	if first.at.IsZero() || first.at.Unix() > int64(now) {
		return now
	}
	return uint64(max(first.at.Unix(), 1)) // 0 would be none
}

// pinToSeal pins the keys, which must be active ones.
func (n *Namespace) pinToSeal(ctx context.Context, op *op) (err error) {
	if op.lease, err = n.keys.PinToSeal(ctx); err != nil {
		return n.sealingFailed(err)
	}
	if op.lease.Fallback {
		op.lease.Unpin()
		return n.sealingFailed(ErrKeyRevoked)
	}
	n.prepare(ctx, op.lease)
	return nil
}

func (n *Namespace) sealingFailed(err error) error {
	return fmt.Errorf("store: sealing for %s in %s: %w", n.id.tenant, n.id.name, translated(err))
}

// seal adds to b the record op.key with value, packed as the policy wants it, sealed for the active keys of
// op.lease, in the batch's own memory. op.env.Written is set.
func (op *op) seal(b engine.Batch, value []byte) error {
	e, key := &op.env, op.lease.Active[0]
	*e = codec.Envelope{Suite: key.Suite, Written: e.Written}
	value = op.pack(value)
	if len(op.lease.Active) > 1 {
		content, err := keys.NewContentKey(key.Suite)
		if err != nil {
			return err
		}
		defer content.Wipe()
		op.sealContent(b, content, value)
		return nil
	}
	e.Number = key.Number
	out := op.reserve(b, len(value)+codec.SealOverhead)
	op.aad = e.AppendSealAAD(op.aad[:0], &op.n.store.id, op.key)
	if op.ofDictionary() {
		key.SealDictionary(out, value, op.aad)
	} else {
		key.Seal(out, value, op.aad)
	}
	return nil
}

// sealContent adds the record with value sealed under a content key, which is wrapped for every
// active key. op.env says whether it is chunked.
func (op *op) sealContent(b engine.Batch, content *keys.ContentKey, value []byte) {
	op.wrapContent(content)
	out := op.reserve(b, len(value)+codec.SealOverhead)
	op.aad = op.env.AppendSealAAD(op.aad[:0], &op.n.store.id, op.key)
	content.Seal(out, value, op.aad)
}

// wrapContent fills in the recipients of op.env and the MAC over its head.
func (op *op) wrapContent(content *keys.ContentKey) {
	e, id := &op.env, &op.n.store.id
	e.Recipients = make([]codec.Recipient, len(op.lease.Active))
	for i, key := range op.lease.Active {
		op.aad = e.AppendWrapAAD(op.aad[:0], id, op.key, key.Number)
		e.Recipients[i] = codec.Recipient{Number: key.Number, Wrap: key.Wrap(nil, content, op.aad)}
	}
	op.aad = e.AppendHeadMAC(op.aad[:0], id, op.key)
	e.HeadMAC = content.HeadMAC(op.aad)
}

// reserve adds the record to b with all of the envelope but its last sealedLen bytes, and returns
// what is written so far, with exactly the room for them.
func (op *op) reserve(b engine.Batch, sealedLen int) []byte {
	key, value := b.SetDeferred(len(op.key), op.env.OpeningLen(sealedLen)+sealedLen)
	copy(key, op.key)
	return op.env.AppendOpening(value[:0:len(value)], sealedLen)
}

// index adds the record to the retention index, if its namespace has one.
func (op *op) index(b engine.Batch, key []byte) {
	if op.env.Written == 0 {
		return
	}
	b.Set(codec.AppendRetentionKey(nil, op.n.retention, op.env.Written, key), indexed)
}

// indexed is the value of an entry of the retention index: engines keep no empty ones.
var indexed = []byte{0}

// apply applies b as durably as the options say.
func (s *Store) apply(ctx context.Context, b engine.Batch) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	return translated(s.applyBatch(ctx, b, !s.opts.NoSync))
}
