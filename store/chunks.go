package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store/engine"
)

// errGone says that the chunks or the dictionary which a record refers to are not there: it was replaced
// while it was read, or somebody deleted them.
var errGone = errors.New("store: chunks, or a dictionary, are gone")

// chunkKeys are the engine keys of all chunks.
var chunkKeys = engine.Range{Start: []byte{byte(codec.KindChunk)}, End: []byte{byte(codec.KindChunk) + 1}}

// maxChunkWorkers bounds the memory that one value takes.
const maxChunkWorkers = 4

// chunkWorkers is how many goroutines seal or open the chunks of one value: as many as there are
// processors now, but no more than maxChunkWorkers.
func chunkWorkers() int { return min(runtime.GOMAXPROCS(0), maxChunkWorkers) }

// A chunkPlace makes the engine keys and the AADs of one blob's chunks. Both end in the chunk's
// index.
type chunkPlace struct{ key, aad []byte }

// chunkPlace is the place of the chunks of the value under an engine key.
func (n *Namespace) chunkPlace(record []byte, id codec.BlobID) chunkPlace {
	return chunkPlace{
		key: codec.AppendChunkKey(nil, n.chunks, id, 0),
		aad: codec.AppendChunkAAD(nil, &n.store.id, record, id, 0),
	}
}

func (p chunkPlace) clone() chunkPlace { return chunkPlace{bytes.Clone(p.key), bytes.Clone(p.aad)} }

func (p chunkPlace) set(index uint32) {
	binary.BigEndian.PutUint32(p.key[len(p.key)-4:], index)
	binary.BigEndian.PutUint32(p.aad[len(p.aad)-4:], index)
}

// A chunkOpener opens chunks of one blob, one at a time, straight from the engine's memory. It is
// the engine.Sink of each.
type chunkOpener struct {
	place   chunkPlace
	content *keys.ContentKey
	blob    codec.Blob
	index   uint32
	dst     []byte // what the plaintext is appended to
}

// open appends the plaintext of a chunk to dst, or returns dst and an error: engine.ErrNotFound
// where there is no such chunk.
func (o *chunkOpener) open(ctx context.Context, from engine.Reader, index uint32, dst []byte) ([]byte, error) {
	o.place.set(index)
	o.index, o.dst = index, dst
	err := from.Get(ctx, o.place.key, o)
	out := o.dst
	o.dst = nil
	if err != nil {
		return dst, err
	}
	return out, nil
}

// Value implements engine.Sink.
func (o *chunkOpener) Value(sealed []byte) (err error) {
	if len(sealed) != chunkLen(o.blob, o.index)+codec.TagLen {
		return ErrAuthentication
	}
	final := uint64(o.index) == o.blob.Chunks()-1
	o.dst, err = o.content.OpenChunk(o.dst, sealed, o.place.aad, o.index, final)
	return err
}

// chunkLen is the length of a chunk's plaintext.
func chunkLen(b codec.Blob, index uint32) int {
	return int(min(uint64(b.ChunkSize), b.Size-uint64(index)*uint64(b.ChunkSize)))
}

// readChunks appends a chunked value, whose manifest op holds, to op.dst. Every chunk is
// authenticated before a byte of it is kept.
func (n *Namespace) readChunks(ctx context.Context, from engine.Reader, op *op) error {
	if err := op.env.Parse(op.manifest); err != nil {
		return err
	}
	blob := op.env.Blob
	content, err := op.unwrapContent()
	if err != nil {
		return err
	}
	defer content.Wipe()
	if err := op.openPayload(content); err != nil {
		return err
	}
	if blob.Size > MaxValueLen { // asked last, so that a damaged head is not taken for a large one
		return fmt.Errorf("%w: a value of %d bytes; Open reads what is longer than %d", ErrTooLarge, blob.Size, MaxValueLen)
	}
	start := len(op.dst)
	out := append(make([]byte, 0, start+int(blob.Size)), op.dst...)[:start+int(blob.Size)]
	opener := chunkOpener{place: n.chunkPlace(op.key, blob.ID), content: content, blob: blob}
	if err := opener.openAll(ctx, from, out[start:]); err != nil {
		clear(out)
		if errors.Is(err, engine.ErrNotFound) {
			return n.missing(ctx, from, op, ErrAuthentication)
		}
		return err
	}
	op.dst = out
	return nil
}

// openAll opens every chunk into its place in dst, which has the value's length. On an error dst
// holds parts of the value.
func (o *chunkOpener) openAll(ctx context.Context, from engine.Reader, dst []byte) error {
	workers := min(uint64(chunkWorkers()), (o.blob.Chunks()+1)/2)
	if workers == 1 {
		return o.openSome(ctx, from, dst, new(atomic.Int64))
	}
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		own := &chunkOpener{place: o.place.clone(), content: o.content, blob: o.blob}
		g.Go(func() error { return own.openSome(ctx, from, dst, &next) })
	}
	return g.Wait()
}

// openSome opens the chunks that it gets from next.
func (o *chunkOpener) openSome(ctx context.Context, from engine.Reader, dst []byte, next *atomic.Int64) error {
	for {
		i := uint64(next.Add(1) - 1)
		if i >= o.blob.Chunks() {
			return nil
		}
		at := int(i) * int(o.blob.ChunkSize)
		end := at + chunkLen(o.blob, uint32(i))
		if _, err := o.open(ctx, from, uint32(i), slices.Clip(dst[at:end])[:0]); err != nil {
			return err
		}
	}
}
