package transfer

import (
	"bytes"
	"context"
	"errors"

	"github.com/sealkv/sealkv/store"
)

// Survey counts what paths hold, without a store: Records and Bytes of each row. Attachments are
// compared with their metadata.
func Survey(ctx context.Context, paths []string, opts *ReadOptions) (*Result, error) {
	r := newReading(opts)
	var ws []worker
	var tallies []tally
	for range workers() {
		t := tally{}
		ws, tallies = append(ws, surveyor{t}), append(tallies, t)
	}
	err := r.run(ctx, paths, ws)
	r.result.Rows = rows(tallies)
	return &r.result, err
}

type surveyor struct{ tally tally }

func (w surveyor) take(_ context.Context, it *item) error {
	load := it.load
	if it.content.long() {
		load = it.content.survey
	}
	if err := load(); err != nil {
		return err
	}
	c := w.tally.of(it.to)
	c.Records++
	c.Bytes += uint64(it.length())
	return nil
}

func (w surveyor) finish(context.Context) error { return nil }

// Errors of values that Verify finds different from their lines.
var (
	ErrDiffers = errors.New("transfer: the store has another value")
	ErrMissing = errors.New("transfer: the store has no such value")
)

// Verify reads everything that paths lead to and compares it with what the store has, which must
// be the same byte for byte: Unchanged counts it. It writes nothing. A line that differs gives
// ErrDiffers or ErrMissing, or why its value does not open. It does not look for values that the
// store has beyond those.
func Verify(ctx context.Context, st *store.Store, paths []string, opts *ReadOptions) (*Result, error) {
	r := newReading(opts)
	r.resolve = func(_ context.Context, tenant, namespace string) (*store.Namespace, error) {
		t, err := st.Tenant(tenant)
		if err != nil {
			return nil, err
		}
		return t.Namespace(namespace)
	}
	var ws []worker
	var tallies []tally
	for range workers() {
		w := &verifier{tally: tally{}}
		ws, tallies = append(ws, w), append(tallies, w.tally)
	}
	err := r.run(ctx, paths, ws)
	r.result.Rows = rows(tallies)
	return &r.result, err
}

type verifier struct {
	tally tally
	have  reused
}

func (w *verifier) take(ctx context.Context, it *item) error {
	if it.content.long() {
		return w.stream(ctx, it)
	}
	if err := it.load(); err != nil {
		return err
	}
	have, err := it.to.n.GetInto(ctx, it.key, w.have.room())
	if errors.Is(err, store.ErrNotFound) {
		return ErrMissing
	} else if err != nil {
		return err
	}
	w.have = have
	if !bytes.Equal(have, it.value) {
		return ErrDiffers
	}
	w.same(it)
	return nil
}

func (w *verifier) same(it *item) {
	c := w.tally.of(it.to)
	c.Records++
	c.Unchanged++
	c.Bytes += uint64(it.length())
}

func (w *verifier) finish(context.Context) error { return nil }
