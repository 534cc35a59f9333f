package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
)

// SweepOptions of a sweep. The zero of each field means its default; nil means all of them.
type SweepOptions struct {
	// Namespaces to sweep; none means all of the tenant, or of all tenants, that have a data key
	// which is not retired.
	Namespaces []string
	// Workers is how many records are worked on at a time, of one namespace or of several. Each
	// holds one value in memory, or, of one in chunks that is sealed anew, what a Reader and a Writer
	// hold: 3.5 MiB on two processors, 6 on four or more. 0 means GOMAXPROCS.
	Workers int
	// RecordsPerSecond and BytesPerSecond bound how fast it goes; 0 for no bound. Bytes are those
	// of records, and those of chunks that are sealed anew.
	RecordsPerSecond, BytesPerSecond int
	// Again has it sweep namespaces too of which the last census says that everything in them opened
	// under the keys of now. Else such a census is kept, and so a sweep of many namespaces goes on
	// where it was cut short.
	Again bool
	// Urgent has it go at full speed while others use the store. Else it goes after them: one
	// worker at a time, which takes a fifth of one processor.
	Urgent bool
	// Progress is called after each page of a namespace. Ended is called for each namespace, with
	// the error for which it did not come to its end. Neither is called while another call of
	// either is under way.
	Progress func(SweepProgress)
	Ended    func(Census, error)
}

// A SweepProgress is how far a sweep is.
type SweepProgress struct {
	Census   // of one namespace, so far
	Visited  uint64
	Expected uint64 // how many records it will have visited at its end, about; counted from heads where no census says it
	Bytes    uint64 // of what it has visited
	// PerSecond is the rate of records since it was called, Left how long the rest takes at that
	// rate. Both are zero while nobody can tell.
	PerSecond float64
	Left      time.Duration
}

// Sweep brings every record of the tenant's namespaces under the active keys and opens each one
// that is, in the order of their keys. It notes how far it is as it goes, so that after a crash,
// an error or a cancelled ctx it goes on where it was (see also SweepOptions.Again). A record that
// does not open is counted, listed (see Misses) and passed over. What it returns, for each namespace
// that it came to the end of, is the proof on which RetireDataKey acts.
//
// Readers and writers go on meanwhile: a record that they replace is theirs. While the tenant is
// revoked, or its root cannot be asked, the namespaces under its keys pause where they are; the
// others are swept all the same. Then it returns ErrKeyRevoked or ErrKeyUnavailable, and called
// again once the keys are back it goes on. A namespace in which the engine fails (ErrUnavailable) pauses
// likewise; a full disk ends the sweep.
func (t *Tenant) Sweep(ctx context.Context, opts *SweepOptions) ([]Census, error) {
	var o SweepOptions
	if opts != nil {
		o = *opts
	}
	namespaces, err := t.namespaces(o.Namespaces)
	if err != nil {
		return nil, err
	}
	done, ended := make([]Census, len(namespaces)), o.Ended
	o.Ended = func(c Census, err error) {
		if err == nil {
			done[slices.IndexFunc(namespaces, func(n *Namespace) bool { return n.id.name == c.Namespace })] = c
		}
		if ended != nil {
			ended(c, err)
		}
	}
	err = t.store.sweep(ctx, o, func(fn func(*Namespace) error) error {
		for _, n := range namespaces {
			if err := fn(n); err != nil {
				return err
			}
		}
		return nil
	})
	return slices.DeleteFunc(done, func(c Census) bool { return !c.Done }), err
}

