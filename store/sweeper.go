package store

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store/engine"
)

// A sweeper sweeps one namespace.
type sweeper struct {
	*sweeping
	n     *Namespace
	state codec.Sweep
	idle  idleDictionaries
}

// errProven says that the last census leaves nothing to do.
var errProven = errors.New("store: swept already")

// errOvertaken says that keys were rotated during a sweep, which begins again then.
var errOvertaken = errors.New("store: the keys were rotated during the sweep")

func (s *sweeper) run(ctx context.Context) (Census, error) {
	for {
		err := s.begin(ctx)
		if err == nil {
			err = s.walk(ctx)
		}
		if errors.Is(err, errProven) {
			census := s.n.census(&s.state, true)
			census.Kept = true
			return census, nil
		}
		if !errors.Is(err, errOvertaken) {
			return s.n.census(&s.state, err == nil), err
		}
	}
}

// begin goes on with a sweep that was cut short, if the keys are still those that it brings
// records under; else it starts one, from where no writer with older keys is left.
func (s *sweeper) begin(ctx context.Context) error {
	if err := s.findIdle(ctx); err != nil {
		return err
	}
	epoch, active, err := s.n.keys.Renew(ctx)
	if err != nil {
		return err
	}
	dictionary, err := s.newestTrained(ctx)
	if err != nil {
		return err
	}
	if !s.opts.Again {
		found, err := s.n.loadSweep(ctx, codec.KindCensus, &s.state)
		if err == nil && found && s.state.Dictionary == dictionary && s.n.proves(&s.state) {
			return errProven
		}
	}
	found, err := s.n.loadSweep(ctx, codec.KindSweep, &s.state)
	switch {
	case isForged(err):
		s.n.store.opts.Logger.Warn("sweep begins anew", "tenant", s.n.id.tenant, "namespace", s.n.id.name, "error", err)
	case err != nil:
		return err
	case found && slices.Equal(s.state.Active, active) && s.state.Dictionary == dictionary:
		return nil
	}
	s.state = codec.Sweep{Epoch: epoch, Active: active, Dictionary: dictionary, Began: s.n.now()}
	return s.whilePinned(ctx, func() error { return s.save(ctx, false) })
}

// whilePinned writes something with the keys pinned, so that nothing is written of a tenant that was shredded.
func (s *sweeper) whilePinned(ctx context.Context, write func() error) error {
	var op op
	if err := s.n.pinToSeal(ctx, &op); err != nil {
		return err
	}
	defer op.lease.Unpin()
	return write()
}

// walk visits page after page. What it writes of a page comes after the rewraps in it: the engine
// keeps no later write without the earlier ones.
func (s *sweeper) walk(ctx context.Context) error {
	left := engine.Range{Start: s.n.records, End: codec.PrefixEnd(s.n.records)}
	if len(s.state.Cursor) > 0 {
		left.Start = append(join(s.n.records, s.state.Cursor), 0)
	}
	for {
		page := keyPage{}
		if err := s.n.store.engine.Page(ctx, left, &page); err != nil {
			return err
		}
		visits, err := s.visitPage(ctx, page.keys)
		if err != nil {
			return err
		}
		done := !page.full
		visited := left
		if !done {
			left.Start = append(page.keys[len(page.keys)-1], 0)
			visited.End = left.Start
		} else if err := s.dictionaries(ctx); err != nil {
			return err
		}
		bytes, err := s.settle(ctx, visited, page.keys, visits, done)
		if err != nil {
			return err
		}
		s.report(s.n.census(&s.state, done), len(visits), bytes)
		if done {
			return nil
		}
	}
}

// A visit is what a sweep found of one record, and left.
type visit struct {
	gone      bool // deleted or expired meanwhile
	rewrapped bool
	miss      error    // for which it does not open
	numbers   []uint32 // data keys that it is left under; 0 if it is no envelope
	size      uint64   // of its value
	bytes     uint64   // that were read of it
}

// visitPage visits the records of a page, several at a time.
func (s *sweeper) visitPage(ctx context.Context, keys [][]byte) ([]visit, error) {
	visits := make([]visit, len(keys))
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(cap(s.slots), len(keys)) {
		group.Go(func() (err error) {
			for i := next.Add(1) - 1; i < int64(len(keys)) && err == nil; i = next.Add(1) - 1 {
				visits[i], err = s.visit(ctx, keys[i][len(s.n.records):])
			}
			return err
		})
	}
	return visits, group.Wait()
}

