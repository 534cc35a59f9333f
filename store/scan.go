package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"iter"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store/engine"
)

// ScanOptions say which keys a scan visits. Nil means all of them, with values, ascending.
type ScanOptions struct {
	// Prefix is what keys begin with. Start is the first key, End the one after the last; nil
	// for no bound. All three hold.
	Prefix, Start, End []byte
	// Reverse visits keys in descending order.
	Reverse bool
	// Limit ends the scan after so many entries; 0 for none.
	Limit int
	// KeysOnly opens no value and needs no key of the tenant's.
	KeysOnly bool
	// Reuse lends entries: key and value are the caller's until it asks for the next entry or leaves
	// the loop, then they are wiped and their memory is used again.
	Reuse bool
}

// An Entry is one record that a scan visits. Its slices are the caller's, but with
// ScanOptions.Reuse; they share memory with a few other entries, so to keep one for long is to copy it.
type Entry struct {
	Key     []byte
	value   []byte
	err     error
	written uint64
}

// Written is when the value was first written, in whole seconds; zero where no time was kept of it, and
// in a scan of keys only.
func (e Entry) Written() time.Time { return timeOf(e.written) }

// Value returns the value, or the *RecordError for which it does not open: one such record does
// not end the scan. In a scan of keys only it is always an error; of a value longer than MaxValueLen it is
// ErrTooLarge, of one in chunks that the disk has damaged engine.ErrCorrupt.
func (e Entry) Value() ([]byte, error) { return e.value, e.err }

var errKeysOnly = errors.New("store: the scan was for keys only")

// Bounds of a page: a scan copies so much out of the engine at a time, and holds nothing of the
// engine's between pages.
const (
	firstPage    = 32   // entries of the first page, if no Limit is below; each further one has twice as many
	maxPage      = 1024 // entries
	maxPageBytes = 1 << 20
)

// Scan yields the namespace's records in the order of their keys. The error is fatal and ends the
// scan; a record that does not open is an Entry. Each page of a scan is one state of the
// namespace, later pages are later states, and so is a record whose key, chunks or dictionary went after its
// page was read: use a Snapshot where that matters.
func (n *Namespace) Scan(ctx context.Context, opts *ScanOptions) iter.Seq2[Entry, error] {
	return n.scan(ctx, n.store.engine, opts, nil)
}

// scan scans from a state of the engine; hold is what keeps that, nil for the newest.
func (n *Namespace) scan(ctx context.Context, from engine.Reader, opts *ScanOptions, hold *hold) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s := newScanner(ctx, n, from, opts, hold)
		o := n.store.foreground.begin(OpScan)
		var failed error
		defer func() { o.end(failed) }()
		defer s.clear()
		defer s.ahead.stop()
		for more := true; more && !s.finished && s.left != 0; {
			err := s.next()
			if err == nil {
				more, err = s.walk(yield)
			}
			if failed = translated(err); failed != nil {
				yield(Entry{}, failed)
				return
			}
		}
	}
}

// A scanner reads page after page; it is the sink of each.
//
// Records are opened in one of three ways. On pages that the caller surely wants, those of a Limit and
// all after the first, they are opened as they are read. Of a long page others open some
// meanwhile, see ahead. What is left, because nobody knows yet whether the caller wants it or because it
// takes more than its envelope and the keys at hand, is opened when the caller comes to it.
type scanner struct {
	ctx   context.Context
	n     *Namespace
	from  engine.Reader
	hold  *hold
	opts  ScanOptions
	rest  engine.Range // what is not visited yet
	left  int          // of Limit; below 0 for no limit
	pages int

	op       *op      // opens records as they are read; nil where they are not
	helped   bool     // others open some of this page
	groups   []*group // of this page
	filling  *group   // the last of them, if it takes more
	ahead    ahead
	entries  int    // that the page still takes
	size     int    // bytes of the page
	last     []byte // engine key that was visited last
	finished bool
}

