package keys

import (
	"context"
	"fmt"

	"github.com/sealkv/sealkv/codec"
)

// Renew returns the numbers of the active keys, ascending, and the revision from which on nothing
// else seals: it waits until nobody uses older keys of the space.
func (s *Space) Renew(ctx context.Context) (epoch uint64, active []uint32, err error) {
	mine := func(space *Space, _ *Lease) bool { return space == s }
	s.k.invalidate(s.tenant, false, mine)
	l, err := s.Pin(ctx)
	if err != nil {
		return 0, nil, err
	}
	epoch, active = l.Epoch, l.Numbers()
	fallback := l.Fallback
	l.Unpin()
	if fallback {
		return 0, nil, fmt.Errorf("tenant %s: %w", s.tenant, ErrRevoked)
	}
	// Only now: a rotation may have come in between, and a writer with the keys from before it.
	return epoch, active, s.k.await(ctx, s.k.pinned(mine))
}

// RetireDataKey destroys a data key that drains, durably: what it sealed is gone for good, and its
// number never returns. The caller has proof that nothing needs it; proof stands in the audit
// log. It compacts the keyring, so that the wrapped key is in no page of the file.
func (k *Keyring) RetireDataKey(ctx context.Context, tenant, namespace string, number uint32, proof string) error {
	err := k.settle(ctx, tenant, func(ctx context.Context) error {
		return k.retireDataKey(ctx, tenant, namespace, number, proof)
	})
	// Also if only the mirror failed: then the key is destroyed.
	unlinked := k.invalidate(tenant, false, func(s *Space, _ *Lease) bool { return s.namespace == namespace })
	if err != nil {
		return fmt.Errorf("keys: retiring data key %d of tenant %s: %w", number, tenant, err)
	}
	if err := k.await(ctx, unlinked); err != nil {
		return err
	}
	return k.file.compact()
}

func (k *Keyring) retireDataKey(ctx context.Context, tenant, namespace string, number uint32, proof string) error {
	platform, err := k.platformKey(ctx)
	if err != nil {
		return err
	}
	defer platform.release()
	s, err := k.verifiedState(ctx, tenant)
	if err != nil {
		return err
	}
	row := s.numbered(namespace, number)
	if row == nil {
		return fmt.Errorf("%w: %s has no such key", ErrMismatch, namespace)
	}
	var own *parent
	if row.Domain == codec.DomainTenant {
		if own, err = k.unlocked(ctx, tenant); err != nil {
			return err
		}
		defer own.release()
	}
	after, err := k.file.update(ctx, func(c *change) error {
		e, err := c.edit(tenant, platform, own)
		if err != nil {
			return err
		}
		return e.retire(namespace, number, proof)
	})
	if err != nil {
		return err
	}
	return k.advance(ctx, after.Revision)
}

// retire leaves a tombstone of the key. Retiring it again changes nothing.
func (e *editor) retire(namespace string, number uint32, proof string) error {
	row := e.numbered(namespace, number)
	switch {
	case row == nil:
		return ErrMismatch
	case row.rec.State == codec.StateRetired:
		return nil
	case row.rec.State != codec.StateDraining:
		return fmt.Errorf("it is %v; rotate it first", row.rec.State)
	}
	if err := e.destroyDataKey(row, ActKeyRetire, proof); err != nil {
		return err
	}
	return e.save()
}

// destroyDataKey leaves a tombstone of a data key.
func (e *editor) destroyDataKey(row *dataKeyRow, act, detail string) error {
	row.rec.State, row.rec.Since = codec.StateRetired, e.c.counters.Revision
	row.rec.Wrap, row.rec.Commit = nil, nil
	e.touched[row.KeyRow] = true
	return e.c.audit(e.platform, codec.AuditEntry{
		Act: act, Tenant: row.Tenant, Namespace: row.Namespace, Domain: row.Domain, Number: row.Number, Detail: detail,
	})
}

// numbered is the data key of a namespace with a number, or nil.
func (s *state) numbered(namespace string, number uint32) *dataKeyRow {
	for i := range s.dataKeys {
		if row := &s.dataKeys[i]; row.Namespace == namespace && row.Number == number {
			return row
		}
	}
	return nil
}
