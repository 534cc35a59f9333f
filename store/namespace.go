package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store/engine"
)

// A Namespace is one data type of one tenant. It is safe for concurrent use.
type Namespace struct {
	store  *Store
	id     namespaceID
	keys   *keys.Space
	maxAge atomic.Uint64 // seconds that a value may be kept; 0 for ever
	swept  uint64        // order of the last hold that began before the end of the last sweep; guarded by holds.mu

	compression atomic.Uint32 // a scope.Compression
	untrained   atomic.Uint64 // values that were written for want of a dictionary without one
	loading     sync.Mutex    // held while a lease's dictionaries are loaded
	training    sync.Mutex    // held while one is trained

	records, chunks, journal, retention, dictionaries []byte // prefixes of engine keys
}

func newNamespace(s *Store, id namespaceID, rule scope.Rule) *Namespace {
	prefix := func(kind codec.Kind) []byte { return codec.AppendPrefix(nil, kind, id.tenant, id.name) }
	n := &Namespace{
		store:     s,
		id:        id,
		records:   prefix(codec.KindRecord),
		chunks:    prefix(codec.KindChunk),
		journal:   prefix(codec.KindJournal),
		retention: prefix(codec.KindRetention),

		dictionaries: prefix(codec.KindDictionary),
	}
	// Through want, opened keys keep their Namespace: there are never two with keys of the same.
	n.keys = s.keys.Space(id.tenant, id.name, n.want)
	n.follow(rule)
	return n
}

func (n *Namespace) want(now time.Time) (keys.Want, error) { return n.store.want(n.id.name, now) }

// follow takes from a rule what does not come with the keys.
func (n *Namespace) follow(rule scope.Rule) {
	n.maxAge.Store(uint64(rule.MaxAge / time.Second))
	n.compression.Store(uint32(rule.Compression))
}

// Tenant is the id of the tenant whose namespace it is.
func (n *Namespace) Tenant() string { return n.id.tenant }

// Name is the namespace's name, product/type.
func (n *Namespace) Name() string { return n.id.name }

// MaxAge is how long a value may be kept from its first write; 0 means without limit.
func (n *Namespace) MaxAge() time.Duration { return time.Duration(n.maxAge.Load()) * time.Second }

// Put stores value under key, replacing any earlier value. It is durable when Put returns, unless
// the store was opened with NoSync. key is 1 to MaxKeyLen bytes, value 0 to MaxValueLen. Put
// keeps neither slice.
func (n *Namespace) Put(ctx context.Context, key, value []byte) error {
	return n.PutWritten(ctx, key, value, time.Time{})
}

// PutWritten is Put for a value that comes from elsewhere, such as an export, and was first
// written at a time from which its max-age counts on. A zero time, or one still to come, is now;
// a namespace without a max-age keeps none.
func (n *Namespace) PutWritten(ctx context.Context, key, value []byte, written time.Time) error {
	o := n.store.foreground.begin(OpPut)
	return o.end(n.write(ctx, key, value, firstWrite{at: written}, always))
}

// Delete removes the value under key, if there is one. It needs no key of the tenant's, so a
// revoked tenant's values can be deleted. It is durable like Put.
func (n *Namespace) Delete(ctx context.Context, key []byte) error {
	o := n.store.foreground.begin(OpDelete)
	return o.end(n.delete(ctx, key))
}

func (n *Namespace) delete(ctx context.Context, key []byte) error {
	op, err := n.begin(key)
	if err != nil {
		return err
	}
	defer op.done()
	b := n.store.newBatch()
	defer b.Close()
	b.Delete(op.key)
	return n.store.apply(ctx, b)
}

// PutIfAbsent stores value under key if there is none, or returns ErrExists. An expired value is
// none. Limits, durability and slices are as with Put.
func (n *Namespace) PutIfAbsent(ctx context.Context, key, value []byte) error {
	o := n.store.foreground.begin(OpPutIfAbsent)
	return o.end(n.ifAbsent(ctx, key, func(c condition) error {
		return n.write(ctx, key, value, firstWrite{}, c)
	}))
}

// ifAbsent calls write with a condition that holds only while there is no value under key, until
// that was not overtaken, or returns ErrExists.
func (n *Namespace) ifAbsent(ctx context.Context, key []byte, write func(c condition) error) error {
	for {
		condition := ifAbsent
		raw, err := n.raw(ctx, key)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return err
		case !n.expiredRaw(raw):
			return ErrExists
		default:
			condition = ifEquals(raw)
		}
		if err := write(condition); !errors.Is(err, engine.ErrConflict) {
			return err
		}
	}
}

