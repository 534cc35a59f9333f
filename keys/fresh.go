package keys

import (
	"context"
	"errors"
	"time"
)

// maxTick bounds how coarsely deadlines are held: a key may outlive its deadline by no tick,
// because deadlines are drawn a tick too early.
const maxTick = time.Second

// maxRefreshes is how many roots are asked at a time whether they still vouch. Thousands of tenants
// whose keys were opened in one second are due in one second again, and have a quarter of KeyTTL.
const maxRefreshes = 64

func (k *Keyring) tick() time.Duration {
	return max(min(k.opts.KeyTTL/16, maxTick), time.Millisecond)
}

// keepFresh ends sessions whose root did not vouch in time, asks the roots of those in use
// before that, and unlinks leases that the policy's dates have overtaken.
func (k *Keyring) keepFresh(ctx context.Context) {
	ticker := time.NewTicker(k.tick())
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			k.checkSessions(ctx)
		}
	}
}

func (k *Keyring) checkSessions(ctx context.Context) {
	for tenant, failure := range k.endSessions(ctx) { // nothing is logged while the lock is held
		k.opts.Logger.Info("keys ended at KeyTTL", "holder", holder(tenant), "error", failure)
	}
}

// endSessions returns, by tenant, why roots had not vouched in time where they were asked.
func (k *Keyring) endSessions(ctx context.Context) (failures map[string]error) {
	now := k.opts.Now()
	failures = map[string]error{}
	k.mu.Lock()
	defer k.mu.Unlock()
	for tenant, s := range k.sessions {
		switch age := sessionAge(now, s.vouched); {
		case s.parent == nil:
			if len(s.leases) == 0 && now.After(s.retry) {
				delete(k.sessions, tenant)
			}
		case age >= k.opts.KeyTTL-k.tick():
			k.purgeLocked(tenant, s)
			if s.failure != nil {
				failures[tenant] = s.failure
			}
		case age >= k.opts.KeyTTL*3/4 && !s.refreshing && !now.Before(s.retry) && (tenant == "" || s.used()):
			s.refreshing = true
			k.stopped.Go(func() { k.refresh(ctx, tenant, s) })
		}
	}
	for space, lease := range k.dated {
		if lease.expired(now) {
			k.unlinkLocked(space, lease)
		}
	}
	k.drainingLocked(nothing) // forgets those that nobody pins any more
	return failures
}

// sessionAge is held against both clocks: the monotonic one, which nobody can set, and the wall
// clock, which goes on while the machine is suspended.
func sessionAge(now, vouched time.Time) time.Duration {
	return max(now.Sub(vouched), now.Round(0).Sub(vouched.Round(0)))
}

func (s *session) used() bool {
	for _, lease := range s.leases {
		if lease.used.Load() {
			return true
		}
	}
	return false
}

// refresh asks the roots again. Revoked ends the session at once; anything else but success lets
// it run to its end, asking again after a pause.
func (k *Keyring) refresh(ctx context.Context, tenant string, s *session) {
	if tenant != "" { // all others need the platform's
		select {
		case k.refreshes <- struct{}{}:
			defer func() { <-k.refreshes }()
		case <-ctx.Done():
			return
		}
	}
	asked := k.opts.Now()
	err := k.vouch(ctx, tenant)
	switch used := k.refreshed(tenant, s, asked, err); {
	case err == nil || !used:
	case errors.Is(err, ErrRevoked):
		k.opts.Logger.Warn("keys ended, for the root has revoked them", "holder", holder(tenant))
	default:
		k.opts.Logger.Warn("root did not vouch", "holder", holder(tenant), "error", err)
	}
}

// refreshed takes what came of asking the roots, and reports whether that is of use still.
func (k *Keyring) refreshed(tenant string, s *session, asked time.Time, err error) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	s.refreshing = false
	if k.sessions[tenant] != s || s.parent == nil {
		return false
	}
	switch {
	case err == nil:
		s.vouched = asked
		s.failure, s.failures, s.retry = nil, 0, time.Time{}
		k.dropIdleLocked(tenant, s)
	case errors.Is(err, ErrRevoked):
		k.purgeLocked(tenant, s)
		s.fail(err, k.opts.Now())
	default:
		now := k.opts.Now()
		s.fail(err, now)
		s.retry = earlier(s.retry, now.Add(k.opts.KeyTTL/16)) // or a short KeyTTL would end meanwhile
	}
	return true
}

// vouch asks every active root of a tenant whether its key may still be used.
func (k *Keyring) vouch(ctx context.Context, tenant string) error {
	ctx, cancel := context.WithTimeout(ctx, k.opts.RootTimeout)
	defer cancel()
	p, err := k.openParent(ctx, tenant)
	if err != nil {
		return err
	}
	p.shut()
	return nil
}

// dropIdleLocked unlinks what nobody used since the last refresh, so that memory follows use. Of a
// lease with keys of both domains the tenant's refresh is the judge.
func (k *Keyring) dropIdleLocked(tenant string, s *session) {
	for space, lease := range s.leases {
		if tenant == "" && lease.hasTenants() {
			continue
		}
		if !lease.used.Swap(false) {
			k.unlinkLocked(space, lease)
		}
	}
}

