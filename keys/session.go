package keys

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/root"
)

// Bounds of the pause after a root refused or could not be asked, so that waiters do not storm
// it. It doubles with each failure and is jittered by half.
const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// A session is one unlocked tenant key, or the platform key, and what was opened with it. It
// ends KeyTTL after the root last vouched for it, or at once when the root revokes. Guarded by
// Keyring.mu.
type session struct {
	parent     *parent // nil while locked
	vouched    time.Time
	refreshing bool
	leases     map[*Space]*Lease // published: the platform's has all, a tenant's those with keys of its own

	failure  error // why it is locked, until retry
	failures int
	retry    time.Time
}

func (k *Keyring) session(tenant string) *session {
	s := k.sessions[tenant]
	if s == nil {
		s = &session{leases: map[*Space]*Lease{}}
		k.sessions[tenant] = s
	}
	return s
}

// platformKey returns the platform key, acquired.
func (k *Keyring) platformKey(ctx context.Context) (*parent, error) { return k.unlocked(ctx, "") }

// unlocked returns the tenant's key, acquired; the caller releases it. One question goes to the
// root whatever the number of waiters; it goes on for the others when one of them gives up.
func (k *Keyring) unlocked(ctx context.Context, tenant string) (*parent, error) {
	for {
		if p, err := k.sessionKey(tenant); p != nil || err != nil {
			return p, err
		}
		done := k.flight.DoChan(k.flightKey("unlock", tenant), func() (any, error) {
			background, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.opts.RootTimeout)
			defer cancel()
			return nil, k.unlock(background, tenant)
		})
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case result := <-done:
			if result.Err != nil {
				return nil, result.Err
			}
		}
	}
}

// Vouched returns nil if a root of the tenant's has vouched for its key within KeyTTL, or does so now;
// else why not.
func (k *Keyring) Vouched(ctx context.Context, tenant string) error {
	p, err := k.unlocked(ctx, tenant)
	if err == nil {
		p.release()
	}
	return err
}

