package keys

import (
	"context"
	"fmt"
	"slices"

	"github.com/sealkv/sealkv/codec"
)

// A Rotation is one data key that took over from another.
type Rotation struct {
	Tenant    string `json:"tenant"`
	Namespace string `json:"namespace"`
	Domain    string `json:"domain"`
	From      uint32 `json:"from"`
	To        uint32 `json:"to"`
}

// RotateDataKeys gives a tenant's namespaces new active data keys, in one durable act; the old
// ones drain. No namespaces means all that have a key. It returns when nothing seals under the
// old keys any more; what they sealed stays as it is until it is rewrapped.
//
// The tenant's own data keys need its tenant key: of a revoked tenant only the platform domain
// can be rotated, and that only by naming namespaces that have no other.
func (k *Keyring) RotateDataKeys(ctx context.Context, tenant string, namespaces ...string) (done []Rotation, err error) {
	matches := func(namespace string) bool {
		return len(namespaces) == 0 || slices.Contains(namespaces, namespace)
	}
	err = k.settle(ctx, tenant, func(ctx context.Context) error {
		done, err = k.rotateDataKeys(ctx, tenant, matches)
		return err
	})
	// Also if only the mirror failed: then the rotation is durable.
	pinned := k.invalidate(tenant, false, func(s *Space, _ *Lease) bool { return matches(s.namespace) })
	if err != nil {
		return nil, err
	}
	return done, k.await(ctx, pinned)
}

func (k *Keyring) rotateDataKeys(ctx context.Context, tenant string, matches func(namespace string) bool) ([]Rotation, error) {
	platform, own, err := k.parentsOf(ctx, tenant, matches)
	if err != nil {
		return nil, err
	}
	defer platform.release()
	if own != nil {
		defer own.release()
	}
	var done []Rotation
	after, err := k.file.update(ctx, func(c *change) error {
		e, err := c.edit(tenant, platform, own)
		if err != nil {
			return err
		}
		if done, err = e.rotate(matches); err != nil || len(done) == 0 {
			return err
		}
		return e.save()
	})
	if err != nil {
		return nil, fmt.Errorf("keys: rotating data keys of tenant %s: %w", tenant, err)
	}
	return done, k.advance(ctx, after.Revision)
}

// parentsOf returns, acquired, the keys that wrap the matching namespaces' data keys.
func (k *Keyring) parentsOf(ctx context.Context, tenant string, matches func(string) bool) (platform, own *parent, err error) {
	if platform, err = k.platformKey(ctx); err != nil {
		return nil, nil, err
	}
	s, err := k.verifiedState(ctx, tenant)
	if err == nil && slices.ContainsFunc(s.dataKeys, func(row dataKeyRow) bool {
		return row.Domain == codec.DomainTenant && row.rec.State == codec.StateActive && matches(row.Namespace)
	}) {
		own, err = k.unlocked(ctx, tenant)
	}
	if err != nil {
		platform.release()
		return nil, nil, err
	}
	return platform, own, nil
}

// rotate drains every matching active data key and mints its successor.
func (e *editor) rotate(matches func(namespace string) bool) ([]Rotation, error) {
	var old []codec.KeyRow
	for i := range e.dataKeys {
		row := &e.dataKeys[i]
		if row.rec.State != codec.StateActive || !matches(row.Namespace) {
			continue
		}
		if e.parentOf(row.Domain) == nil {
			return nil, errChanged // its first key was minted after parentsOf looked
		}
		old = append(old, row.KeyRow)
	}
	var done []Rotation
	for _, id := range old {
		before := e.row(id)
		suite := before.rec.Suite
		if err := e.drain(before); err != nil {
			return nil, err
		}
		successor, err := e.mintDataKey(id, suite)
		if err != nil {
			return nil, err
		}
		done = append(done, Rotation{
			Tenant: id.Tenant, Namespace: id.Namespace, Domain: id.Domain.String(), From: id.Number, To: successor.Number,
		})
	}
	return done, nil
}

// RotateTenantKey gives a tenant a new tenant key under the same root and rewraps its data keys,
// in one durable act that also destroys the old version. No record changes.
func (k *Keyring) RotateTenantKey(ctx context.Context, tenant string) (version uint32, err error) {
	return k.changeTenantKey(ctx, tenant, tenantsOwn, nil)
}

