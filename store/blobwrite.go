package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store/engine"
)

const (
	// runChunks are the chunks that one goroutine seals into one batch: half of what every
	// engine takes, so that sealing and writing overlap also for values of a few megabytes.
	runChunks = 8
	runLen    = runChunks * chunkSize
	// maxBlobLen is the longest value: as many chunks as there are indices.
	maxBlobLen = chunkSize << 32
)

// A blobWriter writes one chunked value: an entry in the journal first, then the chunks, and the
// manifest last, which makes the value appear at once and whole. Up to chunkWorkers runs of
// chunks are sealed and written at once; beyond that seal waits.
type blobWriter struct {
	n       *Namespace
	op      *op
	blob    codec.Blob // Size is what seal was given
	content *keys.ContentKey
	pending []byte // the journal's entry
	place   chunkPlace
	stored  bool // the manifest is in the engine

	slots chan struct{} // one for each run under way
	runs  sync.WaitGroup
	mu    sync.Mutex
	err   error // of the first run that failed
}

// writeChunked stores a value that is too long for its record; again, if the policy's suite changed
// meanwhile.
func (n *Namespace) writeChunked(ctx context.Context, key, value []byte, first firstWrite, c condition) error {
	for {
		if err := n.writeChunks(ctx, key, value, first, c); !errors.Is(err, ErrPolicyChanged) {
			return err
		}
	}
}

func (n *Namespace) writeChunks(ctx context.Context, key, value []byte, first firstWrite, c condition) error {
	w, err := n.newBlobWriter(ctx, key)
	if err != nil {
		return err
	}
	defer w.close(ctx)
	if err := w.sealAll(ctx, value); err != nil {
		return err
	}
	return w.commit(ctx, key, first, c)
}

// newBlobWriter enters a blob into the journal. The caller closes the writer. The content key is of
// the suite that is wanted now; it is wrapped at the end.
func (n *Namespace) newBlobWriter(ctx context.Context, key []byte) (*blobWriter, error) {
	if n.store.opts.ReadOnly {
		return nil, ErrReadOnly
	}
	op, err := n.begin(key)
	if err != nil {
		return nil, err
	}
	if err := n.pinToSeal(ctx, op); err != nil {
		op.done()
		return nil, err
	}
	defer op.lease.Unpin()
	content, err := keys.NewContentKey(op.lease.Active[0].Suite)
	if err != nil {
		op.done()
		return nil, n.sealingFailed(err)
	}
	w := &blobWriter{
		n: n, op: op,
		blob:    codec.Blob{ID: n.newBlobID(), ChunkSize: chunkSize},
		content: content,
		pending: codec.EncodeRecord(codec.JournalEntry{State: codec.JournalPending, Key: key}),
		slots:   make(chan struct{}, chunkWorkers()),
	}
	w.place = n.chunkPlace(op.key, w.blob.ID)
	n.store.blobs.add(w.blob.ID)
	b := n.store.newBatch()
	defer b.Close()
	b.Set(w.journalKey(), w.pending)
	// Nothing waits for the disk before the manifest does: the engine keeps no later write
	// without the earlier ones.
	if err := translated(n.store.applyBatch(ctx, b, false)); err != nil {
		w.close(ctx)
		return nil, err
	}
	return w, nil
}

// canSeal returns the error with which sealing would fail now.
func (n *Namespace) canSeal(ctx context.Context) error {
	var op op
	if err := n.pinToSeal(ctx, &op); err != nil {
		return err
	}
	op.lease.Unpin()
	return nil
}

func (n *Namespace) newBlobID() (id codec.BlobID) {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(n.store.opts.Now().UnixMilli()))
	copy(id[:6], ms[2:])
	rand.Read(id[6:])
	return id
}

func (w *blobWriter) journalKey() []byte {
	return append(bytes.Clone(w.n.journal), w.blob.ID[:]...)
}

// sealAll seals a whole value, which must stay as it is until wait or close.
func (w *blobWriter) sealAll(ctx context.Context, value []byte) error {
	for {
		run := value[:min(len(value), runLen)]
		value = value[len(run):]
		if err := w.seal(ctx, run, len(value) == 0, func() {}); err != nil || len(value) == 0 {
			return err
		}
	}
}