// sessionKey returns the key if it is open, the last failure if it is too early to ask again,
// or neither.
func (k *Keyring) sessionKey(tenant string) (*parent, error) {
	if k.roots == nil {
		return nil, ErrLocked
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sessions[tenant]
	switch {
	case k.closed:
		return nil, ErrClosed
	case s == nil:
		return nil, nil
	case s.parent != nil && s.parent.acquire():
		return s.parent, nil
	case s.failure != nil && k.opts.Now().Before(s.retry):
		return nil, s.failure
	}
	return nil, nil
}

// unlock asks the roots for the tenant's key and publishes it, unless something was revoked or
// rotated meanwhile: then it leaves the session locked and the caller asks again.
func (k *Keyring) unlock(ctx context.Context, tenant string) error {
	if p, err := k.sessionKey(tenant); err != nil {
		return err
	} else if p != nil {
		p.release()
		return nil // a question that ended just before this one began
	}
	k.mu.Lock()
	generation := *k.generation(tenant)
	k.mu.Unlock()
	asked := k.opts.Now()
	p, err := k.openParent(ctx, tenant)
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.session(tenant)
	if generation != *k.generation(tenant) || err == nil && (s.parent != nil || k.closed) {
		if err == nil {
			p.shut()
		}
		return ctx.Err()
	}
	if err != nil {
		s.fail(err, k.opts.Now())
		return err
	}
	s.parent, s.vouched = p, asked
	s.failure, s.failures = nil, 0
	k.unlinkMatchingLocked(tenant, tenantsOwn) // they can have its keys now
	return nil
}

// flightKey is under what those meet who wait for the same. Whoever comes after a rotation, a
// revocation or its end does not join one that began before.
func (k *Keyring) flightKey(what, tenant string) string {
	return fmt.Sprint(what, "\x00", tenant, "\x00", k.readGeneration(tenant))
}

// settle runs an act, and again while it returns errChanged, each time with the tenant's key as
// it is then.
func (k *Keyring) settle(ctx context.Context, tenant string, act func(ctx context.Context) error) error {
	for {
		err := act(ctx)
		if !errors.Is(err, errChanged) || ctx.Err() != nil {
			return err
		}
		k.invalidate(tenant, true, nothing)
	}
}

func nothing(*Space, *Lease) bool { return false }

func (s *session) fail(err error, now time.Time) {
	pause := min(maxBackoff, minBackoff<<min(s.failures, 10))
	if errors.Is(err, root.ErrThrottled) {
		pause = min(maxBackoff, 4*pause)
	}
	s.failure, s.retry = err, now.Add(pause/2+rand.N(pause/2+1))
	s.failures++
}

// openParent reads the tenant's state, asks its roots, and verifies the state under the key.
func (k *Keyring) openParent(ctx context.Context, tenant string) (*parent, error) {
	s, err := k.verifiedState(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if err := s.shreddedOwn(); err != nil {
		return nil, err
	}
	if s.control.Revoked {
		return nil, fmt.Errorf("tenant %s: %w", tenant, ErrRevoked)
	}
	return k.openVerified(ctx, s)
}

// openVerified has the roots of a tenant whose state the platform vouches for open its key.
func (k *Keyring) openVerified(ctx context.Context, s *state) (*parent, error) {
	tenant := s.tenant
	row, err := s.activeTenantKey()
	if err != nil {
		return nil, err
	}
	key, err := k.askRoots(ctx, row)
	if err != nil {
		if errors.Is(err, ErrRevoked) && tenant != "" && !s.control.RootRevoked {
			if failed := k.noteRoot(ctx, tenant, true); failed != nil {
				k.opts.Logger.Warn("word of a tenant's root was not recorded", "tenant", tenant, "error", failed)
			}
		}
		return nil, err
	}
	p := newParent(k.identity.Store, row.KeyRow, key)
	if tenant == "" {
		err = errors.Join(k.verifyPolicy(p), k.verifyBackups(p))
	} else {
		err = s.verifyOwn(p)
	}
	if err == nil && s.control.RootRevoked {
		err = k.noteRoot(ctx, tenant, false)
	}
	if err != nil {
		p.shut()
		return nil, err
	}
	return p, nil
}

// openToMove returns the tenant's key, acquired, for bringing it under another root: also that of a tenant
// which an operator has revoked, since nothing of the tenant's is opened with it. It is not kept.
func (k *Keyring) openToMove(ctx context.Context, tenant string) (*parent, error) {
	p, err := k.unlocked(ctx, tenant)
	if !errors.Is(err, ErrRevoked) {
		return p, err
	}
	s, failed := k.verifiedState(ctx, tenant)
	if failed != nil || !s.control.Revoked {
		return nil, errors.Join(failed, err)
	}
	if p, err = k.openVerified(ctx, s); err != nil {
		return nil, err
	}
	p.acquire()
	p.shut() // so that it is wiped when the caller releases it
	return p, nil
}

// verifiedState reads a tenant's state and checks what the platform vouches for. Nothing vouches
// for the platform's own rows but its root, and the policy's MAC.
func (k *Keyring) verifiedState(ctx context.Context, tenant string) (s *state, err error) {
	err = k.file.view(func(tx *bolt.Tx) error {
		s, err = readState(tx, tenant)
		return err
	})
	if err != nil || tenant == "" {
		return s, err
	}
	platform, err := k.platformKey(ctx)
	if err != nil {
		return nil, err
	}
	defer platform.release()
	return s, s.verifyControl(platform)
}

// platformVersion returns a version of the platform key, acquired; older ones are opened only
// for what they signed.
func (k *Keyring) platformVersion(ctx context.Context, platform *parent, version uint32) (*parent, error) {
	if version == platform.row.Number && platform.acquire() {
		return platform, nil
	}
	var s *state
	err := k.file.view(func(tx *bolt.Tx) (err error) {
		s, err = readState(tx, "")
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range s.tenantKeys {
		row := &s.tenantKeys[i]
		if row.Number != version {
			continue
		}
		key, err := k.askRoots(ctx, row)
		if err != nil {
			return nil, err
		}
		p := newParent(k.identity.Store, row.KeyRow, key)
		p.acquire()
		p.shut() // so that it is wiped when the caller releases it
		return p, nil
	}
	return nil, fmt.Errorf("keys: no version %d of the platform key: %w", version, ErrAuthentication)
}

// noteRoot records durably that a tenant's root was seen to revoke, or to vouch again, and has leases that
// do without the tenant's key built anew: what they were allowed was allowed by the word before. It
// does nothing in a keyring that is opened for reading only.
func (k *Keyring) noteRoot(ctx context.Context, tenant string, revoked bool) error {
	if k.file.readOnly {
		return nil
	}
	platform, err := k.platformKey(ctx)
	if err != nil {
		return err
	}
	defer platform.release()
	var changed bool
	after, err := k.file.update(ctx, func(c *change) error {
		e, err := c.edit(tenant, platform, nil)
		if changed = err == nil && e.control.RootRevoked != revoked; !changed {
			return err
		}
		e.control.RootRevoked, e.control.Fallback = revoked, nil
		act := ActRootVouched
		if revoked {
			act = ActRootRevoked
		}
		if err := c.audit(platform, codec.AuditEntry{Act: act, Tenant: tenant}); err != nil {
			return err
		}
		return e.save()
	})
	if err != nil {
		return err
	}
	if changed {
		k.invalidate(tenant, false, tenantsOwn)
		k.opts.Logger.Warn("root of tenant changed its word", "tenant", tenant, "revoked", revoked)
	}
	return k.advance(ctx, after.Revision)
}
