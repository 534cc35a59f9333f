package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store/engine"
)

// A Reader reads one value of any length, as it was when it was opened: replacing or deleting the
// value changes nothing of what an open Reader reads. Every byte that it hands out was
// authenticated, and belongs where it is; an error says that no byte from there on can be had.
//
// With each chunk the keys are looked at again: once the tenant is revoked, the value's key
// destroyed or its max-age reached, the next chunk is an error. While a Reader is open no data key of
// its namespace is retired that a sweep has emptied since, and its chunks are kept: it must be
// closed. After Options.MaxOpen it returns ErrTooOld, and keeps nothing from the next Collect on.
//
// Reading on from chunk to chunk opens what follows ahead, in up to 5 goroutines, one more than
// GOMAXPROCS if that is less: a Reader holds at most 256 KiB for each and for itself, 1 MiB on two
// processors, 1.5 MiB on four or more, whatever the length of the value; each ReadAt holds one
// chunk. ReadAt is safe for concurrent use beside everything but Close; Read, Seek and
// WriteTo share a position and are for one goroutine at a time.
type Reader struct {
	n       *Namespace
	ctx     context.Context // of Open: an io.Reader takes none with each call
	from    engine.Reader
	key     []byte // user key
	raw     []byte // the envelope
	chunked bool
	blob    codec.Blob
	number  uint32 // of a data key, for errors
	size    int64
	written uint64
	stale   bool // when it was opened, a write would have sealed it otherwise
	live    bool // the blob is registered with the store
	hold    *hold
	unhold  sync.Once
	own     bool // it reads for the store, not for a user

	content *keys.ContentKey           // of a value in chunks
	value   []byte                     // of one in its record
	lease   atomic.Pointer[keys.Lease] // under which the envelope opened last; only compared
	openers sync.Pool                  // of *chunkOpener
	buffers sync.Pool                  // of *[]byte, for ReadAt

	gate   sync.RWMutex // held shared while reading, exclusively by Close
	closed bool

	pos   int64
	ahead readAhead
}

var (
	_ io.ReadSeekCloser = (*Reader)(nil)
	_ io.ReaderAt       = (*Reader)(nil)
	_ io.WriterTo       = (*Reader)(nil)
)

// Open returns a Reader of the value under key, whether it is stored in its record or in chunks,
// or ErrNotFound. A value that will not open is a *RecordError, here or at the chunk that will
// not. ctx holds for the whole of the reading. The caller closes the Reader.
func (n *Namespace) Open(ctx context.Context, key []byte) (*Reader, error) {
	o := n.store.foreground.begin(OpOpen)
	r, err := n.newReader(ctx, n.store.engine, key, n.freshRaw, n.store.opts.Now())
	if o.end(err) == nil && r.stale {
		n.store.hint(ctx, n, key)
	}
	return r, err
}

// Open is Namespace.Open at the snapshot, which must stay open while the Reader is.
func (s *Snapshot) Open(ctx context.Context, n *Namespace, key []byte) (*Reader, error) {
	o := s.store.foreground.begin(OpOpen)
	r, err := n.newReader(ctx, s.from, key, func(context.Context, *Reader) error { return nil }, s.hold.began)
	return r, o.end(err)
}

// ownReader is Open for the store's own use: no user's operation, and nothing to rewrap.
func (n *Namespace) ownReader(ctx context.Context, key []byte) (*Reader, error) {
	r, err := n.newReader(ctx, n.store.engine, key, n.freshRaw, n.store.opts.Now())
	if err == nil {
		r.own = true
	}
	return r, err
}

// newReader opens the envelope under key, of a state that is as old as began. settle may replace it
// once the reader is registered.
func (n *Namespace) newReader(ctx context.Context, from engine.Reader, key []byte, settle func(context.Context, *Reader) error, began time.Time) (*Reader, error) {
	for {
		r, err := n.tryReader(ctx, from, key, settle, began)
		if err != errGone { // replaced, and its dictionary dropped
			return r, err
		}
	}
}

