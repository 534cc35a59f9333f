package transfer

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/sealkv/sealkv/store"
)

// ImportOptions of Import. Nil means defaults.
type ImportOptions struct {
	ReadOptions
}

// Import stores everything that paths lead to: files of JSON lines, folders, and "-" for standard
// input. Tenants that are not there are made, hosted. A value that the store has already, byte for
// byte, is not written again, so an import that was cut short is completed by running it again.
// Where a key comes more than once, the last value stays. Everything is durable on return, also
// after an error, and in a store that was opened with NoSync.
//
// Memory is bounded by a few of the longest values.
func Import(ctx context.Context, st *store.Store, paths []string, opts *ImportOptions) (*Result, error) {
	if opts == nil {
		opts = &ImportOptions{}
	}
	r := newReading(&opts.ReadOptions)
	r.resolve = func(ctx context.Context, tenant, namespace string) (*store.Namespace, error) {
		return r.open(ctx, st, tenant, namespace)
	}
	var ws []worker
	var tallies []tally
	for range workers() {
		w := newImporter(r, st)
		ws, tallies = append(ws, w), append(tallies, w.tally)
	}
	err := r.run(ctx, paths, ws)
	r.result.Rows = rows(tallies)
	if syncErr := st.Sync(context.WithoutCancel(ctx)); err == nil {
		err = syncErr
	}
	return &r.result, err
}

// open returns a namespace, making its tenant if it must. The name is checked first: a tenant is
// for ever.
func (r *reading) open(ctx context.Context, st *store.Store, tenant, namespace string) (*store.Namespace, error) {
	if _, err := st.Policy().Lookup(namespace); err != nil {
		return nil, err
	}
	t, err := st.Tenant(tenant)
	if errors.Is(err, store.ErrTenantUnknown) {
		if t, err = st.AddTenant(ctx, tenant, nil); err == nil {
			r.result.Created = append(r.result.Created, tenant)
		}
	}
	if err != nil {
		return nil, err
	}
	return t.Namespace(namespace)
}

// Bounds of a batch, well below those of a store: what is lost when one fails, and memory.
const (
	batchItems = 500
	batchBytes = 1 << 20
)

// An importer writes values that differ from what the store has.
type importer struct {
	r       *reading
	batch   *store.Batch
	waiting map[waitingKey]bool // is in the batch
	order   []*item
	tally   tally
	have    reused // what the store has
}

type waitingKey struct {
	to  *target
	key string
}

func newImporter(r *reading, st *store.Store) *importer {
	return &importer{r: r, batch: st.NewBatch(), waiting: map[waitingKey]bool{}, tally: tally{}}
}

func (w *importer) take(ctx context.Context, it *item) error {
	if !it.content.long() {
		if err := it.load(); err != nil {
			return err
		}
	}
	if w.waiting[waitingKey{it.to, string(it.key)}] {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	if it.content.long() {
		return w.stream(ctx, it)
	}
	var err error
	if it.outcome, err = w.compare(ctx, it); err != nil {
		return err
	}
	switch {
	case it.outcome == isUnchanged, it.outcome == isExpired:
		w.count(it)
		return nil
	case len(it.value) > store.DefaultInline:
		return w.put(ctx, it) // a batch would keep a copy
	}
	return w.add(ctx, it)
}

// compare finds what becomes of an item.
func (w *importer) compare(ctx context.Context, it *item) (outcome, error) {
	if age := it.to.n.MaxAge(); age > 0 && !it.written.IsZero() && time.Since(it.written) >= age {
		return isExpired, nil
	}
	have, err := it.to.n.GetInto(ctx, it.key, w.have.room())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return isNew, nil
	case err != nil:
		return 0, err
	}
	w.have = have
	if bytes.Equal(have, it.value) {
		return isUnchanged, nil
	}
	return isReplaced, nil
}

// add puts an item into the batch, and commits the batch where it is full.
func (w *importer) add(ctx context.Context, it *item) error {
	if len(w.order) >= batchItems || w.batch.Size()+len(it.value) > batchBytes {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	err := w.batch.PutWritten(it.to.n, it.key, it.value, it.written)
	if errors.Is(err, store.ErrTooLarge) {
		if err = w.flush(ctx); err == nil {
			return w.put(ctx, it)
		}
	}
	if err != nil {
		return err
	}
	w.waiting[waitingKey{it.to, string(it.key)}] = true
	w.order = append(w.order, it)
	return nil
}

func (w *importer) put(ctx context.Context, it *item) error {
	err := it.to.n.PutWritten(ctx, it.key, it.value, it.written)
	if err == nil {
		w.count(it)
	}
	return err
}

func (w *importer) finish(ctx context.Context) error { return w.flush(ctx) }

// flush commits the batch. If that fails because of one of its values, each is put by itself, so
// that the others are stored and the failure is reported with its line.
func (w *importer) flush(ctx context.Context) error {
	err := w.batch.Commit(ctx)
	items := w.order
	w.batch.Reset()
	clear(w.waiting)
	defer func() { clear(items); w.order = items[:0] }()
	if err == nil {
		for _, it := range items {
			w.count(it)
		}
		return nil
	}
	if fatal(err) {
		return err
	}
	for _, it := range items {
		if err := w.r.failures.add(it.at, w.put(ctx, it)); err != nil {
			return err
		}
	}
	return nil
}

func (w *importer) count(it *item) {
	c := w.tally.of(it.to)
	c.Records++
	c.Bytes += uint64(it.length())
	switch it.outcome {
	case isNew:
		c.New++
	case isReplaced:
		c.Replaced++
	case isUnchanged:
		c.Unchanged++
	case isExpired:
		c.Expired++
	}
}
