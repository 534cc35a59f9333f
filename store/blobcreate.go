package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// ErrAborted says that a Writer was aborted: its value was not stored.
var ErrAborted = errors.New("store: writing the value was aborted")

// CreateOptions say how a value is created. Nil means defaults.
type CreateOptions struct {
	// Written is when the value was first written, as for PutWritten. Zero means when the Writer
	// is closed.
	Written time.Time
	// IfAbsent makes Close return ErrExists where there is a value under the key by then. An
	// expired value is none.
	IfAbsent bool
}

// A Writer writes one value of any length. What was there under its key is there, whole, until
// Close has returned nil, and the new value from then on. Nothing of an unfinished value is ever
// seen, and what is left of one is deleted.
//
// Chunks are sealed and written by up to 4 goroutines, no more than GOMAXPROCS, while the caller
// brings the next. A Writer holds at most 512 KiB of plaintext for each of them and for itself,
// and 512 KiB of ciphertext for each of them: 2.5 MiB on two processors, 4.5 MiB on four or more, whatever the
// length of the value. Write waits where sealing or the engine falls behind.
//
// A Writer is not safe for concurrent use. It must be closed or aborted.
type Writer struct {
	n        *Namespace
	ctx      context.Context // of Create: an io.Writer takes none with each call
	key      []byte
	first    firstWrite
	ifAbsent bool
	over     []byte // envelope that the value replaces when it is sealed anew, and only that

	run  []byte      // being filled
	free chan []byte // buffers of runs that are done
	blob *blobWriter // nil while the value may yet fit into its record
	op   operation   // a user's; the zero one where it writes for the store
	done bool
	err  error // of the first failure; with done, what Close returns
}

var (
	_ io.WriteCloser = (*Writer)(nil)
	_ io.ReaderFrom  = (*Writer)(nil)
)

// Create returns a Writer of the value under key, 1 to MaxKeyLen bytes, which it does not keep.
// The value may have up to 2^48 bytes. ctx holds for the whole of the writing: once it has ended,
// every call fails with its error and the value is not stored. Keys that will not seal are
// reported here or by a later call, as *RecordError's classes are.
func (n *Namespace) Create(ctx context.Context, key []byte, opts *CreateOptions) (*Writer, error) {
	o := n.store.foreground.begin(OpCreate)
	w, err := n.newWriter(ctx, key, opts)
	if err != nil {
		return nil, o.end(err)
	}
	w.op = o
	return w, nil
}

func (n *Namespace) newWriter(ctx context.Context, key []byte, opts *CreateOptions) (*Writer, error) {
	if err := checkSizes(key, nil); err != nil {
		return nil, err
	}
	if n.store.opts.ReadOnly {
		return nil, ErrReadOnly
	}
	if err := n.canSeal(ctx); err != nil {
		return nil, err
	}
	w := &Writer{n: n, ctx: ctx, key: append([]byte(nil), key...), free: make(chan []byte, maxChunkWorkers+1)}
	if opts != nil {
		w.first.at, w.ifAbsent = opts.Written, opts.IfAbsent
	}
	return w, nil
}

// Write adds p to the value. It keeps nothing of p. After an error the value cannot be stored any
// more: Close returns the same error. To write after Close is an fs.ErrClosed.
func (w *Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if err := w.room(); err != nil {
			return n, err
		}
		k := copy(w.run[len(w.run):min(cap(w.run), runLen)], p)
		w.run = w.run[:len(w.run)+k]
		n, p = n+k, p[k:]
	}
	return n, w.err
}

// ReadFrom adds everything that r has to the value, with hardly a copy in between. An error of
// r's is returned as it is and leaves the Writer as it was: the caller may go on, or abort it.
func (w *Writer) ReadFrom(r io.Reader) (n int64, err error) {
	for {
		k, err := w.readSome(r)
		n += int64(k)
		if err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}

// readSome reads once. Where the run is full it reads a little beside it, since only what comes
// after a run makes it one that is not the final one.
func (w *Writer) readSome(r io.Reader) (int, error) {
	if len(w.run) == runLen {
		var beside [4 << 10]byte
		k, err := r.Read(beside[:])
		if _, failed := w.Write(beside[:k]); failed != nil {
			return 0, failed
		}
		return k, err
	}
	if err := w.room(); err != nil {
		return 0, err
	}
	k, err := r.Read(w.run[len(w.run):min(cap(w.run), runLen)])
	w.run = w.run[:len(w.run)+k]
	return k, err
}

// firstRoom is the room that a value begins with; most attachments are small.
const firstRoom = 32 << 10

// room makes room in run for a byte at least, which there is: it sends a full run off as one that
// is not the final one.
func (w *Writer) room() error {
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	switch {
	case w.err != nil:
		return w.err
	case w.done:
		return fmt.Errorf("store: writing a value: %w", fs.ErrClosed)
	case len(w.run) < min(cap(w.run), runLen):
		return nil
	case len(w.run) < runLen:
		grown := make([]byte, len(w.run), min(max(2*cap(w.run), firstRoom), runLen))
		copy(grown, w.run)
		clear(w.run)
		w.run = grown
		return nil
	}
	w.err = w.send(false)
	return w.err
}

// send has run sealed and takes another buffer in its place.
func (w *Writer) send(final bool) (err error) {
	if w.over == nil {
		w.n.store.foreground.count()
	}
	if w.blob == nil {
		if w.blob, err = w.n.newBlobWriter(w.ctx, w.key); err != nil {
			return err
		}
	}
	run := w.run
	if err := w.blob.seal(w.ctx, run, final, func() { clear(run); w.free <- run[:0] }); err != nil {
		return err
	}
	w.run = nil
	if final {
		return nil
	}
	select {
	case w.run = <-w.free:
	default:
		w.run = make([]byte, 0, runLen)
	}
	return nil
}

// Close stores the value in the place of any earlier one. It is durable when Close returns nil,
// unless the store was opened with NoSync. On an error it is not stored, and what was written of
// it is deleted; after ErrUnknownOutcome it may be stored or not. Where the policy's suite changed since
// Create, it returns ErrPolicyChanged. A second Close returns what the
// first did.
func (w *Writer) Close() error {
	if w.done {
		return w.err
	}
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err == nil {
		w.err = w.store()
	}
	w.end()
	return w.err
}

// Abort gives the value up and deletes what was written of it. After Close it does nothing, so
// that it can be deferred.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	if w.err == nil {
		w.err = ErrAborted
	}
	w.end()
}

func (w *Writer) end() {
	w.done = true
	if w.blob != nil {
		w.blob.close(w.ctx)
	}
	clear(w.run)
	w.run, w.blob, w.free = nil, nil, nil
	w.op.end(w.err)
}

func (w *Writer) store() error {
	if w.blob == nil && len(w.run) <= w.n.store.opts.Inline {
		return w.conditionally(func(c condition) error { return w.n.write(w.ctx, w.key, w.run, w.first, c) })
	}
	if err := w.send(true); err != nil {
		return err
	}
	return w.conditionally(func(c condition) error { return w.blob.commit(w.ctx, w.key, w.first, c) })
}

// conditionally commits under the condition that the value is written on.
func (w *Writer) conditionally(commit func(c condition) error) error {
	switch {
	case w.over != nil:
		return commit(ifEquals(w.over))
	case w.ifAbsent:
		return w.n.ifAbsent(w.ctx, w.key, commit)
	}
	return commit(always)
}
