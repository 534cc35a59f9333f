package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A coder compresses and decompresses values, with one dictionary or with none. It is safe for
// concurrent use, and allocates nothing where it has done as much before. Its encoders and decoders are
// left to the garbage collector while they are not used: one with a dictionary takes 1 MB.
type coder struct {
	number             uint32 // of the dictionary; 0 for none
	encoders, decoders sync.Pool
}

const (
	// zstdLevel is chosen by measurement; see DESIGN.md.
	zstdLevel = zstd.SpeedFastest
	// zstdMagic begins every frame, and is not sealed with it (RFC 8878 section 3.1.1).
	zstdMagic = "\x28\xb5\x2f\xfd"
	// A frame's descriptor (section 3.1.1.1.1): of what we seal the single-segment flag is set, and nothing
	// else but how long the content size is.
	singleSegment, unwanted = 1 << 5, 1<<2 | 1<<3 | idFlag
	// idLen is the length of a dictionary's number in a frame, and idFlag says so in its descriptor.
	idLen, idFlag = 4, 3
	// minCompressed is the shortest value in bytes that is worth trying: nothing of a frame is shorter.
	minCompressed = 16
)

// newCoder makes a coder; dictionary is empty, or in zstd's format with that number, and the coder keeps
// it. It returns an error for one that its encoder or its decoder refuses.
func newCoder(number uint32, dictionary []byte) (*coder, error) {
	c := &coder{number: number}
	encoding := []zstd.EOption{
		zstd.WithEncoderLevel(zstdLevel), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true),
		zstd.WithWindowSize(DefaultInline), zstd.WithLowerEncoderMem(true),
	}
	decoding := []zstd.DOption{
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(DefaultInline), zstd.WithDecoderMaxWindow(DefaultInline),
	}
	if number != 0 {
		info, err := zstd.InspectDictionary(dictionary)
		if err != nil {
			return nil, fmt.Errorf("loading a dictionary: %w", err)
		}
		if info.ID() != number {
			return nil, fmt.Errorf("loading a dictionary: it says that it is number %d, and not %d", info.ID(), number)
		}
		encoding = append(encoding, zstd.WithEncoderDict(dictionary))
		decoding = append(decoding, zstd.WithDecoderDicts(dictionary))
	}
	e, err := zstd.NewWriter(nil, encoding...)
	if err != nil {
		return nil, fmt.Errorf("loading a dictionary: %w", err)
	}
	d, err := zstd.NewReader(nil, decoding...)
	if err != nil {
		return nil, fmt.Errorf("loading a dictionary: %w", err)
	}
	c.encoders.Put(e)
	c.decoders.Put(d)
	c.encoders.New = func() any { return made(zstd.NewWriter(nil, encoding...)) }
	c.decoders.New = func() any { return made(zstd.NewReader(nil, decoding...)) }
	return c, nil
}

// made panics where what was made before with the same options cannot be made.
func made[T any](v T, err error) T {
	if err != nil {
		panic("store: making another coder: " + err.Error())
	}
	return v
}

// compress appends what is sealed for a value to room, whose length is 0, and returns it with the part
// of that which is sealed: the frame without its magic number and its dictionary's. ok is false where
// the library gave up on the value: it panics over a dictionary that it has made wrongly.
func (c *coder) compress(room, value []byte) (_, sealed []byte, ok bool) {
	e := c.encoders.Get().(*zstd.Encoder)
	defer func() {
		if recover() == nil {
			c.encoders.Put(e)
		}
	}()
	frame := e.EncodeAll(value, room)
	descriptor := len(zstdMagic)
	if c.number == 0 {
		return frame, frame[descriptor:], true
	}
	at := descriptor + [4]int{0, 1, 2, idLen}[frame[descriptor]&idFlag]
	frame[at] = frame[descriptor] &^ idFlag
	return frame, frame[at:], true
}

// skip is how much room decompress needs before what was sealed.
func (c *coder) skip() int {
	if c.number == 0 {
		return len(zstdMagic)
	}
	return len(zstdMagic) + idLen
}

// decompress appends the value to dst, or returns dst and ErrMalformed. What was sealed begins at skip
// in frame, of which it makes a frame again.
func (c *coder) decompress(dst, frame []byte) ([]byte, error) {
	size, ok := contentSize(frame[c.skip():])
	if !ok || size > DefaultInline {
		return dst, fmt.Errorf("%w: compressed value that does not say its size, or one that is too large", ErrMalformed)
	}
	copy(frame, zstdMagic)
	if c.number != 0 {
		frame[len(zstdMagic)] = frame[c.skip()] | idFlag
		binary.LittleEndian.PutUint32(frame[len(zstdMagic)+1:], c.number)
	}
	d := c.decoders.Get().(*zstd.Decoder)
	defer c.decoders.Put(d)
	dst = slices.Grow(dst, size)
	// Into the room behind dst: the library takes what is in a slice already for part of the frame's size.
	out, err := d.DecodeAll(frame, dst[len(dst):len(dst):cap(dst)])
	if err != nil {
		return dst, fmt.Errorf("%w: compressed value: %w", ErrMalformed, err)
	}
	if len(out) != size { // another frame follows
		return dst, fmt.Errorf("%w: compressed value of %d bytes that says it has %d", ErrMalformed, len(out), size)
	}
	return append(dst, out...), nil
}

// contentSize is how long a frame says that its content is: of one as we seal it, without magic number and id.
func contentSize(sealed []byte) (size int, ok bool) {
	if len(sealed) == 0 || sealed[0]&singleSegment == 0 || sealed[0]&unwanted != 0 {
		return 0, false
	}
	var field [8]byte
	n := 1 << (sealed[0] >> 6)
	if copy(field[:], sealed[1:min(1+n, len(sealed))]) < n {
		return 0, false
	}
	long := binary.LittleEndian.Uint64(field[:])
	if n == 2 {
		long += 256
	}
	return int(min(long, 1<<30)), true
}
