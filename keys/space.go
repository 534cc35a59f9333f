package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sealkv/sealkv/codec"
)

// A Want says under whose keys a namespace is to be sealed.
type Want struct {
	Tenant, Platform bool
	// Policy is the revision of the policy that says so: under another one no key is made. 0 for whatever
	// is in force.
	Policy uint64
	// Alone are domains that are not wanted any more, but whose keys still open what was sealed
	// under them alone.
	Alone []codec.Domain
	// Suite is what values are sealed by; 0 means codec.SuiteXChaCha. An active data key of another
	// suite is replaced.
	Suite codec.Suite
	// RotateEvery is the age at which an active data key is replaced; 0 for never by itself.
	RotateEvery time.Duration
	// MaxSeals is after how many seals an active data key is replaced: about, under suite 1. 0 for as
	// many as its suite is good for; else at least MinMaxSeals.
	MaxSeals uint64
	// Until is when that changes by itself (the end of a transition); zero for never.
	Until time.Time
}

func (w Want) has(d codec.Domain) bool {
	return d == codec.DomainTenant && w.Tenant || d == codec.DomainPlatform && w.Platform
}

func (w Want) suite() codec.Suite { return cmp.Or(w.Suite, codec.SuiteXChaCha) }

// opens reports whether keys of a domain are of use.
func (w Want) opens(d codec.Domain) bool { return w.has(d) || slices.Contains(w.Alone, d) }

// A Space is one namespace of one tenant, as keys sees it. It is safe for concurrent use and
// holds no key while none is used.
type Space struct {
	k         *Keyring
	tenant    string
	namespace string
	want      func(now time.Time) (Want, error)
	lease     atomic.Pointer[Lease]
	newest    uint64 // epoch of the lease that was linked last; guarded by Keyring.mu
	prefixes  keptPrefixes
}

// Space returns the namespace of a tenant, under the keys that want says at a moment; it is asked
// again after each ApplyPolicy. The caller makes one for each pair and shares it.
func (k *Keyring) Space(tenant, namespace string, want func(now time.Time) (Want, error)) *Space {
	return &Space{k: k, tenant: tenant, namespace: namespace, want: want}
}

// Pin returns the namespace's lease, pinned: until Unpin, no rotation, revocation or policy
// change completes. If it is there it takes neither lock nor clock; else the keys are opened,
// and minted if they are the first.
func (s *Space) Pin(ctx context.Context) (*Lease, error) {
	for {
		if l := s.TryPin(); l != nil {
			return l, nil
		}
		if err := s.load(ctx); err != nil {
			return nil, err
		}
	}
}

// TryPin is Pin without a wait: it returns nil if the keys are not open.
func (s *Space) TryPin() *Lease {
	l := s.lease.Load()
	if l == nil || !l.pins.acquire() {
		return nil
	}
	if !l.used.Load() {
		l.used.Store(true)
	}
	return l
}

// load publishes a lease, once for all who wait.
func (s *Space) load(ctx context.Context) error {
	return s.once(ctx, "space ", func(ctx context.Context) error {
		err := s.k.settle(ctx, s.tenant, s.publish)
		if s.k.stats.loads.Add(1); err != nil {
			s.k.stats.failedLoads.Add(1)
		}
		return err
	})
}

// once runs an act once for all who wait for it. A waiter that gives up does not stop it.
func (s *Space) once(ctx context.Context, what string, act func(ctx context.Context) error) error {
	done := s.k.flight.DoChan(s.k.flightKey(what+s.namespace, s.tenant), func() (any, error) {
		background, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*s.k.opts.RootTimeout)
		defer cancel()
		return nil, act(background)
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case result := <-done:
		return result.Err
	}
}

