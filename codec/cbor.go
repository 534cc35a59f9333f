package codec

import (
	"encoding/binary"
	"fmt"
)

// Major types of CBOR (RFC 8949 section 3.1) and the one simple value that envelopes use.
const (
	majorUint  = 0 << 5
	majorBytes = 2 << 5
	majorArray = 4 << 5
	cborNull   = 0xf6
)

// appendHead appends a data item's head with the shortest argument (RFC 8949 section 4.2.1).
func appendHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= 0xff:
		return append(b, major|24, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= 0xffff_ffff:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func headLen(n uint64) int {
	switch {
	case n < 24:
		return 1
	case n <= 0xff:
		return 2
	case n <= 0xffff:
		return 3
	case n <= 0xffff_ffff:
		return 5
	}
	return 9
}

func appendUint(b []byte, n uint64) []byte { return appendHead(b, majorUint, n) }

func appendBytes(b, s []byte) []byte { return append(appendHead(b, majorBytes, uint64(len(s))), s...) }

// A reader takes deterministic CBOR apart, one item after the other. The first failure sticks:
// later calls return zeros, and the caller looks at err once.
type reader struct {
	rest []byte
	pos  int // of rest in what is read, for messages
	err  error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s at byte %d", ErrMalformed, what, r.pos)
	}
	r.rest = nil
}

func (r *reader) skip(n int) {
	r.rest = r.rest[n:]
	r.pos += n
}

// head reads a head of the given major type and refuses a longer spelling than is needed.
func (r *reader) head(major byte) uint64 {
	if len(r.rest) == 0 {
		r.fail("ends too early")
		return 0
	}
	if r.rest[0]&0xe0 != major {
		r.fail("item of another type than expected")
		return 0
	}
	info := r.rest[0] & 0x1f
	if info < 24 {
		r.skip(1)
		return uint64(info)
	}
	if info > 27 {
		r.fail("indefinite or reserved length")
		return 0
	}
	size := 1 << (info - 24)
	if len(r.rest) < 1+size {
		r.fail("ends too early")
		return 0
	}
	var n uint64
	for _, c := range r.rest[1 : 1+size] {
		n = n<<8 | uint64(c)
	}
	if headLen(n) != 1+size {
		r.fail("integer or length is not the shortest")
		return 0
	}
	r.skip(1 + size)
	return n
}

// uint reads an unsigned integer of at most max.
func (r *reader) uint(max uint64) uint64 {
	n := r.head(majorUint)
	if n > max {
		r.fail("integer out of range")
		return 0
	}
	return n
}

// bytes reads a byte string of min to max bytes, without copying it.
func (r *reader) bytes(min, max uint64) []byte {
	n := r.head(majorBytes)
	if r.err != nil {
		return nil
	}
	if n < min || n > max {
		r.fail("byte string of a length out of range")
		return nil
	}
	if n > uint64(len(r.rest)) {
		r.fail("ends too early")
		return nil
	}
	s := r.rest[:n:n]
	r.skip(int(n))
	return s
}

// null reads a null if there is one.
func (r *reader) null() bool {
	if len(r.rest) == 0 || r.rest[0] != cborNull {
		return false
	}
	r.skip(1)
	return true
}

// end reports the first failure, or that something is left.
func (r *reader) end() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail("something follows the end")
	}
	return r.err
}