func (k *Keyring) readGeneration(tenant string) [2]uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return [2]uint64{*k.generation(tenant), *k.generation("")}
}

// link publishes a lease unless something has been unlinked since generation was read, or a lease
// of a later state was linked: two builders may be at it when a rotation is durable and has not
// unlinked anything yet. So while a lease is linked, every record was sealed under keys that it has.
func (k *Keyring) link(s *Space, l *Lease, generation [2]uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	holders := []string{""}
	if l.hasTenants() {
		holders = append(holders, s.tenant)
	}
	stale := generation != [2]uint64{*k.generation(s.tenant), *k.generation("")}
	if own := k.sessions[s.tenant]; l.locked != nil && own != nil && own.parent != nil {
		stale = true // the tenant's key has come meanwhile
	}
	for _, holder := range holders {
		stale = stale || k.sessions[holder] == nil || k.sessions[holder].parent == nil
	}
	if stale || l.Epoch < s.newest {
		l.pins.shut()
		return false
	}
	s.newest = l.Epoch
	if old := s.lease.Load(); old != nil {
		k.unlinkLocked(s, old)
	}
	for _, holder := range holders {
		k.sessions[holder].leases[s] = l
	}
	if k.published[s.tenant] == nil {
		k.published[s.tenant] = map[*Space]*Lease{}
	}
	k.published[s.tenant][s] = l
	if !l.until.IsZero() {
		k.dated[s] = l
	}
	s.lease.Store(l)
	return true
}

// unlinkLocked takes a lease out of use. Its keys are wiped when the last pin is gone.
func (k *Keyring) unlinkLocked(s *Space, l *Lease) {
	s.lease.CompareAndSwap(l, nil)
	for _, holder := range []string{"", s.tenant} {
		if session := k.sessions[holder]; session != nil && session.leases[s] == l {
			delete(session.leases, s)
		}
	}
	if k.dated[s] == l {
		delete(k.dated, s)
	}
	if own := k.published[s.tenant]; own[s] == l {
		delete(own, s)
		if len(own) == 0 {
			delete(k.published, s.tenant)
		}
	}
	l.pins.shut()
	k.draining[l] = s
}

// unlinkMatchingLocked takes those of a tenant's leases out of use that match.
func (k *Keyring) unlinkMatchingLocked(tenant string, match func(*Space, *Lease) bool) {
	for space, lease := range k.published[tenant] {
		if match(space, lease) {
			k.unlinkLocked(space, lease)
		}
	}
}

// drainingLocked returns the unlinked leases that match and are still pinned, however long ago
// they were unlinked, and forgets those that nobody pins any more.
func (k *Keyring) drainingLocked(match func(*Space, *Lease) bool) (pinned []*Lease) {
	for lease, space := range k.draining {
		switch {
		case lease.pins.isDrained():
			delete(k.draining, lease)
		case match(space, lease):
			pinned = append(pinned, lease)
		}
	}
	return pinned
}

// pinned returns the unlinked leases that match and are still pinned.
func (k *Keyring) pinned(match func(*Space, *Lease) bool) []*Lease {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.drainingLocked(match)
}

// purgeLocked locks a session: its key and every lease that holds keys opened with it.
func (k *Keyring) purgeLocked(tenant string, s *session) {
	*k.generation(tenant)++
	for space, lease := range s.leases {
		k.unlinkLocked(space, lease)
	}
	if s.parent != nil {
		s.parent.shut()
		s.parent = nil
	}
}

// purgeAll locks every session, for good, and returns the leases that are still pinned.
func (k *Keyring) purgeAll() []*Lease {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	for tenant, s := range k.sessions {
		k.purgeLocked(tenant, s)
	}
	return k.drainingLocked(func(*Space, *Lease) bool { return true })
}

// unlinkAll makes everything that was read before it be read again, and takes every lease out of
// use. The opened tenant keys stay. It returns the leases that are still pinned.
func (k *Keyring) unlinkAll() []*Lease {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.generations {
		k.generations[i]++
	}
	for _, s := range k.sessions {
		for space, lease := range s.leases {
			k.unlinkLocked(space, lease)
		}
	}
	return k.drainingLocked(func(*Space, *Lease) bool { return true })
}

// invalidate makes everything that was read of a tenant before it be read again, and unlinks the
// leases that match. With lock, the tenant's key is locked too, and with it the leases that hold
// keys of the tenant's. It returns those that are still pinned, also where they were unlinked
// before: by another rotation, or at the end of KeyTTL.
func (k *Keyring) invalidate(tenant string, lock bool, match func(*Space, *Lease) bool) []*Lease {
	k.mu.Lock()
	defer k.mu.Unlock()
	*k.generation(tenant)++
	if s := k.sessions[tenant]; s != nil && lock {
		s.failure, s.failures = nil, 0
		k.purgeLocked(tenant, s)
	}
	k.unlinkMatchingLocked(tenant, match)
	return k.drainingLocked(func(space *Space, lease *Lease) bool {
		return space.tenant == tenant && (match(space, lease) || lock && lease.hasTenants())
	})
}

// await returns when nobody pins any of the leases: every operation that began with them has
// ended.
func (k *Keyring) await(ctx context.Context, leases []*Lease) error {
	for _, l := range leases {
		select {
		case <-l.pins.drained:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
