package keys_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/keys/root"
)

// A lease that did without the tenant's key ends when the root is seen to vouch, by whomever.
func TestLockedLeasesEndWhenTheRootVouches(t *testing.T) {
	leaving := func(time.Time) (keys.Want, error) {
		return keys.Want{Platform: true, Alone: []codec.Domain{codec.DomainTenant}}, nil
	}
	for name, c := range map[string]struct {
		says  error
		wants func(time.Time) (keys.Want, error)
	}{
		"fallback":    {root.ErrRevoked, both},
		"revoked":     {root.ErrRevoked, leaving},
		"unavailable": {root.ErrUnavailable, leaving},
	} {
		t.Run(name, func(t *testing.T) {
			var now atomic.Int64 // seconds
			now.Store(1_800_000_000)
			r := newRing(t, &keys.Options{Now: func() time.Time { return time.Unix(now.Load(), 0) }}, "acme")
			first := pin(t, r.Space("acme", "a/x", both))
			number := first.Numbers()[0] // of the tenant domain
			first.Unpin()
			r.roots["test://acme"].SetError(c.says)
			r.must(r.reopen())
			s := r.Space("acme", "a/x", c.wants)
			locked := pin(t, s)
			locked.Unpin()
			if _, err := locked.Find(number); !errors.Is(err, keys.ErrRevoked) && !errors.Is(err, keys.ErrUnavailable) {
				t.Fatalf("the tenant's key is there: %v", err)
			}
			r.roots["test://acme"].SetError(nil)
			now.Add(10) // the pause before the root is asked again
			r.must(r.Vouched(t.Context(), "acme"))
			if !locked.Unlinked() {
				t.Error("the lease without the tenant's key is in use")
			}
			next := pin(t, s)
			defer next.Unpin()
			if _, err := next.Find(number); err != nil || next.Fallback || len(next.Active) == 0 {
				t.Errorf("the next lease: %v, fallback: %v, %d active", err, next.Fallback, len(next.Active))
			}
		})
	}
}

// Each revocation has its own entry for a fallback, also one that begins while another lasts.
func TestFallbackOfEachRevocation(t *testing.T) {
	r := newRing(t, nil, "acme")
	s := r.Space("acme", "a/x", both)
	pin(t, s).Unpin()
	fallback := func(entries int) {
		t.Helper()
		l := pin(t, s)
		l.Unpin()
		for e, err := range r.Audit(0) {
			r.must(err)
			if e.Act == keys.ActFallback {
				entries--
			}
		}
		if !l.Fallback || entries != 0 {
			t.Errorf("a fallback: %v; %d entries are missing", l.Fallback, entries)
		}
	}
	r.must(r.Revoke(t.Context(), "acme"))
	fallback(1)
	r.roots["test://acme"].SetError(root.ErrRevoked)
	if err := r.RotateRoot(t.Context(), "acme", "test://acme"); !errors.Is(err, keys.ErrRevoked) {
		t.Fatalf("a move under a root that has revoked: %v", err)
	}
	fallback(2)
}