func (n *Namespace) tryReader(ctx context.Context, from engine.Reader, key []byte, settle func(context.Context, *Reader) error, began time.Time) (*Reader, error) {
	if err := checkSizes(key, nil); err != nil {
		return nil, err
	}
	r := &Reader{n: n, ctx: ctx, from: from, key: bytes.Clone(key)}
	r.hold = n.store.hold("a reader", n, began)
	var got catcher
	if err := from.Get(ctx, join(n.records, key), &got); err != nil {
		r.release()
		return nil, translated(err)
	}
	r.take(got.value)
	err := settle(ctx, r)
	if err == nil {
		err = r.unlock()
	}
	if err != nil {
		r.release()
		return nil, err
	}
	n.store.releasing(r.hold, func() { r.unhold.Do(r.letGo) })
	return r, nil
}

// take makes an envelope the reader's. One that is malformed says so when it is opened.
func (r *Reader) take(raw []byte) {
	var e codec.Envelope
	e.Parse(raw)
	r.raw, r.chunked, r.blob, r.written = raw, e.Chunked, e.Blob, e.Written
	op := op{env: e}
	r.number = op.number()
}

// freshRaw registers the reader's blob and looks at the record once more: if that still refers
// to the blob, the collector will leave it alone.
func (n *Namespace) freshRaw(ctx context.Context, r *Reader) error {
	for r.chunked {
		n.store.blobs.add(r.blob.ID)
		r.live = true
		var got catcher
		if err := n.store.engine.Get(ctx, join(n.records, r.key), &got); err != nil {
			return translated(err)
		}
		id := r.blob.ID
		if r.take(got.value); r.chunked && r.blob.ID == id {
			return nil
		}
		n.store.blobs.remove(id) // replaced meanwhile
		r.live = false
	}
	return nil
}

// unlock opens the envelope for the first time.
func (r *Reader) unlock() error {
	lease, err := r.pin()
	if err != nil {
		return err
	}
	r.stale = !lease.Fallback && r.isStale(lease)
	lease.Unpin()
	r.size = int64(len(r.value))
	if r.chunked {
		r.size = int64(r.blob.Size)
		place := r.n.chunkPlace(join(r.n.records, r.key), r.blob.ID)
		r.openers.New = func() any { return &chunkOpener{place: place.clone(), content: r.content, blob: r.blob} }
		r.buffers.New = func() any { b := make([]byte, 0, r.blob.ChunkSize); return &b }
	}
	return nil
}

// pin pins the keys. Where they are others than last time it opens the envelope again, to learn
// whether the value may still be read.
func (r *Reader) pin() (*keys.Lease, error) {
	if r.n.expired(r.written) {
		return nil, ErrNotFound
	}
	if err := r.n.store.check(r.hold); err != nil {
		return nil, err
	}
	for {
		lease, err := r.n.keys.Pin(r.ctx)
		if err != nil {
			return nil, r.n.failedUnder(r.number, err)
		}
		if lease == r.lease.Load() {
			return lease, nil
		}
		if err = r.prove(lease); err == nil {
			r.lease.Store(lease)
			return lease, nil
		}
		lease.Unpin()
		if err != errRotated {
			return nil, r.n.failedUnder(r.number, err)
		}
	}
}

// prove opens the envelope under a lease and keeps, the first time, what comes of it.
func (r *Reader) prove(lease *keys.Lease) error {
	op, err := r.n.begin(r.key)
	if err != nil {
		return err
	}
	defer op.done()
	op.lease = lease
	if err := op.env.Parse(r.raw); err != nil {
		return err
	}
	first := r.lease.Load() == nil
	if !r.chunked {
		return op.rotated(r.proveValue(op, first))
	}
	content, err := op.unwrapContent()
	if err != nil {
		return op.rotated(err)
	}
	if err = op.openPayload(content); err == nil && first {
		r.content = content
		return nil
	}
	content.Wipe() // it is the one we have: the head commits to it
	return err
}

// proveValue opens a value that is stored in its record, and keeps it the first time. Later it need not
// be unpacked: its dictionary may be gone by then.
func (r *Reader) proveValue(op *op, first bool) error {
	if !first {
		value, err := op.unseal(nil)
		clear(value)
		return err
	}
	r.n.prepare(r.ctx, op.lease)
	err := op.Value(r.raw)
	if err == nil {
		err = op.finish(r.ctx, r.from)
	}
	if err == nil {
		r.value = op.dst
	}
	return err
}

