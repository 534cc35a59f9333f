package store

import (
	"context"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store/engine"
)

// Values are packed before they are sealed, where the policy wants it, and unpacked after they are
// opened. What is sealed under a dictionary's engine key is packed too, without one.

// compressed is how the policy in force wants values compressed.
func (n *Namespace) compressed() scope.Compression { return scope.Compression(n.compression.Load()) }

// pack returns what is sealed for a value: the value, or where that makes the envelope shorter the value
// compressed, which is the op's. It notes in the head which, before the rest of the head is written.
func (op *op) pack(value []byte) []byte {
	c := op.packer()
	if c == nil || len(value) < minCompressed {
		return value
	}
	frame, sealed, ok := c.compress(op.frame[:0], value)
	op.frame = frame
	more := 0
	if c.number != 0 {
		more = codec.MaxNumberLen
	}
	if !ok || len(sealed)+more >= len(value) {
		return value
	}
	op.env.Flags = codec.FlagZstd
	if c.number != 0 {
		op.env.Flags, op.env.Dictionary = codec.FlagZstd|codec.FlagDictionary, c.number
	}
	return sealed
}

// packer is what a value is compressed with: the newest dictionary, if the policy wants one and one is
// there. It is nil for a value that is not to be compressed.
func (op *op) packer() *coder {
	if op.ofDictionary() {
		return op.n.store.plain
	}
	switch op.n.compressed() {
	case scope.Zstd:
		return op.n.store.plain
	case scope.ZstdDict:
		if d := op.dictionaries().newestCoder(); d != nil {
			return d
		}
		op.n.store.countUntrained(op.n)
		return op.n.store.plain
	}
	return nil
}

// ofDictionary reports whether the op is one on a dictionary, and not on a record.
func (op *op) ofDictionary() bool { return codec.Kind(op.key[0]) == codec.KindDictionary }

// unpack opens a compressed value and appends it to op.dst.
func (op *op) unpack() error {
	c := op.n.store.plain
	if op.env.Dictionary != 0 {
		if c = op.dictionaries().coder(op.env.Dictionary); c == nil {
			return ErrNoDictionary
		}
	}
	var skipped [len(zstdMagic) + idLen]byte
	frame, err := op.unseal(append(op.frame[:0], skipped[:c.skip()]...))
	if err != nil {
		return err
	}
	op.frame = frame
	op.dst, err = c.decompress(op.dst, frame)
	return err
}

// stale reports whether the record is sealed otherwise than a write would seal it now: under other keys,
// without a time, or packed in another way. What is not compressed is not stale: that its value is too
// short for it, or like noise, cannot be seen.
func (n *Namespace) stale(op *op) bool {
	if !op.lease.Current(&op.env) {
		return true
	}
	if op.ofDictionary() {
		return false
	}
	return n.undated(op.env.Written) || op.packedOtherwise()
}

func (op *op) packedOtherwise() bool {
	if op.env.Flags == 0 {
		return false
	}
	switch op.n.compressed() {
	case scope.Zstd:
		return op.env.Dictionary != 0
	case scope.ZstdDict:
		newest := op.dictionaries().newestCoder()
		return newest != nil && op.env.Dictionary != newest.number
	}
	return true
}

// finish opens what Value has left to the caller, if it has: a value in chunks, or one whose dictionary
// was not at hand.
func (op *op) finish(ctx context.Context, from engine.Reader) error {
	if len(op.manifest) == 0 {
		return nil
	}
	if op.env.Chunked {
		return op.n.readChunks(ctx, from, op)
	}
	if err := op.env.Parse(op.manifest); err != nil {
		return err
	}
	if err := op.fetchDictionary(ctx, from); err != nil {
		return err
	}
	op.stale = op.n.stale(op)
	return op.open()
}