func newScanner(ctx context.Context, n *Namespace, from engine.Reader, opts *ScanOptions, hold *hold) *scanner {
	s := &scanner{ctx: ctx, n: n, from: from, hold: hold, left: -1}
	s.ahead.s, s.ahead.changed.L = s, &s.ahead.mu
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.Limit > 0 {
		s.left = s.opts.Limit
	}
	s.rest = engine.Range{Start: join(n.records, s.opts.Prefix), Reverse: s.opts.Reverse}
	s.rest.End = codec.PrefixEnd(s.rest.Start)
	if start := join(n.records, s.opts.Start); bytes.Compare(start, s.rest.Start) > 0 {
		s.rest.Start = start
	}
	if end := join(n.records, s.opts.End); s.opts.End != nil && bytes.Compare(end, s.rest.End) < 0 {
		s.rest.End = end
	}
	s.finished = bytes.Compare(s.rest.Start, s.rest.End) >= 0
	return s
}

func join(prefix, rest []byte) []byte {
	return append(append(make([]byte, 0, len(prefix)+len(rest)+1), prefix...), rest...)
}

// next reads a page.
func (s *scanner) next() error {
	if err := s.check(); err != nil {
		return err
	}
	s.entries = min(maxPage, firstPage<<min(s.pages, 10))
	if s.left >= 0 {
		s.entries = min(maxPage, s.left)
	}
	s.helped = s.entries >= aheadFrom && !s.opts.KeysOnly
	s.ahead.inflated.Store(0)
	s.n.store.foreground.count()
	s.size, s.last = 0, s.last[:0]
	if err := s.read(); err != nil {
		return err
	}
	s.pages++
	if len(s.last) == 0 {
		s.finished = true
		return nil
	}
	if s.rest.Reverse {
		s.rest.End = bytes.Clone(s.last)
	} else {
		s.rest.Start = append(bytes.Clone(s.last), 0)
	}
	s.finished = bytes.Compare(s.rest.Start, s.rest.End) >= 0
	return nil
}

// check reports whether the state that is scanned is still kept.
func (s *scanner) check() error {
	if s.hold == nil {
		return nil
	}
	return s.n.store.check(s.hold)
}

func (s *scanner) read() error {
	if (s.left >= 0 || s.pages > 0) && !s.opts.KeysOnly {
		s.op = s.n.pinned(s.ctx)
		defer s.unpin()
	}
	err := s.from.Page(s.ctx, s.rest, s)
	s.fill()
	return err
}

func (s *scanner) unpin() {
	if s.op != nil {
		s.op.unpin()
		s.op = nil
	}
}

// Entry takes one record out of the engine.
func (s *scanner) Entry(key, value []byte) (more bool, err error) {
	s.last = append(s.last[:0], key...)
	s.size += len(key) + len(value)
	if s.op != nil && s.op.lease.Unlinked() {
		s.unpin() // who ends the lease waits for it
	}
	if s.n.expiredRaw(value) {
		return s.size < maxPageBytes, nil
	}
	room := valueLen(value)
	if s.opts.KeysOnly {
		room = 0
	}
	g := s.groupFor(len(key) - len(s.n.records) + room)
	r := g.add(key[len(s.n.records):], room)
	switch {
	case s.opts.KeysOnly:
		r.opened, r.err = true, errKeysOnly
	case g.awaited || s.op == nil || !r.open(s.op, value):
		g.keep(r, value)
	}
	s.size += r.inflated()
	s.entries--
	if s.left > 0 {
		s.left--
	}
	return s.entries > 0 && s.size < maxPageBytes, nil
}

// groupFor is the group for the next record, which needs so many bytes.
func (s *scanner) groupFor(size int) *group {
	if s.filling != nil && !s.filling.takes(size) {
		s.fill()
	}
	if s.filling == nil {
		s.filling = newGroup(size)
		s.filling.awaited = s.helped && len(s.groups) > 0 && s.ahead.takes()
		s.groups = append(s.groups, s.filling)
	}
	return s.filling
}

