package store_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/store"
)

const maxAge = 30 * 24 * time.Hour // of jira/cached-content, by the rule for all/cached-content

// aging is a world whose clock the test moves.
func aging(t *testing.T, opts store.Options) (w *world, n func() *store.Namespace, move func(time.Duration)) {
	t.Helper()
	var ahead atomic.Int64
	began := time.Now().Truncate(time.Second)
	opts.Now = func() time.Time { return began.Add(time.Duration(ahead.Load())) }
	w = newWorld(t, opts, "acme")
	return w, func() *store.Namespace { return w.ns("acme", "jira/cached-content") }, func(d time.Duration) { ahead.Add(int64(d)) }
}

// A value is readable until one second before its max-age, and gone at exactly that age, for
// every way of reading it. Reading does not make it younger.
func TestExpiry(t *testing.T) {
	w, ns, move := aging(t, store.Options{Inline: 1 << 10})
	n := ns()
	if n.MaxAge() != maxAge {
		t.Fatalf("the policy keeps %s for %v", n.Name(), n.MaxAge())
	}
	for _, key := range []string{"k", "large"} {
		mustPut(t, n, key, string(make([]byte, 1000*len(key))))
	}
	move(maxAge - time.Second)
	wantValue(t, n, "k", string(make([]byte, 1000)))
	wantValue(t, n, "large", string(make([]byte, 5000)))
	move(time.Second)
	for _, key := range []string{"k", "large"} {
		wantError(t, n, key, store.ErrNotFound)
		if found, err := n.Has(t.Context(), []byte(key)); found || err != nil {
			t.Errorf("Has(%q) = %v, %v", key, found, err)
		}
		if err := n.CompareAndSwap(t.Context(), []byte(key), nil, nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("CompareAndSwap(%q): %v", key, err)
		}
	}
	for e, err := range n.Scan(t.Context(), &store.ScanOptions{KeysOnly: true}) {
		t.Errorf("a scan meets %q, %v", e.Key, err)
	}
	if err := n.PutIfAbsent(t.Context(), []byte("k"), []byte("new")); err != nil {
		t.Errorf("an expired value is in the way: %v", err)
	}
	wantValue(t, n, "k", "new")
	if err := w.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Collect(t.Context()); err != nil { // chunks of what the first deleted
		t.Fatal(err)
	}
	wantValue(t, n, "k", "new")
	if got := w.Stats(); got.Expired != 1 || got.Chunks != 1 {
		t.Errorf("collected %d values and %d chunks, want 1 and 1", got.Expired, got.Chunks)
	}
}

// The clock starts at the first write of a value: writing it again starts it, rewrapping and
// reopening do not, and one that comes from elsewhere brings its own.
func TestExpiryCountsFromTheFirstWrite(t *testing.T) {
	w, ns, move := aging(t, store.Options{Rewrap: store.RewrapInline})
	n := ns()
	mustPut(t, n, "rewrapped", "v")
	mustPut(t, n, "replaced", "v")
	mustPut(t, n, "swapped", "v")
	move(maxAge - time.Hour)
	rotateAcme(t, w)
	wantValue(t, n, "rewrapped", "v")
	if w.Stats().Rewrapped != 1 {
		t.Fatal("the read did not rewrap")
	}
	mustPut(t, n, "replaced", "w")
	if err := n.CompareAndSwap(t.Context(), []byte("swapped"), []byte("v"), []byte("w")); err != nil {
		t.Fatal(err)
	}
	old := w.opts.Now().Add(-maxAge + 2*time.Hour)
	if err := n.PutWritten(t.Context(), []byte("imported"), []byte("v"), old); err != nil {
		t.Fatal(err)
	}
	w.reopen()
	n = ns()
	wantValue(t, n, "rewrapped", "v")
	move(time.Hour)
	wantError(t, n, "rewrapped", store.ErrNotFound)
	wantValue(t, n, "imported", "v")
	move(time.Hour)
	wantError(t, n, "imported", store.ErrNotFound)
	wantValue(t, n, "replaced", "w")
	wantValue(t, n, "swapped", "w")
	if err := w.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantValue(t, n, "replaced", "w")
	wantValue(t, n, "swapped", "w")
	if got := w.Stats().Expired; got != 2 {
		t.Errorf("collected %d values, want 2", got)
	}
}

// What has expired is no bad record, although its key may be gone before it is collected.
func TestVerifyPassesOverExpired(t *testing.T) {
	w, ns, move := aging(t, store.Options{})
	mustPut(t, ns(), "k", "v")
	move(maxAge)
	rotateAcme(t, w)
	sweep(t, w, nil)
	retired, err := w.tenant("acme").RetireDataKeys(t.Context())
	if err != nil || len(retired) != 1 {
		t.Fatalf("retired %v, %v", retired, err)
	}
	for _, keyless := range []bool{false, true} {
		v, err := w.Verify(t.Context(), &store.VerifyOptions{HeadsOnly: keyless})
		if err != nil || v.Bad() != 0 {
			t.Errorf("%+v, %v", v, err)
		}
	}
}
