package store_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

// A call is one method of a store, its tenants or its namespaces.
type call struct {
	name string
	kind int
	do   func() error
}

const (
	looks   = iota // needs no key
	opens          // a value, or what the platform vouches for
	changes        // the records or the keyring
)

// calls is what acme's jira/comments, with a value under k, can be asked. ready makes what a call
// needs beforehand.
func calls(t *testing.T, s *store.Store, ready *prepared) []call {
	ctx, k, v := t.Context(), []byte("k"), []byte("v")
	acme, n := ready.tenant, ready.n
	scan := func(opts *store.ScanOptions) error {
		for e, err := range n.Scan(ctx, opts) {
			if err != nil {
				return err
			}
			if opts.KeysOnly {
				continue
			}
			if _, err := e.Value(); err != nil {
				return err
			}
		}
		return nil
	}
	return []call{
		{"Get", opens, func() error { _, err := n.Get(ctx, k); return err }},
		{"GetInto", opens, func() error { _, err := n.GetInto(ctx, k, nil); return err }},
		{"Open", opens, func() error {
			r, err := n.Open(ctx, k)
			if err == nil {
				err = errors.Join(readAll(r), r.Close())
			}
			return err
		}},
		{"Scan", opens, func() error { return scan(&store.ScanOptions{}) }},
		{"VerifyAudit", opens, func() error { _, err := s.VerifyAudit(ctx, nil); return err }},
		{"Has", looks, func() error { _, err := n.Has(ctx, k); return err }},
		{"Scan of keys", looks, func() error { return scan(&store.ScanOptions{KeysOnly: true}) }},
		{"FS", looks, func() error { _, err := n.FS(ctx).ReadDir("."); return err }},
		{"Head", looks, func() error { _, err := s.Head(ctx, "acme", "jira/comments", k); return err }},
		{"Tenants", looks, func() error { _, err := s.Tenants("", 10); return err }},
		{"Tenant.Info", looks, func() error { _, err := acme.Info(); return err }},
		{"DataKeys", looks, func() error { _, err := acme.DataKeys(); return err }},
		{"Usage", looks, func() error { _, err := s.Usage(ctx, ""); return err }},
		{"Coverage", looks, func() error { _, err := s.Coverage(ctx, &store.CoverageOptions{Exact: true}); return err }},
		{"Verify", looks, func() error { _, err := s.Verify(ctx, &store.VerifyOptions{HeadsOnly: true}); return err }},
		{"Backups", looks, func() error { _, err := s.Backups(); return err }},
		{"PlanPolicy", looks, func() error { _, err := s.PlanPolicy(ctx, ready.next); return err }},
		{"Audit", looks, func() error { return firstError(s) }},
		{"Put", changes, func() error { return n.Put(ctx, k, v) }},
		{"PutWritten", changes, func() error { return n.PutWritten(ctx, k, v, time.Now()) }},
		{"PutIfAbsent", changes, func() error { return n.PutIfAbsent(ctx, []byte("other"), v) }},
		{"CompareAndSwap", changes, func() error { return n.CompareAndSwap(ctx, k, v, v) }},
		{"Delete", changes, func() error { return n.Delete(ctx, k) }},
		{"Create", changes, func() error {
			w, err := n.Create(ctx, k, nil)
			if err != nil {
				return err
			}
			_, err = w.Write(v)
			return errors.Join(err, w.Close())
		}},
		{"Commit", changes, func() error { return ready.batch.Commit(ctx) }},
		{"AddTenant", changes, func() error { _, err := s.AddTenant(ctx, "another", nil); return err }},
		{"Revoke", changes, func() error { return acme.Revoke(ctx) }},
		{"Restore", changes, func() error { return acme.Restore(ctx) }},
		{"RotateDataKeys", changes, func() error { _, err := acme.RotateDataKeys(ctx); return err }},
		{"RotateTenantKey", changes, func() error { _, err := acme.RotateTenantKey(ctx); return err }},
		{"RotateRoot", changes, func() error { return acme.RotateRoot(ctx, "test://acme") }},
		{"RotatePlatformRoot", changes, func() error { return s.RotatePlatformRoot(ctx, platformURI) }},
		{"RetireDataKey", changes, func() error { return acme.RetireDataKey(ctx, "jira/comments", 1, true) }},
		{"Sweep", changes, func() error { _, err := acme.Sweep(ctx, nil); return err }},
		{"Store.Sweep", changes, func() error { return s.Sweep(ctx, nil) }},
		{"Collect", changes, func() error { return s.Collect(ctx) }},
		{"ApplyPolicy", changes, func() error { return s.ApplyPolicy(ctx, ready.next, nil) }},
		{"Backup", changes, func() error { _, err := s.Backup(ctx, filepath.Join(t.TempDir(), "copy")); return err }},
		{"ForgetBackup", changes, func() error { return s.ForgetBackup(ctx, strings.Repeat("0", 32)) }},
		{"Shred", changes, func() error { _, err := acme.Shred(ctx, nil); return err }},
	}
}

