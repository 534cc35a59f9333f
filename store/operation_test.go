package store_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/sealkv/sealkv/store"
)

// Each operation is counted once, under how it ended, whichever way a user takes to it.
func TestOperationsAreCounted(t *testing.T) {
	w := newWorld(t, store.Options{NoSync: true, Inline: 1000}, "acme")
	n, ctx := w.ns("acme", "jira/comments"), t.Context()
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	long := make([]byte, 100<<10)
	mustPut(t, n, "k", "v")
	snapshot, err := w.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	scan := func(ctx context.Context) (err error) {
		for _, err = range n.Scan(ctx, nil) {
		}
		return err
	}
	create := func(key string, opts *store.CreateOptions, end func(*store.Writer) error) error {
		w, err := n.Create(ctx, []byte(key), opts)
		if err != nil {
			return err
		}
		defer w.Abort()
		if _, err := w.Write(long); err != nil {
			return err
		}
		return end(w)
	}
	open := func(key string) error {
		r, err := n.Open(ctx, []byte(key))
		if err == nil {
			r.Close()
		}
		return err
	}
	for _, step := range []struct {
		op      store.Operation
		outcome store.Outcome
		do      func() error
	}{
		{store.OpPut, store.OutcomeOK, func() error { return n.Put(ctx, []byte("k"), []byte("v")) }},
		{store.OpPut, store.OutcomeOK, func() error { return n.Put(ctx, []byte("long"), long) }},
		{store.OpPut, store.OutcomeInvalid, func() error { return n.Put(ctx, nil, nil) }},
		{store.OpPut, store.OutcomeCancelled, func() error { return n.Put(cancelled, []byte("k"), []byte("v")) }},
		{store.OpGet, store.OutcomeOK, func() error { _, err := n.Get(ctx, []byte("k")); return err }},
		{store.OpGet, store.OutcomeOK, func() error { _, err := n.Get(ctx, []byte("long")); return err }},
		{store.OpGet, store.OutcomeNotFound, func() error { _, err := n.Get(ctx, []byte("none")); return err }},
		{store.OpGet, store.OutcomeOK, func() error { _, err := snapshot.Get(ctx, n, []byte("k")); return err }},
		{store.OpHas, store.OutcomeOK, func() error { _, err := n.Has(ctx, []byte("none")); return err }},
		{store.OpHas, store.OutcomeOK, func() error { _, err := snapshot.Has(ctx, n, []byte("k")); return err }},
		{store.OpPutIfAbsent, store.OutcomeOK, func() error { return n.PutIfAbsent(ctx, []byte("new"), nil) }},
		{store.OpPutIfAbsent, store.OutcomeConflict, func() error { return n.PutIfAbsent(ctx, []byte("new"), nil) }},
		{store.OpCompareAndSwap, store.OutcomeOK, func() error { return n.CompareAndSwap(ctx, []byte("k"), []byte("v"), []byte("v")) }},
		{store.OpCompareAndSwap, store.OutcomeConflict, func() error { return n.CompareAndSwap(ctx, []byte("k"), nil, nil) }},
		{store.OpDelete, store.OutcomeOK, func() error { return n.Delete(ctx, []byte("new")) }},
		{store.OpCommit, store.OutcomeOK, func() error {
			b := w.NewBatch()
			return errors.Join(b.Put(n, []byte("k"), []byte("v")), b.Put(n, []byte("long2"), long), b.Commit(ctx))
		}},
		{store.OpScan, store.OutcomeOK, func() error { return scan(ctx) }},
		{store.OpScan, store.OutcomeOK, func() error {
			for range n.Scan(ctx, nil) {
				break
			}
			return nil
		}},
		{store.OpScan, store.OutcomeCancelled, func() error { return scan(cancelled) }},
		{store.OpCreate, store.OutcomeOK, func() error { return create("stream", nil, (*store.Writer).Close) }},
		{store.OpCreate, store.OutcomeCancelled, func() error {
			return create("stream", nil, func(w *store.Writer) error { w.Abort(); return store.ErrAborted })
		}},
		{store.OpCreate, store.OutcomeConflict, func() error {
			return create("stream", &store.CreateOptions{IfAbsent: true}, (*store.Writer).Close)
		}},
		{store.OpCreate, store.OutcomeInvalid, func() error { return create("", nil, nil) }},
		{store.OpOpen, store.OutcomeOK, func() error { return open("stream") }},
		{store.OpOpen, store.OutcomeNotFound, func() error { return open("none") }},
		{store.OpPut, store.OutcomeRevoked, func() error {
			if err := w.tenant("acme").Revoke(ctx); err != nil {
				return err
			}
			return n.Put(ctx, []byte("k"), nil)
		}},
		{store.OpGet, store.OutcomeRevoked, func() error { _, err := n.Get(ctx, []byte("k")); return err }},
	} {
		before := w.Stats().Operations
		err := step.do()
		if (err == nil) != (step.outcome == store.OutcomeOK) {
			t.Errorf("%v: %v", step.op, err)
		}
		for op, stats := range w.Stats().Operations {
			for outcome, count := range stats.Outcomes {
				want := before[op].Outcomes[outcome]
				if store.Operation(op) == step.op && store.Outcome(outcome) == step.outcome {
					want++
				}
				if count != want {
					t.Errorf("%v that ended %v: %d of %v, %v, want %d", step.op, step.outcome, count, store.Operation(op), store.Outcome(outcome), want)
				}
			}
		}
	}
}

// One operation in OneIn is timed, and a caller's rhythm keeps none from being.
func TestOperationsAreTimed(t *testing.T) {
	w := newWorld(t, store.Options{NoSync: true}, "acme")
	n, ctx := w.ns("acme", "jira/comments"), t.Context()
	const rounds = 20_000
	for range rounds {
		if err := n.Put(ctx, []byte("k"), []byte("v")); err != nil {
			t.Fatal(err)
		}
		if got, err := n.Get(ctx, []byte("k")); err != nil || !bytes.Equal(got, []byte("v")) {
			t.Fatal(got, err)
		}
	}
	b := w.NewBatch()
	b.Put(n, []byte("k"), nil)
	if err := b.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	ops := w.Stats().Operations
	for _, op := range []store.Operation{store.OpGet, store.OpPut} {
		l := ops[op].Latency
		if got, about := l.Count(), uint64(rounds)/op.OneIn(); got < about/2 || got > 2*about || l.Sum <= 0 {
			t.Errorf("%d of %d %vs were timed, together %v, and %d should be about", got, rounds, op, l.Sum, about)
		}
	}
	if got := ops[store.OpCommit].Latency.Count(); got != 1 {
		t.Errorf("%d commits were timed", got)
	}
}

func TestNamesOfOperations(t *testing.T) {
	w := newWorld(t, store.Options{NoSync: true})
	seen := map[string]bool{"": true}
	for op, stats := range w.Stats().Operations {
		for outcome := range stats.Outcomes {
			name := store.Operation(op).String() + " " + store.Outcome(outcome).String()
			if seen[name] || store.Outcome(outcome).String() == "" || store.Operation(op).String() == "" {
				t.Errorf("name %q", name)
			}
			seen[name] = true
		}
	}
}