// seal has the next run of chunks sealed and written: runLen bytes, of the final run as many as
// there are. It returns at once, or when an earlier run is done; done is called when plaintext
// is not needed any more, if seal returns nil.
func (w *blobWriter) seal(ctx context.Context, plaintext []byte, final bool, done func()) error {
	if w.blob.Size+uint64(len(plaintext)) > maxBlobLen {
		return fmt.Errorf("%w: a value has at most %d bytes", ErrTooLarge, uint64(maxBlobLen))
	}
	if err := w.failed(); err != nil {
		return err
	}
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	var pinned op
	if err := w.n.pinToSeal(ctx, &pinned); err != nil { // why write gigabytes for a tenant that was revoked?
		<-w.slots
		return err
	}
	first := uint32(w.blob.Size / chunkSize)
	w.blob.Size += uint64(len(plaintext))
	w.runs.Go(func() {
		defer func() { <-w.slots }()
		defer pinned.lease.Unpin()
		defer done()
		w.fail(w.sealRun(ctx, first, plaintext, final))
	})
	return nil
}

// sealRun seals chunks in the memory of a batch and applies it, if the blob is still in the journal:
// where that has no entry nobody would ever find them. The keys are pinned, which holds off a
// shredding's range deletions.
func (w *blobWriter) sealRun(ctx context.Context, first uint32, plaintext []byte, final bool) error {
	b := w.n.store.newBatch()
	defer b.Close()
	place := w.place.clone()
	for index := first; ; index++ {
		part := plaintext[:min(len(plaintext), chunkSize)]
		plaintext = plaintext[len(part):]
		last := len(plaintext) == 0
		place.set(index)
		k, v := b.SetDeferred(len(place.key), len(part)+codec.TagLen)
		copy(k, place.key)
		if _, err := w.content.SealChunk(v[:0:len(v)], part, place.aad, index, final && last); err != nil {
			return w.n.sealingFailed(err)
		}
		if last {
			break
		}
	}
	b.IfEquals(w.journalKey(), w.pending)
	return w.applied(ctx, translated(w.n.store.applyBatch(ctx, b, false)))
}

// applied gives a conflict of a batch that is conditional on the blob's being pending the right
// name, if that was the reason: the entry went with its namespace, which was shredded meanwhile.
// To try again would be in vain.
func (w *blobWriter) applied(ctx context.Context, err error) error {
	if !errors.Is(err, engine.ErrConflict) {
		return err
	}
	entry, failed := w.n.store.engineValue(ctx, w.journalKey())
	switch {
	case failed == nil && bytes.Equal(entry, w.pending):
		return err
	case failed == nil, errors.Is(failed, engine.ErrNotFound):
		return w.n.sealingFailed(ErrKeyDestroyed)
	}
	return translated(failed)
}

func (w *blobWriter) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

func (w *blobWriter) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// wait returns when every chunk is in the engine.
func (w *blobWriter) wait() error {
	w.runs.Wait()
	return w.failed()
}

// commit writes the manifest, if the condition on the record holds and the journal still has the
// blob as pending.
func (w *blobWriter) commit(ctx context.Context, key []byte, first firstWrite, c condition) error {
	if err := w.wait(); err != nil {
		return err
	}
	if err := w.n.pinToSeal(ctx, w.op); err != nil {
		return err
	}
	defer w.op.lease.Unpin()
	b := w.n.store.newBatch()
	defer b.Close()
	if err := w.manifest(b, key, first); err != nil {
		return err
	}
	c.add(b, w.op.key)
	err := w.n.store.apply(ctx, b)
	w.stored = err == nil
	return w.applied(ctx, err)
}

// manifest adds to b what makes the blob the record's value. op.lease is pinned. The error is
// ErrPolicyChanged where another suite is wanted than that of the chunks.
func (w *blobWriter) manifest(b engine.Batch, key []byte, first firstWrite) error {
	if w.op.lease.Active[0].Suite != w.content.Suite {
		return w.n.sealingFailed(ErrPolicyChanged)
	}
	w.op.env = codec.Envelope{Suite: w.content.Suite, Written: w.n.dated(first), Chunked: true, Blob: w.blob}
	w.op.sealContent(b, w.content, nil)
	w.op.index(b, key)
	b.Set(w.journalKey(), codec.EncodeRecord(codec.JournalEntry{State: codec.JournalStored, Key: key}))
	b.IfEquals(w.journalKey(), w.pending)
	return nil
}

// close ends the writing. What was written without a manifest is deleted, or if that fails left
// to the collector.
func (w *blobWriter) close(ctx context.Context) {
	w.runs.Wait()
	w.n.store.blobs.remove(w.blob.ID)
	w.content.Wipe()
	w.op.done()
	if w.stored {
		return
	}
	key := w.journalKey()
	k, err := codec.ParseKey(key)
	if err == nil {
		err = w.n.store.collectBlob(context.WithoutCancel(ctx), key, w.pending, k, w.entry())
	}
	if err != nil {
		w.n.store.opts.Logger.Warn("chunks of a value that was not written are left to the collector", "error", err)
	}
}

// entry is pending, decoded.
func (w *blobWriter) entry() (e codec.JournalEntry) {
	codec.DecodeRecord(w.pending, &e)
	return e
}