// publish builds a lease and links it, or does so again if something was rotated or revoked
// after it was read.
func (s *Space) publish(ctx context.Context) error {
	for {
		generation := s.k.readGeneration(s.tenant)
		l, err := s.build(ctx)
		if err != nil {
			return err
		}
		if s.k.link(s, l, generation) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (s *Space) build(ctx context.Context) (*Lease, error) {
	want, err := s.want(s.k.opts.Now())
	if err != nil {
		return nil, err
	}
	platform, err := s.k.platformKey(ctx)
	if err != nil {
		return nil, err
	}
	defer platform.release()
	st, err := s.verified(ctx, nil)
	if err == nil {
		err = st.shredded(s.namespace)
	}
	if err != nil {
		return nil, err
	}
	own, locked, err := s.tenantKey(ctx, want, st)
	if err != nil {
		return nil, err
	}
	if own != nil {
		defer own.release()
	}
	if st, err = s.verified(ctx, own); err != nil {
		return nil, err
	}
	fallback := want.Tenant && own == nil
	missing, surplus := s.missing(st, want), s.surplus(st, want, own)
	if overdue := s.overdue(st, want); !s.k.file.readOnly {
		missing, surplus = append(missing, overdue...), append(surplus, overdue...)
	} else if st.has(s.namespace) {
		missing = nil // nothing is sealed; what a policy has left under other keys is read
	}
	if len(missing)+len(surplus) > 0 && !fallback {
		if err := s.k.adjust(ctx, s.tenant, &want, missing, surplus, platform, own); err != nil {
			return nil, err
		}
		if st, err = s.verified(ctx, own); err != nil {
			return nil, err
		}
		if len(surplus) > 0 {
			s.k.opts.Logger.Info("data keys were replaced by policy", "tenant", s.tenant, "namespace", s.namespace, "keys", len(surplus))
		}
	}
	if err := s.k.advance(ctx, st.revision); err != nil {
		return nil, err
	}
	if fallback {
		if err := s.noteFallback(ctx, st, platform); err != nil {
			return nil, err
		}
	}
	if locked != nil { // to ask the root again
		pause := s.k.opts.KeyTTL
		if !errors.Is(locked, ErrRevoked) {
			pause = min(pause, maxBackoff)
		}
		want.Until = earlier(want.Until, s.k.opts.Now().Add(pause))
	}
	if want.RotateEvery > 0 && !fallback && !s.k.file.readOnly { // else nobody replaces what is overdue
		for _, row := range s.wanted(st, want) {
			want.Until = earlier(want.Until, row.overdueAt(want))
		}
	}
	l, err := buildLease(st, s.namespace, want, platform, own, locked, &s.prefixes)
	if err == nil {
		l.pins.after = s.k.opts.LeaseEnded
	}
	return l, err
}

// tenantKey returns the tenant's key, acquired, where it is of use. Where it is not there although
// it is of use, locked says why, and the lease does without: during a transition a revoked
// tenant's values fall back on the platform's key, and what has left the tenant's keys by a new
// policy does not wait for what has not.
func (s *Space) tenantKey(ctx context.Context, want Want, st *state) (own *parent, locked, err error) {
	if !want.Tenant && !st.hasTenants(s.namespace) {
		return nil, nil, nil
	}
	own, err = s.k.unlocked(ctx, s.tenant)
	switch {
	case err == nil:
		return own, nil, nil
	case !want.Tenant && ctx.Err() == nil:
		return nil, err, nil
	case errors.Is(err, ErrRevoked) && want.Platform && !s.k.file.readOnly:
		return nil, err, nil
	}
	return nil, nil, err
}

// hasTenants reports whether a namespace has data keys of the tenant domain that are not retired.
func (s *state) hasTenants(namespace string) bool {
	return slices.ContainsFunc(s.dataKeys, func(row dataKeyRow) bool {
		return row.Domain == codec.DomainTenant && row.Namespace == namespace && row.rec.State != codec.StateRetired
	})
}

func (s *Space) verified(ctx context.Context, own *parent) (*state, error) {
	st, err := s.k.verifiedState(ctx, s.tenant)
	if err == nil && own != nil {
		err = st.verifyCurrent(own)
	}
	return st, err
}

// missing are the domains that have no active key yet.
func (s *Space) missing(st *state, want Want) (rows []codec.KeyRow) {
	for _, domain := range []codec.Domain{codec.DomainTenant, codec.DomainPlatform} {
		if want.has(domain) && st.active(domain, s.namespace) == nil {
			rows = append(rows, codec.KeyRow{Tenant: s.tenant, Domain: domain, Namespace: s.namespace})
		}
	}
	return rows
}

// has reports whether a namespace has any data key.
func (s *state) has(namespace string) bool {
	return slices.ContainsFunc(s.dataKeys, func(row dataKeyRow) bool { return row.Namespace == namespace })
}

// wanted are the active keys of the domains that are wanted.
func (s *Space) wanted(st *state, want Want) (rows []*dataKeyRow) {
	for _, domain := range []codec.Domain{codec.DomainTenant, codec.DomainPlatform} {
		if row := st.active(domain, s.namespace); row != nil && want.has(domain) {
			rows = append(rows, row)
		}
	}
	return rows
}

// overdue are the active keys that the policy wants replaced by now: for their age, for their seals, or
// as they are of another suite. What they have sealed moves when it is read, and the rest by a sweep.
func (s *Space) overdue(st *state, want Want) (rows []codec.KeyRow) {
	for _, row := range s.wanted(st, want) {
		old := want.RotateEvery > 0 && !s.k.opts.Now().Before(row.overdueAt(want))
		if old || row.rec.Suite != want.suite() || row.runsLeft(want) == 0 {
			rows = append(rows, row.KeyRow)
		}
	}
	return rows
}

func (row *dataKeyRow) overdueAt(want Want) time.Time {
	return time.Unix(int64(row.rec.Created), 0).Add(want.RotateEvery)
}

// surplus are the active keys of domains that the policy does not want any more. A keyring that is
// only read keeps them.
func (s *Space) surplus(st *state, want Want, own *parent) (rows []codec.KeyRow) {
	for _, domain := range []codec.Domain{codec.DomainTenant, codec.DomainPlatform} {
		if want.has(domain) || s.k.file.readOnly || domain == codec.DomainTenant && own == nil {
			continue
		}
		if row := st.active(domain, s.namespace); row != nil {
			rows = append(rows, row.KeyRow)
		}
	}
	return rows
}

// noteFallback records, once for each revocation and before the first value is handed out, that
// a revoked tenant's values are read under the platform's key. Others may have done so, or restored
// the tenant, since st was read.
func (s *Space) noteFallback(ctx context.Context, st *state, platform *parent) error {
	if !st.control.Revoked && !st.control.RootRevoked {
		return fmt.Errorf("tenant %s: %w", s.tenant, ErrRevoked) // not yet recorded as revoked: no fallback
	}
	if slices.Contains(st.control.Fallback, s.namespace) {
		return nil
	}
	after, err := s.k.file.update(ctx, func(c *change) error {
		e, err := c.edit(s.tenant, platform, nil)
		if err != nil || slices.Contains(e.control.Fallback, s.namespace) {
			return err
		}
		if !e.control.Revoked && !e.control.RootRevoked {
			return errChanged
		}
		e.control.Fallback = append(e.control.Fallback, s.namespace)
		if err := c.audit(platform, codec.AuditEntry{Act: ActFallback, Tenant: s.tenant, Namespace: s.namespace}); err != nil {
			return err
		}
		return e.save()
	})
	if err != nil {
		return err
	}
	s.k.opts.Logger.Warn("values of a revoked tenant are read under the platform's key", "tenant", s.tenant, "namespace", s.namespace)
	return s.k.advance(ctx, after.Revision)
}

// earlier is the earlier of two times, of which a may be zero for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
