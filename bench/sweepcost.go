package main

import (
	"context"
	"errors"
	"time"

	"github.com/sealkv/sealkv/store"
)

// measureSweep fills a store, and then has goroutines get while nothing else happens, while an
// urgent sweep, and while one that goes after them moves every record to a new key.
func measureSweep(ctx context.Context, p probe) (_ measured, err error) {
	if err := p.fill(ctx, p.options()); err != nil {
		return nil, err
	}
	o := p.options()
	o.Rewrap = store.RewrapOff // the sweep moves all
	s, err := store.Open(ctx, p.storeDir(), o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	n, d, err := p.single(s)
	if err != nil {
		return nil, err
	}
	m := measured{}
	get := func(w *hand) (err error) {
		w.room, err = n.GetInto(ctx, w.key, w.room[:0])
		return err
	}
	alone, err := p.crew(d, get)
	if err != nil {
		return nil, err
	}
	alone.into(m, "alone, get")
	if err := p.swept(ctx, s, m, "idle", &store.SweepOptions{}, nil); err != nil {
		return nil, err
	}
	for _, urgent := range []bool{true, false} {
		name := "polite"
		if urgent {
			name = "urgent"
		}
		beside := func() error {
			c, err := p.crew(d, get)
			c.into(m, name+", get")
			return err
		}
		if err := p.swept(ctx, s, m, name, &store.SweepOptions{Urgent: urgent}, beside); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// swept rotates and sweeps, while beside goes on; of a sweep that outlasts it, what it did until
// then counts.
func (p probe) swept(ctx context.Context, s *store.Store, m measured, name string, o *store.SweepOptions, beside func() error) error {
	tenant, err := s.Tenant("acme")
	if err != nil {
		return err
	}
	if _, err := tenant.RotateDataKeys(ctx); err != nil {
		return err
	}
	sweeping, cancel := context.WithCancel(ctx)
	defer cancel()
	began, took := time.Now(), time.Duration(0)
	var records uint64
	o.Progress = func(p store.SweepProgress) { records, took = p.Visited, time.Since(began) }
	ended := make(chan error)
	go func() {
		_, err := tenant.Sweep(sweeping, o)
		ended <- err
	}()
	if beside != nil {
		err = beside()
		cancel()
	}
	if swept := <-ended; swept != nil && sweeping.Err() == nil {
		return errors.Join(err, swept)
	}
	m[name+", records/s"] = float64(records) / max(took.Seconds(), 1e-9)
	m[name+", bytes/s"] = m[name+", records/s"] * float64(p.Bytes)
	return err
}