// isStale reports whether the value is sealed otherwise than a write would seal it now. lease is pinned.
func (r *Reader) isStale(lease *keys.Lease) bool {
	op := op{n: r.n, lease: lease, key: r.n.records}
	return op.env.Parse(r.raw) == nil && r.n.stale(&op)
}

// chunk appends the plaintext of a chunk to dst.
func (r *Reader) chunk(index uint32, dst []byte) ([]byte, error) {
	lease, err := r.pin()
	if err != nil {
		return dst, err
	}
	defer lease.Unpin()
	if !r.own {
		r.n.store.foreground.count()
	}
	o := r.openers.Get().(*chunkOpener)
	defer r.openers.Put(o)
	out, err := o.open(r.ctx, r.from, index, dst)
	if err == nil {
		return out, nil
	}
	if old := r.n.store.check(r.hold); old != nil {
		return dst, old
	}
	if errors.Is(err, engine.ErrNotFound) {
		err = ErrAuthentication // nobody may take away what an open reader needs
	}
	return dst, r.n.failedUnder(r.number, err)
}

// enter lets a call in unless the reader is closed. The caller leaves by gate.RUnlock.
func (r *Reader) enter() error {
	r.gate.RLock()
	if r.closed {
		r.gate.RUnlock()
		return fmt.Errorf("store: reading a value: %w", fs.ErrClosed)
	}
	return nil
}

// Size is the value's length in bytes.
func (r *Reader) Size() int64 { return r.size }

// Written is when the value was first written, in whole seconds; zero where the namespace keeps
// no time.
func (r *Reader) Written() time.Time { return timeOf(r.written) }

// ModTime is when this content was begun, in milliseconds, for a value in chunks; else Written.
// Ending a transition writes chunks anew.
func (r *Reader) ModTime() time.Time { return modTime(r.chunked, r.blob, r.written) }

func modTime(chunked bool, b codec.Blob, written uint64) time.Time {
	if !chunked {
		return timeOf(written)
	}
	var ms [8]byte
	copy(ms[2:], b.ID[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:]))).UTC()
}

func timeOf(written uint64) time.Time {
	if written == 0 {
		return time.Time{}
	}
	return time.Unix(int64(written), 0).UTC()
}

// ReadAt implements io.ReaderAt.
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("store: reading a value: the offset is negative: %w", fs.ErrInvalid)
	}
	if err := r.enter(); err != nil {
		return 0, err
	}
	defer r.gate.RUnlock()
	if !r.chunked {
		return r.valueAt(p, off)
	}
	buffer := r.buffers.Get().(*[]byte)
	defer r.buffers.Put(buffer)
	if r.size == 0 { // even of nothing there is one chunk
		if _, err := r.chunk(0, *buffer); err != nil {
			return 0, err
		}
	}
	for len(p) > 0 && off < r.size {
		index, skip := r.at(off)
		part, err := r.chunk(index, (*buffer)[:0])
		if err != nil {
			return n, err
		}
		k := copy(p, part[skip:])
		clear(part) // as the buffer may outlive the reader
		n, p, off = n+k, p[k:], off+int64(k)
	}
	if len(p) > 0 {
		return n, io.EOF
	}
	return n, nil
}

// at is the chunk in which an offset lies, and where in it.
func (r *Reader) at(off int64) (index uint32, skip int) {
	return uint32(off / int64(r.blob.ChunkSize)), int(off % int64(r.blob.ChunkSize))
}

// valueAt reads of a value that is stored in its record.
func (r *Reader) valueAt(p []byte, off int64) (n int, err error) {
	lease, err := r.pin()
	if err != nil {
		return 0, err
	}
	defer lease.Unpin()
	n = copy(p, r.value[min(off, r.size):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close releases the value. It waits for reads under way; a second Close does nothing.
func (r *Reader) Close() error {
	r.gate.Lock()
	defer r.gate.Unlock()
	if !r.closed {
		r.closed = true
		r.ahead.drop()
		r.release()
	}
	return nil
}

// letGo gives up what keeps the value's keys and chunks for the reader.
func (r *Reader) letGo() {
	r.n.store.unhold(r.hold)
	if r.live {
		r.n.store.blobs.remove(r.blob.ID)
	}
}

func (r *Reader) release() {
	r.unhold.Do(r.letGo)
	if r.content != nil {
		r.content.Wipe()
	}
	clear(r.value)
}