// fill ends the group that was filled.
func (s *scanner) fill() {
	if s.filling != nil && s.filling.awaited {
		s.ahead.add(s.filling)
	}
	s.filling = nil
}

// walk yields the entries of the page, and reports whether the caller wants more.
func (s *scanner) walk(yield func(Entry, error) bool) (more bool, err error) {
	for i, g := range s.groups {
		s.ahead.await(g)
		if !s.opts.Reuse {
			g.own()
		}
		for j := range g.records {
			r := &g.records[j]
			if err := s.prepare(r, g); err != nil {
				return false, err
			}
			if r.gone || s.n.expired(r.written) {
				if s.left >= 0 {
					s.left++
				}
				continue
			}
			e := r.Entry
			if r.value = nil; s.opts.Reuse {
				r.value = e.value // and is wiped, also if the caller panics
			}
			more := yield(e, nil)
			clear(r.value)
			if r.value = nil; !more {
				return false, nil
			}
		}
		g.free()
		s.groups[i] = nil
	}
	s.groups = s.groups[:0]
	return true, nil
}

// clear frees what is left of a page.
func (s *scanner) clear() {
	for _, g := range s.groups {
		if g != nil {
			g.free()
		}
	}
	s.groups = nil
}

// prepare has a record opened that the caller comes to, under keys that are in use now. An error is
// fatal.
func (s *scanner) prepare(r *record, g *group) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if !r.opened {
		if err := s.open(r, g.of(r.envelope)); err != nil {
			return err
		}
	}
	if r.stale {
		s.n.store.hint(s.ctx, s.n, r.Key)
	}
	if r.lease == nil || !r.lease.Unlinked() {
		return nil
	}
	switch err := s.findKey(r); err {
	case nil:
		return nil
	case errGone:
		return s.open(r, g.of(r.envelope))
	default:
		r.reset()
		return s.fails(r, s.n.failedUnder(r.number, err))
	}
}

// fails makes err what comes of a record, or returns it, or a better reason, if it is no failure of the
// record's.
func (s *scanner) fails(r *record, err error) (fatal error) {
	if late := s.check(); late != nil {
		return late
	}
	var own *RecordError
	if errors.As(err, &own) || errors.Is(err, ErrTooLarge) || errors.Is(err, engine.ErrCorrupt) {
		r.err = err
		return nil
	}
	return err
}

// findKey looks whether the key that a record was opened with opens it still, under the keys of now:
// errGone if it does not, another error if there are none.
func (s *scanner) findKey(r *record) error {
	lease, err := s.n.keys.Pin(s.ctx)
	if err != nil {
		return err
	}
	defer lease.Unpin()
	if _, err = lease.Find(r.number); err != nil || lease.Fallback {
		return errGone
	}
	return nil
}

// open opens a record by itself, whatever that takes. raw is its envelope; nil for the one in the
// engine. The keys are pinned for this one record: a revocation takes effect at the next. An error
// is no failure of the record's, and fatal.
func (s *scanner) open(r *record, raw []byte) (fatal error) {
	r.reset()
	key, room := r.Key, r.room
	var o opening
	err := error(errGone)
	if raw != nil {
		o, err = s.n.openFrom(s.ctx, s.from, key, raw, room)
	}
	// It was rewrapped or replaced since the page was read, and what was there cannot be opened any more.
	for err == errGone || errors.Is(err, ErrKeyDestroyed) {
		now, failed := s.n.rawFrom(s.ctx, s.from, key)
		if errors.Is(failed, ErrNotFound) {
			r.gone = true
			return nil
		}
		if failed != nil {
			return cmp.Or(s.check(), failed)
		}
		if err != errGone && bytes.Equal(now, raw) {
			break
		}
		raw = now
		o, err = s.n.openFrom(s.ctx, s.from, key, raw, room)
	}
	switch {
	case errors.Is(err, ErrNotFound):
		r.gone = true
	case err != nil:
		return s.fails(r, err)
	default:
		r.take(o)
	}
	return nil
}
