package store

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store/engine"
)

// A rewrapper brings stale records, which reads hint at, under the active keys. Its queue is
// bounded; a hint that finds no room is dropped, and the next read gives another.
type rewrapper struct {
	store *Store
	hints chan hint
	stop  context.CancelFunc // ends the one that the worker is at, and the work
	done  sync.WaitGroup

	mu     sync.RWMutex // hint holds it shared, close exclusively
	closed bool
}

type hint struct {
	n          *Namespace
	key        []byte // user key of a record; nil for
	dictionary uint32 // a dictionary that is under other keys; 0 for
	train      bool   // a namespace without one
}

func newRewrapper(s *Store) *rewrapper {
	ctx, stop := context.WithCancel(context.Background())
	r := &rewrapper{store: s, hints: make(chan hint, s.opts.RewrapQueue), stop: stop}
	r.done.Go(func() { r.work(ctx) })
	return r
}

func (r *rewrapper) work(ctx context.Context) {
	for h := range r.hints {
		switch {
		case ctx.Err() != nil:
			return
		case h.train:
			r.store.trainQuietly(ctx, h.n)
		case h.dictionary != 0:
			r.store.countRewrap(h.n, func() (bool, error) { return h.n.rewrapDictionary(ctx, h.dictionary) })
		default:
			r.store.rewrapAndCount(ctx, h.n, h.key)
		}
	}
}

// close lets the worker finish what is queued, until ctx ends. What is not rewrapped stays as it was until
// somebody reads it again.
func (r *rewrapper) close(ctx context.Context) {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.hints)
	}
	r.mu.Unlock()
	defer r.stop()
	defer context.AfterFunc(ctx, r.stop)()
	r.done.Wait()
}

func (r *rewrapper) enqueue(h hint) (taken bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return false
	}
	select {
	case r.hints <- h:
		return true
	default:
		return false
	}
}

// full reports whether there was no room for a hint just now.
func (r *rewrapper) full() bool { return len(r.hints) == cap(r.hints) }

// hint says that the record under a key is stale. It never fails the read that found it.
func (s *Store) hint(ctx context.Context, n *Namespace, key []byte) {
	switch {
	case s.opts.ReadOnly || s.opts.Rewrap == RewrapOff:
	case s.opts.Rewrap == RewrapInline:
		s.rewrapAndCount(ctx, n, key)
	case s.rewrapper.full() || !s.rewrapper.enqueue(hint{n: n, key: bytes.Clone(key)}):
		s.counters.dropped.Add(1)
	}
}

// hintDictionary says that a dictionary is under other keys than the active ones.
func (s *Store) hintDictionary(n *Namespace, number uint32) {
	if s.rewrapper != nil && !s.rewrapper.enqueue(hint{n: n, dictionary: number}) {
		s.counters.dropped.Add(1)
	}
}

func (s *Store) rewrapAndCount(ctx context.Context, n *Namespace, key []byte) {
	s.countRewrap(n, func() (bool, error) { return n.rewrap(ctx, key) })
}

func (s *Store) countRewrap(n *Namespace, rewrap func() (done bool, err error)) {
	done, err := rewrap()
	switch {
	case errors.Is(err, context.Canceled): // by Close, or by who read it
	case errors.Is(err, engine.ErrConflict):
		s.counters.lost.Add(1)
	case err != nil:
		s.counters.failed.Add(1)
		n.warn("rewrap failed", err)
	case done:
		s.counters.rewrapped.Add(1)
	}
}

