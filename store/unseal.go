package store

import (
	"context"
	"errors"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store/engine"
)

// open appends the value of op.env to op.dst. op.lease is pinned, and the value's dictionary opened.
func (op *op) open() (err error) {
	if op.env.Flags != 0 {
		return op.unpack()
	}
	op.dst, err = op.unseal(op.dst)
	return err
}

// unseal appends what is sealed in op.env to dst, or returns dst and an error.
func (op *op) unseal(dst []byte) ([]byte, error) {
	e := &op.env
	if e.HasContentKey() {
		content, err := op.unwrapContent()
		if err != nil {
			return dst, err
		}
		defer content.Wipe()
		op.aad = e.AppendSealAAD(op.aad[:0], &op.n.store.id, op.key)
		return content.Open(dst, e.Sealed, op.aad)
	}
	key, err := op.find(e.Number)
	if err != nil {
		return dst, err
	}
	if op.lease.Fallback {
		return dst, ErrKeyRevoked // the platform's key alone never speaks for a tenant
	}
	op.aad = e.AppendSealAAD(op.aad[:0], &op.n.store.id, op.key)
	if op.ofDictionary() {
		return key.OpenDictionary(dst, e.Sealed, op.aad)
	}
	return key.Open(dst, e.Sealed, op.aad)
}

// openPayload opens what a chunked value has beside its chunks: nothing, which its tag vouches for.
func (op *op) openPayload(content *keys.ContentKey) (err error) {
	op.aad = op.env.AppendSealAAD(op.aad[:0], &op.n.store.id, op.key)
	op.dst, err = content.Open(op.dst, op.env.Sealed, op.aad)
	return err
}

// find looks a data key up and refuses one that was minted for another suite.
func (op *op) find(number uint32) (*keys.DataKey, error) {
	key, err := op.lease.Find(number)
	if err == nil && key.Suite != op.env.Suite {
		err = ErrKeyMismatch
	}
	return key, err
}

// unwrapContent opens the content key through a recipient, the tenant's if there is one, and
// checks that it made the head.
func (op *op) unwrapContent() (*keys.ContentKey, error) {
	recipient, key, err := op.recipient()
	if err != nil {
		return nil, err
	}
	op.aad = op.env.AppendWrapAAD(op.aad[:0], &op.n.store.id, op.key, recipient.Number)
	content, err := key.Unwrap(recipient.Wrap, op.aad)
	if err != nil {
		return nil, err
	}
	op.aad = op.env.AppendHeadMAC(op.aad[:0], &op.n.store.id, op.key)
	if err := content.CheckHeadMAC(op.aad, op.env.HeadMAC); err != nil {
		content.Wipe()
		return nil, err
	}
	return content, nil
}

// recipient chooses the wrap to open. In a fallback the head must have one of the tenant's too:
// that is what a transition means. The head's MAC, which is checked next, vouches for it.
func (op *op) recipient() (recipient *codec.Recipient, key *keys.DataKey, err error) {
	var tenants bool
	for i := range op.env.Recipients {
		r := &op.env.Recipients[i]
		tenants = tenants || op.lease.IsTenants(r.Number)
		k, failed := op.find(r.Number)
		if failed != nil {
			err = worse(err, failed)
			continue
		}
		if key == nil || k.Domain == codec.DomainTenant {
			recipient, key = r, k
		}
	}
	if op.lease.Fallback && !tenants {
		return nil, nil, ErrKeyRevoked
	}
	if key == nil {
		return nil, nil, err
	}
	return recipient, key, nil
}

// worse chooses what to say of a value none of whose recipients opens: rather that a key was
// destroyed than that a number is unknown.
func worse(a, b error) error {
	if a == nil || errors.Is(a, ErrKeyMismatch) {
		return b
	}
	return a
}

// failed gives an error of reading op's record its place, and leaves alone what is no failure of
// the record.
func (n *Namespace) failed(op *op, err error) error { return n.failedUnder(op.number(), err) }

// failedUnder is failed for a record that names a data key.
func (n *Namespace) failedUnder(number uint32, err error) error {
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, engine.ErrNotFound):
		return ErrNotFound
	case err == errGone, err == errRotated:
		return err
	}
	for _, class := range []error{ErrMalformed, ErrUnsupported, ErrKeyMismatch, ErrAuthentication, ErrKeyRevoked, ErrKeyUnavailable, ErrKeyDestroyed, ErrNoDictionary, ErrNotApproved} {
		if errors.Is(err, class) {
			return n.recordError(number, err)
		}
	}
	return translated(err)
}

// number is a data key that the record names.
func (op *op) number() uint32 {
	if op.env.HasContentKey() {
		return op.env.Recipients[0].Number
	}
	return op.env.Number
}

// raw returns a copy of the envelope under key, or ErrNotFound.
func (n *Namespace) raw(ctx context.Context, key []byte) ([]byte, error) {
	return n.rawFrom(ctx, n.store.engine, key)
}

// rawFrom is raw in a state of the engine.
func (n *Namespace) rawFrom(ctx context.Context, from engine.Reader, key []byte) ([]byte, error) {
	if err := checkSizes(key, nil); err != nil {
		return nil, err
	}
	var got catcher
	if err := from.Get(ctx, append(n.records[:len(n.records):len(n.records)], key...), &got); err != nil {
		return nil, translated(err)
	}
	return got.value, nil
}

// An opening is what came of opening an envelope.
type opening struct {
	value   []byte      // with what it was appended to
	stale   bool        // sealed under other keys than the active ones
	lease   *keys.Lease // that it was opened with; not pinned any more
	number  uint32      // of a data key that it names
	written uint64
}

// openFrom appends the value of an envelope that was read from a state of the engine to dst. It
// returns ErrNotFound if the value has expired, errGone if its chunks, or its dictionary, are not
// there any more.
func (n *Namespace) openFrom(ctx context.Context, from engine.Reader, key, raw, dst []byte) (opening, error) {
	for {
		o, err := n.openOnce(ctx, from, key, raw, dst)
		if err != errRotated {
			return o, err
		}
	}
}

func (n *Namespace) openOnce(ctx context.Context, from engine.Reader, key, raw, dst []byte) (opening, error) {
	op, err := n.begin(key)
	if err != nil {
		return opening{value: dst}, err
	}
	defer op.done()
	if op.lease, err = n.keys.Pin(ctx); err != nil {
		op.env.Parse(raw) // for the number in the error
		return opening{value: dst}, n.failed(op, err)
	}
	defer op.lease.Unpin()
	n.prepare(ctx, op.lease)
	op.dst = dst
	if err = op.Value(raw); err == nil {
		err = op.finish(ctx, from)
	}
	if err = op.rotated(err); err != nil {
		return opening{value: dst}, n.failed(op, err)
	}
	return op.opening(), nil
}

// opening is what came of opening op's record.
func (op *op) opening() opening {
	return opening{value: op.dst, stale: op.stale && !op.lease.Fallback, lease: op.lease, number: op.number(), written: op.env.Written}
}