// visit brings one record under the active keys, or opens it if it is, as fast as the pace allows.
func (s *sweeper) visit(ctx context.Context, key []byte) (v visit, err error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return v, ctx.Err()
	}
	if err := s.pace.begin(ctx); err != nil {
		return v, err
	}
	began := time.Now()
	for {
		v, err = s.bring(ctx, key)
		if !errors.Is(err, engine.ErrConflict) && err != errGone {
			break
		}
	} // replaced meanwhile
	switch {
	case errors.Is(err, ErrNotFound):
		v.gone = true
	case isFailure(err):
		v.miss = err
		err = s.n.canSeal(ctx) // or the keys have failed, not the record
	}
	if err != nil && !v.gone {
		return v, err
	}
	return v, s.pace.end(ctx, v.bytes, began)
}

// bring visits a record once. With an error the record is left as it is.
func (s *sweeper) bring(ctx context.Context, key []byte) (v visit, err error) {
	raw, err := s.n.raw(ctx, key)
	if err != nil {
		return v, err
	}
	v.look(raw)
	done, streams, err := s.n.rewrapRaw(ctx, key, raw, true)
	if err != nil {
		return v, err
	}
	if streams {
		v.bytes += v.size
	}
	if done {
		v.rewrapped = true
		if raw, err = s.n.raw(ctx, key); err != nil {
			return v, err
		}
		v.look(raw)
	}
	if s.n.expiredRaw(raw) {
		return v, ErrNotFound
	}
	return v, s.prove(ctx, key, raw)
}

// look notes what a record's head says.
func (v *visit) look(raw []byte) {
	v.bytes += uint64(len(raw))
	var e codec.Envelope
	if err := e.Parse(raw); err != nil && len(e.Sealed) == 0 {
		v.numbers, v.size = []uint32{0}, uint64(len(raw))
		return
	}
	v.numbers, v.size = numbers(&e), plainBytes(&e)
}

// prove checks that the record opens under the keys that this sweep brings records under. Of a
// chunked value that is its manifest: chunks are under its content key alone.
func (s *sweeper) prove(ctx context.Context, key, raw []byte) error {
	op, err := s.n.begin(key)
	if err != nil {
		return err
	}
	defer op.done()
	if err := s.n.pinToSeal(ctx, op); err != nil {
		return err
	}
	defer op.lease.Unpin()
	if !slices.Equal(op.lease.Numbers(), s.state.Active) {
		return errOvertaken
	}
	err = op.Value(raw)
	if err == nil && !op.env.Chunked {
		err = op.finish(ctx, s.n.store.engine)
	}
	if err != nil {
		return s.n.failed(op, err)
	}
	if op.stale {
		return engine.ErrConflict // a writer with keys from before the rotation cannot be: read again
	}
	if !op.env.Chunked {
		clear(op.dst)
		return nil
	}
	content, err := op.unwrapContent()
	if err != nil {
		return s.n.failed(op, err)
	}
	defer content.Wipe()
	if err := op.openPayload(content); err != nil {
		return s.n.failed(op, err)
	}
	return nil
}

// settle writes what came of a page: misses, and then how far the sweep is.
func (s *sweeper) settle(ctx context.Context, visited engine.Range, page [][]byte, visits []visit, done bool) (bytes uint64, err error) {
	err = s.whilePinned(ctx, func() error {
		if err := s.noteMisses(ctx, visited, page, visits); err != nil {
			return err
		}
		bytes = s.take(page, visits)
		s.n.store.counters.sweeps.settled(visits, bytes)
		if done {
			s.n.noteSwept() // before anybody can see the census
		}
		return s.save(ctx, done)
	})
	return bytes, err
}

// take adds a page to the census: each record under every key that it is left under.
func (s *sweeper) take(keys [][]byte, visits []visit) (bytes uint64) {
	for _, v := range visits {
		bytes += v.bytes
		if v.gone {
			continue
		}
		s.state.Records++
		if v.rewrapped {
			s.state.Rewrapped++
		}
		if v.miss != nil {
			s.state.Missed++
		}
		for _, number := range v.numbers {
			s.state.Counts = addCount(s.state.Counts, number, v.size)
		}
	}
	if len(keys) > 0 {
		s.state.Cursor = keys[len(keys)-1][len(s.n.records):]
	}
	return bytes
}

// save writes how far the sweep is, or at its end the census, durably.
func (s *sweeper) save(ctx context.Context, done bool) error {
	s.state.Updated = s.n.now()
	kind := codec.KindSweep
	b := s.n.store.newBatch()
	defer b.Close()
	if done {
		b.Delete(s.n.keyOf(kind))
		kind = codec.KindCensus
	}
	if err := s.n.sign(ctx, b, s.n.keyOf(kind), codec.EncodeRecord(s.state)); err != nil {
		return err
	}
	return s.n.store.applyBatch(ctx, b, done)
}