// rewrap brings the record under key under the active keys, if it is not. It is applied only if
// the record is still, byte for byte, the one that was stale; else engine.ErrConflict. It does
// not wait for the disk: losing it loses nothing.
func (n *Namespace) rewrap(ctx context.Context, key []byte) (done bool, err error) {
	raw, err := n.raw(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	done, _, err = n.rewrapRaw(ctx, key, raw, false)
	return done, err
}

// rewrapRaw is rewrap of a record that was read; with compress also of one that is not compressed
// although the policy wants that. streams says that its chunks were sealed anew.
func (n *Namespace) rewrapRaw(ctx context.Context, key, raw []byte, compress bool) (done, streams bool, err error) {
	done, streams, err = n.rewrapRecord(ctx, key, raw, compress)
	if streams {
		err = n.resealChunks(ctx, key, raw)
		done = err == nil
	}
	return done, streams, err
}

// rewrapRecord does what can be done in one batch, with the keys pinned all the while. streams
// says that nothing was done: the value has chunks that must be sealed anew.
func (n *Namespace) rewrapRecord(ctx context.Context, key, raw []byte, compress bool) (done, streams bool, err error) {
	op, err := n.begin(key)
	if err != nil {
		return false, false, err
	}
	defer op.done()
	if err := n.pinToSeal(ctx, op); err != nil {
		return false, false, err
	}
	defer op.lease.Unpin()
	if err := op.env.Parse(raw); err != nil {
		return false, false, n.failed(op, err)
	}
	stale := n.stale(op)
	compress = compress && !stale && op.compressible()
	switch {
	case !stale && !compress || op.lease.Unlinked() || n.expired(op.env.Written):
		return false, false, nil
	case !op.env.Chunked:
		done, err = op.reseal(ctx, key, raw, compress)
		return done, false, err
	case n.undated(op.env.Written) || op.needsContentKey() || op.env.Suite != op.lease.Active[0].Suite:
		return false, true, nil
	default:
		err = op.rewrapManifest(ctx, raw)
	}
	return err == nil, false, err
}

// needsContentKey reports whether somebody may know the record's content key who must not: it has a
// recipient in a domain that is not wanted any more, or one that is exposed.
func (op *op) needsContentKey() bool {
	for _, r := range op.env.Recipients {
		if key, err := op.lease.Find(r.Number); err != nil || key.Left || key.Exposed {
			return true
		}
	}
	return false
}

// rewrapManifest wraps a chunked value's content key for the active keys; payload and chunks
// stay as they are.
func (op *op) rewrapManifest(ctx context.Context, raw []byte) error {
	content, err := op.unwrapContent()
	if err != nil {
		return op.n.failed(op, err)
	}
	defer content.Wipe()
	op.dst = nil
	if err := op.openPayload(content); err != nil {
		return op.n.failed(op, err)
	}
	op.wrapContent(content)
	b := op.n.store.newBatch()
	defer b.Close()
	b.Set(op.key, op.env.Append(nil))
	b.IfEquals(op.key, raw)
	return op.n.store.applyBatch(ctx, b, false)
}

// compressible reports whether the record's value was never compressed, or was longer for it, and the policy
// wants it compressed.
func (op *op) compressible() bool {
	return !op.env.Chunked && op.env.Flags == 0 && op.n.compressed() != scope.NoCompression
}

// reseal opens the value and seals it anew, with the time of its first write. With compress it does so
// only if the value comes out compressed.
func (op *op) reseal(ctx context.Context, key, raw []byte, compress bool) (done bool, err error) {
	n, written := op.n, op.n.dated(firstWrite{kept: op.env.Written})
	undated := n.undated(op.env.Written)
	o, err := n.openFrom(ctx, n.store.engine, key, raw, nil)
	if errors.Is(err, ErrNotFound) || err == errGone {
		return false, engine.ErrConflict // expired meanwhile, or replaced
	}
	if err != nil {
		return false, err
	}
	defer clear(o.value)
	b := n.store.newBatch()
	defer b.Close()
	op.env = codec.Envelope{Written: written}
	if err := op.seal(b, o.value); err != nil {
		return false, n.sealingFailed(err)
	}
	if compress && op.env.Flags == 0 {
		return false, nil
	}
	if undated {
		op.index(b, key)
	}
	b.IfEquals(op.key, raw)
	err = n.store.applyBatch(ctx, b, false)
	return err == nil, err
}

// resealChunks seals a value in chunks anew, from a Reader into a Writer, so that its length does
// not matter. No key is pinned from chunk to chunk, or gigabytes would hold up a revocation; the
// old value is read until the new manifest takes the place of the old.
func (n *Namespace) resealChunks(ctx context.Context, key, raw []byte) error {
	r, err := n.ownReader(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return engine.ErrConflict // deleted or expired meanwhile
	} else if err != nil {
		return err
	}
	defer r.Close()
	if !bytes.Equal(r.raw, raw) {
		return engine.ErrConflict
	}
	w, err := n.newWriter(ctx, key, nil)
	if err != nil {
		return err
	}
	defer w.Abort()
	w.over, w.first = raw, firstWrite{kept: r.written}
	if _, err := r.WriteTo(w); err != nil {
		return err
	}
	return w.Close()
}
