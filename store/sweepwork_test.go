package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// endings sweeps all tenants and returns how each namespace ended, by tenant and name.
func endings(t *testing.T, w *world, opts store.SweepOptions) (map[string]store.Census, map[string]error, error) {
	t.Helper()
	done, failed := map[string]store.Census{}, map[string]error{}
	opts.Ended = func(c store.Census, err error) {
		if at := c.Tenant + " " + c.Namespace; err != nil {
			failed[at] = err
		} else {
			done[at] = c
		}
	}
	err := w.Sweep(t.Context(), &opts)
	return done, failed, err
}

// A revocation in the middle of a sweep of all tenants pauses what is under that tenant's keys,
// wherever it comes from; the others, and what is under the platform's, come to their end. Once the
// keys are back the rest goes on from its cursor.
func TestRevocationPausesASweep(t *testing.T) {
	revocations := map[string]struct{ begin, end func(w *world) error }{
		"by an operator": {
			func(w *world) error { return w.tenant("acme").Revoke(context.Background()) },
			func(w *world) error { return w.tenant("acme").Restore(context.Background()) },
		},
		"by the root": {
			func(w *world) error {
				w.roots["test://acme"].SetError(root.ErrRevoked)
				_, err := w.tenant("acme").RotateTenantKey(context.Background()) // asks the root
				if !errors.Is(err, store.ErrKeyRevoked) {
					return fmt.Errorf("the root revokes, and a rotation says %w", err)
				}
				return w.tenant("acme").Revoke(context.Background())
			},
			func(w *world) error {
				w.roots["test://acme"].SetError(nil)
				return w.tenant("acme").Restore(context.Background())
			},
		},
	}
	for name, revocation := range revocations {
		for _, workers := range []int{1, 4} {
			t.Run(fmt.Sprint(name, ", workers ", workers), func(t *testing.T) {
				w := newWorld(t, store.Options{NoSync: true, Rewrap: store.RewrapOff}, "acme", "globex")
				for _, tenant := range []string{"acme", "globex"} {
					for _, name := range []string{"jira/comments", "jira/analytics"} { // the latter under the platform's keys
						for i := range 600 {
							mustPut(t, w.ns(tenant, name), fmt.Sprintf("k%04d", i), "v")
						}
					}
					if _, err := w.tenant(tenant).RotateDataKeys(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				var at store.Census
				done, failed, err := endings(t, w, store.SweepOptions{Workers: workers, Progress: func(p store.SweepProgress) {
					if p.Tenant == "acme" && p.Namespace == "jira/comments" && at.Records == 0 {
						at = p.Census
						if err := revocation.begin(w); err != nil {
							t.Error(err)
						}
					}
				}})
				if !errors.Is(err, store.ErrKeyRevoked) || len(failed) != 1 || !errors.Is(failed["acme jira/comments"], store.ErrKeyRevoked) {
					t.Fatalf("%v; failed are %v", err, failed)
				}
				if len(done) != 3 || done["acme jira/analytics"].Rewrapped != 600 || done["globex jira/comments"].Rewrapped != 600 {
					t.Fatalf("done are %+v", done)
				}
				if got := misses(t, w); len(got) > 0 {
					t.Fatalf("%d misses: what a revocation keeps from opening is none", len(got))
				}
				if err := w.tenant("acme").RetireDataKey(t.Context(), "jira/comments", at.Active[0], false); err == nil {
					t.Fatal("an active key is retired")
				}
				if err := revocation.end(w); err != nil {
					t.Fatal(err)
				}
				done, failed, err = endings(t, w, store.SweepOptions{Workers: workers})
				if c := done["acme jira/comments"]; err != nil || len(failed) > 0 || c.Began != at.Began || c.Records != 600 || c.Missed != 0 {
					t.Fatalf("%v, %v; census %+v, it was at %+v", err, failed, c, at)
				}
			})
		}
	}
}

// In a transition what is under both keys pauses too while the tenant is revoked, although the
// platform's key reads it.
func TestRevocationPausesASweepOfBoth(t *testing.T) {
	p, err := scope.Parse("test.yaml", []byte(transition))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, store.Options{Policy: p, NoSync: true, Rewrap: store.RewrapOff}, "acme")
	n := w.ns("acme", "jira/attachments")
	mustPut(t, n, "k", "v")
	rotateAcme(t, w)
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantValue(t, n, "k", "v")
	done, failed, err := endings(t, w, store.SweepOptions{})
	if !errors.Is(err, store.ErrKeyRevoked) || len(done) > 0 || len(failed) != 1 {
		t.Fatalf("%v; done are %v, failed %v", err, done, failed)
	}
	if err := w.tenant("acme").Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := sweep(t, w, nil)[0]; c.Records != 1 || c.Rewrapped != 1 {
		t.Fatalf("census %+v", c)
	}
}

// A sweep knows how much there is to do: by a count the first time, by the census afterwards, and
// of one that was cut short what is left.
func TestSweepProgress(t *testing.T) {
	w := newWorld(t, store.Options{NoSync: true, Rewrap: store.RewrapOff}, "acme", "globex")
	for _, tenant := range []string{"acme", "globex"} {
		for i := range 600 {
			mustPut(t, w.ns(tenant, "jira/comments"), fmt.Sprintf("k%04d", i), "value")
		}
	}
	for range 2 { // by a count, by the census
		var last store.SweepProgress
		pages := 0
		done, _, err := endings(t, w, store.SweepOptions{Again: true, Progress: func(p store.SweepProgress) {
			if pages++; p.Visited <= last.Visited || p.Expected != 1200 || p.Bytes <= last.Bytes || p.PerSecond <= 0 || (p.Left > 0) != (p.Visited < 1200) {
				t.Errorf("%+v after %+v", p, last)
			}
			last = p
		}})
		if err != nil || len(done) != 2 || pages != 6 || last.Visited != 1200 || last.Bytes < 2*600*5 {
			t.Fatalf("%v; %d pages, %+v", err, pages, last)
		}
	}
	rotateAcme(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := w.Sweep(ctx, &store.SweepOptions{Workers: 1, Progress: func(store.SweepProgress) { cancel() }})
	var left uint64
	_, _, err := endings(t, w, store.SweepOptions{Progress: func(p store.SweepProgress) { left = p.Expected }})
	if !errors.Is(stopped, context.Canceled) || err != nil || left != 600-256 { // globex has nothing to do
		t.Fatalf("%v, %v; after a page of 256 it expects %d more of 600", stopped, err, left)
	}
}

// Limits are kept: of a second's worth a twentieth is let through at once, and the rest takes time.
func TestSweepIsNoFasterThanItsLimits(t *testing.T) {
	w := newWorld(t, store.Options{NoSync: true, Rewrap: store.RewrapOff}, "acme")
	for i := range 100 {
		mustPut(t, w.ns("acme", "jira/comments"), fmt.Sprint(i), string(make([]byte, 1000)))
	}
	for name, opts := range map[string]store.SweepOptions{
		"records": {RecordsPerSecond: 500, Again: true}, "bytes": {BytesPerSecond: 500_000, Again: true},
		"bytes, several workers": {BytesPerSecond: 500_000, Workers: 8, Again: true},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			sweep(t, w, &opts)
			if took := time.Since(began); took < 140*time.Millisecond {
				t.Fatalf("a fifth of a second's worth took %v", took)
			}
		})
	}
}

