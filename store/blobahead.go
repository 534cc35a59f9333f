package store

import (
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
)

// aheadLen is the plaintext that one goroutine opens ahead: so much that waking it does not
// count.
const aheadLen = 256 << 10

// maxAhead is how many goroutines open ahead of the one that reads.
func maxAhead() int { return chunkWorkers() + 1 }

// A readAhead is the chunks at a Reader's position and those after them that are being opened.
type readAhead struct {
	current *slot   // nil before the first
	next    []*slot // in order, from where current ends
	streak  int     // slots that were read one after the other
	allowed uint32  // the chunk that may be read, and the one after it not yet
}

// A slot is a few chunks on their way.
type slot struct {
	first, count uint32
	opened       uint32 // how many of them did
	plain        []byte // of those
	err          error  // of the one after them
	done         chan struct{}
}

// slots are those that no Reader needs, without plaintext.
var slots = sync.Pool{New: func() any { return &slot{plain: make([]byte, 0, aheadLen)} }}

func (s *slot) free() {
	clear(s.plain)
	slots.Put(s)
}

func (s *slot) end() uint32 { return s.first + s.count }

// begin opens chunks in a goroutine of its own.
func (r *Reader) begin(first, count uint32) *slot {
	s := slots.Get().(*slot)
	if room := int(count * r.blob.ChunkSize); cap(s.plain) < room {
		s.plain = make([]byte, 0, room)
	}
	*s = slot{first: first, count: count, plain: s.plain[:0], done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for s.opened < s.count {
			if s.plain, s.err = r.chunk(s.first+s.opened, s.plain); s.err != nil {
				return
			}
			s.opened++
		}
	}()
	return s
}

// load returns a chunk that was opened, and begins those after it.
func (r *Reader) load(index uint32) ([]byte, error) {
	part, err := r.loaded(index)
	if err == nil && (r.ahead.streak == 0 || r.ahead.allowed != index) {
		err = r.mayRead() // it may have been opened a while ago
	}
	if err != nil {
		r.ahead.drop() // to try again is to open it again
		return nil, err
	}
	r.ahead.allowed = index
	return part, nil
}

func (r *Reader) loaded(index uint32) ([]byte, error) {
	a := &r.ahead
	if a.current == nil || index < a.current.first || index >= a.current.end() {
		r.advance(index)
	}
	<-a.current.done
	if index-a.current.first >= a.current.opened {
		return nil, a.current.err
	}
	skip := int(index-a.current.first) * int(r.blob.ChunkSize)
	return a.current.plain[skip : skip+chunkLen(r.blob, index)], nil
}

// advance makes the slot that begins with a chunk the current one. It has more opened ahead the
// longer the reading has gone on from slot to slot, so that who reads a range opens little else.
func (r *Reader) advance(index uint32) {
	a := &r.ahead
	if len(a.next) > 0 && a.next[0].first == index {
		a.current.free()
		a.current = a.next[0]
		a.next = slices.Delete(a.next, 0, 1)
	} else {
		follows := a.current != nil && a.current.end() == index
		streak := a.streak
		a.drop()
		a.current = r.begin(index, 1)
		if follows {
			a.streak = streak
		}
	}
	most := min(uint64(1)<<a.streak, max(1, aheadLen/uint64(r.blob.ChunkSize)))
	at := uint64(a.current.end())
	for _, s := range a.next {
		at = uint64(s.end())
	}
	for ; len(a.next) < min(a.streak, maxAhead()) && at < r.blob.Chunks(); at = uint64(a.next[len(a.next)-1].end()) {
		a.next = append(a.next, r.begin(uint32(at), uint32(min(most, r.blob.Chunks()-at))))
	}
	a.streak = min(a.streak+1, 10)
}

// mayRead returns the error for which the value may not be read at this moment.
func (r *Reader) mayRead() error {
	lease, err := r.pin()
	if err == nil {
		lease.Unpin()
	}
	return err
}

// drop gives up what is there and under way.
func (a *readAhead) drop() {
	if a.current != nil {
		a.next = append(a.next, a.current)
	}
	for _, s := range a.next {
		<-s.done
		s.free()
	}
	a.current, a.next, a.streak = nil, a.next[:0], 0
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (n int, err error) {
	if err := r.enter(); err != nil {
		return 0, err
	}
	defer r.gate.RUnlock()
	part, err := r.here()
	if err != nil {
		return 0, err
	}
	n = copy(p, part)
	r.pos += int64(n)
	return n, nil
}

// here is what there is at the position, of the present chunk; io.EOF at the end. That of an
// empty value is told once its one chunk has opened.
func (r *Reader) here() ([]byte, error) {
	switch {
	case !r.chunked:
		if err := r.mayRead(); err != nil || r.pos >= r.size {
			return nil, orEOF(err)
		}
		return r.value[r.pos:], nil
	case r.pos >= r.size && r.size > 0:
		return nil, io.EOF
	case r.size == 0:
		_, err := r.load(0)
		return nil, orEOF(err)
	}
	index, skip := r.at(r.pos)
	part, err := r.load(index)
	if err != nil {
		return nil, err
	}
	return part[skip:], nil
}

func orEOF(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

// WriteTo implements io.WriterTo: it writes the rest of the value chunk by chunk.
func (r *Reader) WriteTo(w io.Writer) (n int64, err error) {
	for {
		k, err := r.writeHere(w)
		n += int64(k)
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return n, err
		}
	}
}

func (r *Reader) writeHere(w io.Writer) (n int, err error) {
	if err := r.enter(); err != nil {
		return 0, err
	}
	defer r.gate.RUnlock()
	part, err := r.here()
	if err != nil {
		return 0, err
	}
	n, err = w.Write(part)
	r.pos += int64(n)
	if err == nil && n < len(part) {
		err = io.ErrShortWrite
	}
	return n, err
}

// Seek implements io.Seeker. A position beyond the end reads as the end.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	if err := r.enter(); err != nil {
		return 0, err
	}
	defer r.gate.RUnlock()
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.size
	default:
		return 0, fmt.Errorf("store: seeking in a value: no such whence: %w", fs.ErrInvalid)
	}
	if offset < 0 {
		return 0, fmt.Errorf("store: seeking in a value: before its beginning: %w", fs.ErrInvalid)
	}
	r.pos = offset
	return offset, nil
}
