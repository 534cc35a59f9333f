package store

import (
	"bytes"
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

// Written is when the value was first written, in whole seconds; zero where the namespace keeps
// no time, and in a scan of keys only.
func (e Entry) Written() time.Time {
	if e.written == 0 {
		return time.Time{}
	}
	return time.Unix(int64(e.written), 0).UTC()
}

// Value returns the value, or the *RecordError for which it does not open: one such record does
// not end the scan.
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
// namespace, later pages are later states: use a Snapshot where that matters.
func (n *Namespace) Scan(ctx context.Context, opts *ScanOptions) iter.Seq2[Entry, error] {
	return n.scan(ctx, n.store.engine, opts, nil)
}

// scan scans from a state of the engine; hold is what keeps that, nil for the newest.
func (n *Namespace) scan(ctx context.Context, from engine.Reader, opts *ScanOptions, hold *hold) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s := newScanner(n, from, opts)
		s.ahead.ctx = ctx
		o := n.store.foreground.begin(OpScan)
		defer func() { o.end(s.failed) }()
		defer s.ahead.stop()
		for !s.finished {
			if s.failed = translated(s.next(ctx, hold)); s.failed != nil {
				yield(Entry{}, s.failed)
				return
			}
			if !s.walk(ctx, yield) {
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
// takes more than its envelope, is opened when the caller comes to it.
type scanner struct {
	n     *Namespace
	from  engine.Reader
	opts  ScanOptions
	rest  engine.Range // what is not visited yet
	left  int          // of Limit; below 0 for no limit
	pages int

	op       *op      // opens records as they are read, while a page is
	groups   []*group // of this page
	filling  *group   // the last of them, if it takes more
	ahead    ahead
	room     int    // entries that the page still takes
	size     int    // bytes of the page
	last     []byte // engine key that was visited last
	finished bool
	failed   error // for which the scan ended
}

func newScanner(n *Namespace, from engine.Reader, opts *ScanOptions) *scanner {
	s := &scanner{n: n, from: from, left: -1}
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
func (s *scanner) next(ctx context.Context, hold *hold) error {
	if hold != nil {
		if err := s.n.store.check(hold); err != nil {
			return err
		}
	}
	s.room = min(maxPage, firstPage<<min(s.pages, 10))
	if s.left >= 0 {
		s.room = min(maxPage, s.left)
	}
	s.n.store.foreground.count()
	s.size, s.last = 0, s.last[:0]
	if err := s.read(ctx); err != nil {
		return err
	}
	s.pages++
	if len(s.last) == 0 || s.left == 0 {
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

func (s *scanner) read(ctx context.Context) error {
	if !s.opts.KeysOnly {
		if s.room >= aheadFrom {
			s.ahead.start()
		}
		if s.left >= 0 || s.pages > 0 {
			s.op = s.n.pinned(ctx)
			defer func() { s.op = s.op.unpin() }()
		}
	}
	err := s.from.Page(ctx, s.rest, s)
	s.fill()
	return err
}

// Entry takes one record out of the engine.
func (s *scanner) Entry(key, value []byte) (more bool, err error) {
	s.last = append(s.last[:0], key...)
	if s.n.maxAge.Load() > 0 && s.n.expiredRaw(value) {
		return true, nil
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
	s.size += len(key) + len(value)
	s.room--
	if s.left > 0 {
		s.left--
	}
	return s.room > 0 && s.size < maxPageBytes, nil
}

// groupFor is the group for the next record, which needs so many bytes.
func (s *scanner) groupFor(size int) *group {
	if s.filling != nil && !s.filling.takes(size) {
		s.fill()
	}
	if s.filling == nil {
		s.filling = newGroup(size)
		s.filling.awaited = s.ahead.takes()
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
func (s *scanner) walk(ctx context.Context, yield func(Entry, error) bool) bool {
	defer s.clear()
	for _, g := range s.groups {
		s.ahead.await(g)
		if !s.opts.Reuse {
			g.own()
		}
		for i := range g.records {
			r := &g.records[i]
			if !r.opened || !r.holds() {
				s.open(ctx, r, g.of(r.envelope))
			}
			if s.failed = ctx.Err(); s.failed != nil {
				yield(Entry{}, s.failed)
				return false
			}
			if r.gone {
				continue
			}
			if r.stale {
				s.n.store.hint(ctx, s.n, r.Key)
			}
			if !yield(r.Entry, nil) {
				return false
			}
		}
	}
	return true
}

// clear forgets the page.
func (s *scanner) clear() {
	s.ahead.clear()
	for _, g := range s.groups {
		g.free()
	}
	clear(s.groups)
	s.groups = s.groups[:0]
}

// open opens a record by itself, whatever that takes. raw is its envelope; nil for the one in the
// engine. The keys are pinned for this one record: a revocation takes effect at the next.
func (s *scanner) open(ctx context.Context, r *record, raw []byte) {
	r.opened, r.gone, r.stale = true, false, false
	r.value, r.err, r.written = nil, nil, 0
	var o opening
	var err error
	if raw == nil {
		raw, err = s.n.rawFrom(ctx, s.from, r.Key)
	}
	if err == nil {
		o, err = s.n.openFrom(ctx, s.from, r.Key, raw, r.room)
	}
	if err == errGone || errors.Is(err, ErrKeyDestroyed) { // rewrapped, and the key retired, since the page was read
		o.value, err = s.n.get(ctx, s.from, r.Key, r.room)
	}
	r.lease, r.stale = o.lease, o.stale
	switch {
	case errors.Is(err, ErrNotFound):
		r.gone = true
	case err != nil:
		r.err = err
	default:
		r.value = o.value[:len(o.value):len(o.value)]
		if s.n.maxAge.Load() > 0 {
			r.written = writtenIn(raw)
		}
	}
}

// writtenIn is the time in an envelope that opened.
func writtenIn(raw []byte) uint64 {
	var e codec.Envelope
	e.Parse(raw)
	return e.Written
}