// prepared is what is made while the store is open.
type prepared struct {
	tenant *store.Tenant
	n      *store.Namespace
	batch  *store.Batch
	next   *scope.Policy
}

func prepare(t *testing.T, s *store.Store) *prepared {
	t.Helper()
	acme, err := s.Tenant("acme")
	if err != nil {
		t.Fatal(err)
	}
	n, err := acme.Namespace("jira/comments")
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	if err := b.Put(n, []byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	return &prepared{acme, n, b, policy(t, 2, "tenant")}
}

func readAll(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }

func firstError(s *store.Store) error {
	for _, err := range s.Audit(0) {
		if err != nil {
			return err
		}
	}
	return nil
}

// Whatever is called on a closed store returns ErrClosed, and nothing panics.
func TestClosedStore(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	ready := prepare(t, w.Store)
	snapshot, err := w.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range append(calls(t, w.Store, ready),
		call{"Sync", changes, func() error { return w.Sync(t.Context()) }},
		call{"Snapshot", looks, func() error { _, err := w.Snapshot(t.Context()); return err }},
		call{"Snapshot.Get", opens, func() error { _, err := snapshot.Get(t.Context(), ready.n, []byte("k")); return err }},
	) {
		if err := c.do(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := errors.Join(snapshot.Close(), w.Close()); err != nil {
		t.Errorf("closing what is closed: %v", err)
	}
}

// ReadOnly reads everything and changes nothing; Inspect opens no value.
func TestReadOnlyCalls(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		opts store.Options
		want map[int][]error // any of them; none for success
	}{
		{"ReadOnly", store.Options{ReadOnly: true, Roots: w.roots}, map[int][]error{changes: {store.ErrReadOnly}}},
		{"Inspect", store.Options{Inspect: true}, map[int][]error{changes: {store.ErrReadOnly, store.ErrInspecting}, opens: {store.ErrInspecting}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := store.Open(t.Context(), w.dir, &test.opts)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for _, c := range calls(t, s, prepare(t, s)) {
				err, want := c.do(), test.want[c.kind]
				if !slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) && (err != nil || want != nil) {
					t.Errorf("%s: %v, want %v", c.name, err, want)
				}
			}
		})
	}
}

// A call with a context that has ended does nothing.
func TestEndedContext(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "v")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"Put":       n.Put(ctx, []byte("k"), []byte("other")),
		"Delete":    n.Delete(ctx, []byte("k")),
		"Revoke":    w.tenant("acme").Revoke(ctx),
		"AddTenant": func() error { _, err := w.AddTenant(ctx, "late", nil); return err }(),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantValue(t, n, "k", "v")
	if info, err := w.tenant("acme").Info(); err != nil || info.Revoked {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := w.Tenant("late"); !errors.Is(err, keys.ErrTenantUnknown) {
		t.Errorf("a tenant that was not to be: %v", err)
	}
}