// changeTenantKey rotates a tenant's key, and in the same act does what also does, with the new key
// in place. It returns when nobody uses the leases that match any more.
func (k *Keyring) changeTenantKey(ctx context.Context, tenant string, match func(*Space, *Lease) bool, also func(*editor) error) (version uint32, err error) {
	err = k.settle(ctx, tenant, func(ctx context.Context) error {
		version, err = k.rotateTenantKey(ctx, tenant, also)
		return err
	})
	if err != nil {
		k.invalidate(tenant, false, match) // if only the mirror failed the act is durable
		return 0, err
	}
	return version, k.await(ctx, k.invalidate(tenant, true, match))
}

func (k *Keyring) rotateTenantKey(ctx context.Context, tenant string, also func(*editor) error) (version uint32, err error) {
	platform, err := k.platformKey(ctx)
	if err != nil {
		return 0, err
	}
	defer platform.release()
	own, err := k.unlocked(ctx, tenant)
	if err != nil {
		return 0, err
	}
	defer own.release()
	uri, version, err := k.successor(ctx, tenant)
	if err != nil {
		return 0, err
	}
	id := codec.KeyRow{Tenant: tenant, Domain: codec.DomainTenant, Number: version}
	rec, key, err := k.mintTenantKey(ctx, id, uri)
	if err != nil {
		return 0, err
	}
	next := newParent(k.identity.Store, id, key)
	defer next.shut()
	after, err := k.file.update(ctx, func(c *change) error {
		e, err := c.edit(tenant, platform, own)
		if err != nil {
			return err
		}
		if err := e.replaceTenantKey(tenantKeyRow{KeyRow: id, rec: *rec}, next); err != nil {
			return err
		}
		if err := c.audit(platform, codec.AuditEntry{Act: ActTenantKey, Tenant: tenant, Domain: id.Domain, Number: version}); err != nil {
			return err
		}
		if also != nil {
			if err := also(e); err != nil {
				return err
			}
		}
		return e.save()
	})
	if err != nil {
		return 0, fmt.Errorf("keys: rotating the tenant key of %s: %w", tenant, err)
	}
	return version, k.advance(ctx, after.Revision)
}

// successor is under which root a tenant's next tenant key goes, and its version.
func (k *Keyring) successor(ctx context.Context, tenant string) (uri string, version uint32, err error) {
	s, err := k.verifiedState(ctx, tenant)
	if err != nil {
		return "", 0, err
	}
	if uri, err = s.activeRoot(); err != nil {
		return "", 0, err
	}
	return uri, s.tenantKeys[len(s.tenantKeys)-1].Number + 1, nil
}

// replaceTenantKey retires the active tenant key in favour of row, whose opened form is next,
// and rewraps the data keys of the tenant domain. errChanged if row is under a root that the tenant
// has left.
func (e *editor) replaceTenantKey(row tenantKeyRow, next *parent) error {
	old, err := e.activeTenantKey()
	if err != nil {
		return err
	}
	uri, err := e.activeRoot()
	if err != nil {
		return err
	}
	if uri != row.activeWrap().URI {
		return errChanged
	}
	if old.Number != e.own.row.Number || e.tenantKeys[len(e.tenantKeys)-1].Number+1 != row.Number {
		return errChanged
	}
	if err := e.c.replaceWraps(old, row.rec.Wraps); err != nil {
		return err
	}
	old.rec = codec.TenantKey{State: codec.StateRetired, Created: old.rec.Created}
	e.touched[old.KeyRow] = true
	for i := range e.dataKeys {
		data := &e.dataKeys[i]
		if data.Domain != codec.DomainTenant || data.rec.State == codec.StateRetired {
			continue
		}
		key, err := e.own.unwrapDataKey(data.KeyRow, &data.rec)
		if err != nil {
			return fmt.Errorf("data key %d: %w", data.Number, err)
		}
		err = next.wrapDataKey(data.KeyRow, &data.rec, key)
		key.wipe()
		if err != nil {
			return err
		}
		e.touched[data.KeyRow] = true
	}
	e.tenantKeys = append(e.tenantKeys, row)
	e.touched[row.KeyRow] = true
	e.own = next
	return nil
}