// CompareAndSwap stores value under key if the value there is old, or returns ErrChanged;
// ErrNotFound if there is none. It compares values, not what is stored for them: a rewrap
// meanwhile does not disturb it. It opens the value there, so it fails where Get would. Limits,
// durability and slices are as with Put.
func (n *Namespace) CompareAndSwap(ctx context.Context, key, old, value []byte) error {
	o := n.store.foreground.begin(OpCompareAndSwap)
	return o.end(n.compareAndSwap(ctx, key, old, value))
}

func (n *Namespace) compareAndSwap(ctx context.Context, key, old, value []byte) error {
	for {
		raw, err := n.raw(ctx, key)
		if err != nil {
			return err
		}
		have, err := n.openFrom(ctx, n.store.engine, key, raw, nil)
		if errors.Is(err, errGone) {
			continue // a chunked value that was replaced meanwhile
		}
		if err != nil {
			return err
		}
		if !bytes.Equal(have.value, old) {
			return ErrChanged
		}
		if err := n.write(ctx, key, value, firstWrite{}, ifEquals(raw)); !errors.Is(err, engine.ErrConflict) {
			return err
		}
	}
}

// Has reports whether there is a value under key; one that has reached its max-age is none. It
// needs no key of the tenant's and does not say that the value opens.
func (n *Namespace) Has(ctx context.Context, key []byte) (bool, error) {
	return n.has(ctx, n.store.engine, key)
}

func (n *Namespace) has(ctx context.Context, from engine.Reader, key []byte) (bool, error) {
	o := n.store.foreground.begin(OpHas)
	found, err := n.find(ctx, from, key)
	return found, o.end(err)
}

func (n *Namespace) find(ctx context.Context, from engine.Reader, key []byte) (bool, error) {
	op, err := n.begin(key)
	if err != nil {
		return false, err
	}
	defer op.done()
	op.headOnly = true
	switch err := from.Get(ctx, op.key, op); {
	case errors.Is(err, engine.ErrNotFound), errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return false, n.failed(op, err)
	}
	return true, nil
}

// Get returns the value under key, which the caller owns, or ErrNotFound. A value that will not
// open is a *RecordError. One that is longer than MaxValueLen, which a Writer may have stored, is
// ErrTooLarge: Open reads it.
func (n *Namespace) Get(ctx context.Context, key []byte) ([]byte, error) {
	return n.GetInto(ctx, key, nil)
}

// GetInto appends the value under key to dst and returns the extended slice, or dst and an
// error. If dst has room for the value it allocates nothing, for values that are stored in their
// record and under one key.
func (n *Namespace) GetInto(ctx context.Context, key, dst []byte) ([]byte, error) {
	o := n.store.foreground.begin(OpGet)
	dst, err := n.get(ctx, n.store.engine, key, dst)
	return dst, o.end(err)
}

// expired reports whether a value whose first write was at written may not be read any more. The
// limit does not slide: a value is gone at exactly maxAge.
func (n *Namespace) expired(written uint64) bool {
	maxAge := n.maxAge.Load()
	return maxAge > 0 && written > 0 && n.now() >= written+maxAge
}

// undated reports whether a value has no time although its namespace has a max-age, which came
// with a later policy. It is stale.
func (n *Namespace) undated(written uint64) bool { return written == 0 && n.maxAge.Load() > 0 }

func (n *Namespace) now() uint64 { return uint64(n.store.opts.Now().Unix()) }

// expiredRaw is expired for an envelope; one that is malformed is there, and says so when it is
// read.
func (n *Namespace) expiredRaw(raw []byte) bool {
	if n.maxAge.Load() == 0 {
		return false
	}
	var e codec.Envelope
	return e.Parse(raw) == nil && n.expired(e.Written)
}

// recordError wraps err, unless it is no failure of the record's.
func (n *Namespace) recordError(number uint32, err error) error {
	return &RecordError{Tenant: n.id.tenant, Namespace: n.id.name, Number: number, Err: err}
}

func checkSizes(key, value []byte) error {
	switch {
	case len(key) == 0:
		return fmt.Errorf("%w: a key has at least one byte", ErrInvalidName)
	case len(key) > MaxKeyLen:
		return fmt.Errorf("%w: a key of %d bytes, at most %d fit", ErrTooLarge, len(key), MaxKeyLen)
	case len(value) > MaxValueLen:
		return fmt.Errorf("%w: a value of %d bytes, at most %d fit", ErrTooLarge, len(value), MaxValueLen)
	}
	return nil
}