// Sweep is Tenant.Sweep for all tenants. One that pauses does not keep it from the others; its
// error says of how many namespaces that is so. Options.Ended tells of each.
func (s *Store) Sweep(ctx context.Context, opts *SweepOptions) error {
	var o SweepOptions
	if opts != nil {
		o = *opts
	}
	return s.sweep(ctx, o, func(fn func(*Namespace) error) error {
		return s.eachTenant(func(t *Tenant) error {
			namespaces, err := t.namespaces(nil)
			if err != nil {
				return err
			}
			for _, n := range namespaces {
				if len(o.Namespaces) > 0 && !slices.Contains(o.Namespaces, n.id.name) {
					continue
				}
				if err := fn(n); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// eachTenant calls fn for every tenant, in order.
func (s *Store) eachTenant(fn func(*Tenant) error) error {
	return s.eachTenantInfo(func(info keys.TenantInfo) error { return fn(&Tenant{store: s, id: info.ID}) })
}

func (s *Store) eachTenantInfo(fn func(keys.TenantInfo) error) error {
	const page = 1000
	for after := ""; ; {
		infos, err := s.Tenants(after, page)
		if err != nil {
			return err
		}
		for _, info := range infos {
			after = info.ID
			if err := fn(info); err != nil {
				return err
			}
		}
		if len(infos) < page {
			return nil
		}
	}
}

// namespaces returns the named ones, or all that have a data key that is not retired, by name.
func (t *Tenant) namespaces(names []string) (out []*Namespace, err error) {
	if len(names) == 0 {
		infos, err := t.DataKeys()
		if err != nil {
			return nil, err
		}
		for _, info := range infos {
			if info.State != codec.StateRetired.String() {
				names = append(names, info.Namespace)
			}
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	for _, name := range names {
		n, err := t.Namespace(name)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// A sweeping is one call of Sweep: what the namespaces that it sweeps share.
type sweeping struct {
	opts  SweepOptions
	pace  *pace
	slots chan struct{} // one for each record that is being worked on
	began time.Time

	mu       sync.Mutex // also held while Progress or Ended runs
	progress SweepProgress
	paused   int
	first    error // of those
}

// sweep sweeps the namespaces that each yields, some at the same time. It asks each twice if it is
// to tell its progress.
func (s *Store) sweep(ctx context.Context, opts SweepOptions, each func(fn func(*Namespace) error) error) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	load := s.foreground
	if opts.Urgent {
		load = nil
	}
	w := &sweeping{
		opts: opts, pace: newPace(opts.RecordsPerSecond, opts.BytesPerSecond, load), slots: make(chan struct{}, opts.Workers),
	}
	if opts.Progress != nil {
		if err := each(func(n *Namespace) error { return w.expect(ctx, n) }); err != nil {
			return err
		}
	}
	w.began = time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(opts.Workers)
	err := each(func(n *Namespace) error {
		group.Go(func() error { return w.sweep(ctx, n) })
		return ctx.Err()
	})
	if failed := group.Wait(); failed != nil {
		return failed
	}
	if err == nil && w.paused > 0 {
		if err = w.first; w.paused > 1 {
			err = fmt.Errorf("%w (and %d more)", err, w.paused-1)
		}
	}
	return err
}

// sweep sweeps one namespace. Its error is one that ends the whole.
func (w *sweeping) sweep(ctx context.Context, n *Namespace) error {
	s := sweeper{n: n, sweeping: w}
	n.store.counters.sweeps.running.Add(1)
	census, err := s.run(ctx)
	n.store.counters.sweeps.ended(census, err)
	_, ends := ctx.Deadline()
	late := ends && err == context.DeadlineExceeded // which a pace sees before it is there
	if err != nil {
		err = fmt.Errorf("store: sweeping %s of %s: %w", n.id.name, n.id.tenant, translated(err))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.opts.Ended != nil {
		w.opts.Ended(census, err)
	}
	if err == nil {
		return nil
	}
	for _, class := range []error{ErrClosed, ErrDiskFull, ErrUnknownOutcome, ErrPoisoned} {
		if late || ctx.Err() != nil || errors.Is(err, class) {
			return err
		}
	}
	n.store.opts.Logger.Warn("sweep paused", "tenant", n.id.tenant, "namespace", n.id.name, "error", err)
	if w.paused++; w.paused == 1 {
		w.first = err
	}
	return nil
}

// expect adds how many records there are to visit: those of the last census, or where there was
// none as many as there are heads, without those that a sweep cut short has visited.
func (w *sweeping) expect(ctx context.Context, n *Namespace) error {
	var last, state codec.Sweep
	if _, err := n.loadSweep(ctx, codec.KindSweep, &state); err != nil {
		state = codec.Sweep{} // it will begin anew, or say why not
	}
	records := state.Records
	found, err := n.loadSweep(ctx, codec.KindCensus, &last)
	switch {
	case found && err == nil && !w.opts.Again && n.proves(&last):
		return nil
	case found && err == nil:
		records = last.Records - min(records, last.Records)
	default:
		if records, err = n.countRecords(ctx, state.Cursor, w.opts.Workers, w.pace); err != nil {
			return err
		}
	}
	w.progress.Expected += records
	return nil
}

// report says that a page of a namespace was done.
func (w *sweeping) report(c Census, records int, bytes uint64) {
	if w.opts.Progress == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &w.progress
	p.Census = c
	p.Visited += uint64(records)
	p.Bytes += bytes
	if took := time.Since(w.began).Seconds(); took > 0 {
		p.PerSecond = float64(p.Visited) / took
	}
	p.Left = 0
	if p.Expected > p.Visited && p.PerSecond > 0 {
		p.Left = time.Duration(float64(p.Expected-p.Visited) / p.PerSecond * float64(time.Second))
	}
	w.opts.Progress(*p)
}