// A sweep that would not keep to its limits until the deadline ends, and does not pause.
func TestSweepBeyondItsDeadline(t *testing.T) {
	var said lockedBuffer
	w := newWorld(t, store.Options{NoSync: true, Logger: slog.New(slog.NewTextHandler(&said, nil))}, "acme", "globex")
	for _, tenant := range []string{"acme", "globex"} {
		for i := range 10 {
			mustPut(t, w.ns(tenant, "jira/comments"), fmt.Sprint(i), "v")
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer stop()
	err := w.Sweep(ctx, &store.SweepOptions{RecordsPerSecond: 1})
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(said.String(), "paused") {
		t.Errorf("%v; the log says %s", err, said.String())
	}
}

// A namespace of which a census says that nothing is left to do keeps it; not if keys were rotated
// since, a record was missed, the policy is another, or it is asked to sweep again.
func TestSweepKeepsACensus(t *testing.T) {
	e := mem.New()
	w := policyWorld(t, "tenant", store.Options{Engine: e, NoSync: true, Rewrap: store.RewrapOff})
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "a", "v")
	mustPut(t, n, "b", "v")
	want := func(kept bool, opts *store.SweepOptions, why string) {
		t.Helper()
		if c := sweep(t, w, opts); len(c) != 1 || !c[0].Done || c[0].Records != 2 || c[0].Kept != kept {
			t.Fatalf("%s: %+v", why, c)
		}
	}
	want(false, nil, "the first sweep")
	want(true, nil, "the second")
	want(false, &store.SweepOptions{Again: true}, "asked to")
	rotateAcme(t, w)
	want(false, nil, "after a rotation")
	genuine := damage(t, e, "b")
	want(false, &store.SweepOptions{Again: true}, "with a miss")
	want(false, nil, "after a miss")
	set(t, e, "b", genuine)
	want(false, nil, "after a miss that was put right")
	want(true, nil, "after that")
	apply(t, w, 2, "tenant", false)
	want(false, nil, "after another policy")
	want(true, nil, "at last")
}
