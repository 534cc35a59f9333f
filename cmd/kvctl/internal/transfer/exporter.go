package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

// An exporter is one export under way.
type exporter struct {
	st     *store.Store
	opts   ExportOptions
	snap   *store.Snapshot
	spaces []*store.Namespace
	counts map[*store.Namespace]*ExportCount
	done   ExportCount
}

// export runs write on a fixed state of the store.
func export(ctx context.Context, st *store.Store, opts *ExportOptions, write func(*exporter) error) (*Exported, error) {
	start := time.Now()
	e := &exporter{st: st, counts: map[*store.Namespace]*ExportCount{}}
	if opts != nil {
		e.opts = *opts
	}
	if e.opts.Progress == nil {
		e.opts.Progress = func(records, bytes uint64) {}
	}
	out := &Exported{}
	err := e.run(ctx, write)
	for _, c := range e.counts {
		out.Rows = append(out.Rows, *c)
	}
	slices.SortFunc(out.Rows, func(a, b ExportCount) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Namespace, b.Namespace))
	})
	if err == nil {
		err = out.err()
	}
	out.Elapsed = time.Since(start)
	return out, err
}

func (e *exporter) run(ctx context.Context, write func(*exporter) error) (err error) {
	if e.snap, err = e.st.Snapshot(ctx); err != nil {
		return err
	}
	defer e.snap.Close()
	if err := e.find(ctx); err != nil {
		return err
	}
	return write(e)
}

func byTenant(a, b *store.Namespace) int {
	return cmp.Or(cmp.Compare(a.Tenant(), b.Tenant()), cmp.Compare(a.Name(), b.Name()))
}

func byNamespace(a, b *store.Namespace) int {
	return cmp.Or(cmp.Compare(a.Name(), b.Name()), cmp.Compare(a.Tenant(), b.Tenant()))
}

// find collects the namespaces to export: those of the tenants that ever had a data key.
func (e *exporter) find(ctx context.Context) error {
	for _, name := range e.opts.Namespaces {
		if err := scope.CheckNamespace(name); err != nil {
			return fmt.Errorf("%w: %w", store.ErrInvalidName, err)
		}
	}
	tenants := slices.Clone(e.opts.Tenants)
	if len(tenants) == 0 {
		var err error
		if tenants, err = allTenants(e.st); err != nil {
			return err
		}
	}
	slices.Sort(tenants)
	for _, id := range slices.Compact(tenants) {
		if err := e.findOf(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func allTenants(st *store.Store) (ids []string, err error) {
	var last string
	for {
		page, err := st.Tenants(last, 1000)
		if err != nil || len(page) == 0 {
			return ids, err
		}
		for _, t := range page {
			last = t.ID
			ids = append(ids, last)
		}
	}
}

func (e *exporter) findOf(ctx context.Context, tenant string) error {
	t, err := e.st.Tenant(tenant)
	if err != nil {
		return fmt.Errorf("%.80q: %w", tenant, err)
	}
	keys, err := t.DataKeys()
	if err != nil {
		return err
	}
	var names []string
	for _, key := range keys {
		if len(e.opts.Namespaces) == 0 || slices.Contains(e.opts.Namespaces, key.Namespace) {
			names = append(names, key.Namespace)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		n, err := t.Namespace(name)
		switch {
		case errors.Is(err, store.ErrNamespaceUnknown): // the policy had a rule for it once
			err = e.skipAll(ctx, tenant, name, err)
		case err == nil:
			e.spaces = append(e.spaces, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// skipAll counts the records of a namespace that has no handle.
func (e *exporter) skipAll(ctx context.Context, tenant, namespace string, reason error) error {
	usage, err := e.st.Usage(ctx, tenant)
	if err != nil {
		return err
	}
	for _, u := range usage {
		if u.Namespace == namespace {
			e.counts[new(store.Namespace)] = &ExportCount{
				Tenant: tenant, Namespace: namespace, Skipped: u.Records, Reason: reason.Error(), err: reason,
			}
		}
	}
	return nil
}

func (e *exporter) count(n *store.Namespace) *ExportCount {
	c := e.counts[n]
	if c == nil {
		c = &ExportCount{Tenant: n.Tenant(), Namespace: n.Name()}
		e.counts[n] = c
	}
	return c
}

func (e *exporter) exported(n *store.Namespace, size int64) {
	for _, c := range []*ExportCount{e.count(n), &e.done} {
		c.Records++
		c.Bytes += uint64(size)
	}
	e.opts.Progress(e.done.Records, e.done.Bytes)
}

func (e *exporter) skipped(n *store.Namespace, err error) {
	c := e.count(n)
	if c.Skipped++; c.Skipped > 1 {
		return
	}
	if errors.Is(err, store.ErrTooLarge) {
		err = ErrTooLong
	}
	c.Reason, c.err = err.Error(), err
	var record *store.RecordError
	if errors.As(err, &record) {
		c.Reason = record.Err.Error()
	}
}

// records yields what opens of a namespace, by key, and counts what does not.
func (e *exporter) records(ctx context.Context, n *store.Namespace) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		product, typ := splitNamespace(n.Name())
		for entry, err := range e.snap.Scan(ctx, n, nil) {
			if err != nil {
				yield(Record{}, err)
				return
			}
			value, err := entry.Value()
			if err != nil {
				e.skipped(n, err)
				continue
			}
			r := Record{Tenant: n.Tenant(), Product: product, Type: typ, Key: entry.Key, Value: value, Written: entry.Written()}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// lines writes the records of a namespace.
func (e *exporter) lines(ctx context.Context, n *store.Namespace, w *lineWriter) error {
	for r, err := range e.records(ctx, n) {
		if err != nil {
			return err
		}
		if err := e.line(n, &r, w); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) line(n *store.Namespace, r *Record, w *lineWriter) error {
	if err := w.write(r); err != nil {
		return err
	}
	e.exported(n, int64(len(r.Value)))
	return nil
}

// A lineWriter writes records as lines.
type lineWriter struct {
	to   io.Writer
	line []byte
}

func (w *lineWriter) write(r *Record) error {
	w.line = r.Append(reused(w.line).room())
	_, err := w.to.Write(w.line)
	return err
}
