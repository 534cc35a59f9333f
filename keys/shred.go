package keys

import (
	"context"
	"fmt"
	"slices"

	"github.com/sealkv/sealkv/codec"
)

// A Shred says which keys of a tenant are to be destroyed.
type Shred struct {
	Tenant string
	// How is ShreddedWhole for all its keys, ShreddedOwn for its tenant keys and what is under
	// them, ShreddedNone for those of Namespaces alone, which may get new keys afterwards.
	How codec.Shredded
	// Namespaces lose their keys in both domains.
	Namespaces []string
}

func (s *Shred) has(namespace string) bool { return slices.Contains(s.Namespaces, namespace) }

// Hits reports whether the data keys of a namespace in a domain are to be destroyed.
func (s *Shred) Hits(domain codec.Domain, namespace string) bool {
	return s.How == codec.ShreddedWhole || s.has(namespace) || s.How == codec.ShreddedOwn && domain == codec.DomainTenant
}

// BeginShred records durably that keys are going to be destroyed, and returns when nobody uses
// them any more. From then on nothing opens them; there is no way back. Doing it again does
// nothing new.
func (k *Keyring) BeginShred(ctx context.Context, s Shred) error {
	err := k.control(ctx, s.Tenant, ActShredBegin, func(c *codec.Control) bool {
		changed := c.Shredded < s.How
		c.Shredded = max(c.Shredded, s.How)
		if s.How == codec.ShreddedNone {
			for _, namespace := range s.Namespaces {
				if !slices.Contains(c.Shredding, namespace) {
					c.Shredding, changed = append(c.Shredding, namespace), true
				}
			}
		}
		return changed
	})
	pinned := k.invalidate(s.Tenant, s.How != codec.ShreddedNone, func(space *Space, _ *Lease) bool {
		return s.How != codec.ShreddedNone || s.has(space.namespace)
	})
	if err != nil {
		return err
	}
	return k.await(ctx, pinned)
}

// DestroyKeys destroys what BeginShred has announced, durably: their tombstones stay, and their
// bytes are in no page of the keyring's file when it returns. The keys of single namespaces need
// the tenant's key, whose word the others of the tenant stand on.
func (k *Keyring) DestroyKeys(ctx context.Context, s Shred) (destroyed int, err error) {
	err = k.settle(ctx, s.Tenant, func(ctx context.Context) error {
		destroyed, err = k.destroyKeys(ctx, &s)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("keys: shredding keys of tenant %s: %w", s.Tenant, err)
	}
	return destroyed, k.file.compact()
}

func (k *Keyring) destroyKeys(ctx context.Context, s *Shred) (destroyed int, err error) {
	platform, err := k.platformKey(ctx)
	if err != nil {
		return 0, err
	}
	defer platform.release()
	var own *parent
	if s.How == codec.ShreddedNone {
		if own, err = k.unlocked(ctx, s.Tenant); err != nil {
			return 0, err
		}
		defer own.release()
	}
	after, err := k.file.update(ctx, func(c *change) error {
		e, err := c.edit(s.Tenant, platform, own)
		if err != nil {
			return err
		}
		if destroyed, err = e.destroy(s); err != nil || destroyed == 0 {
			return err
		}
		return e.save()
	})
	if err != nil {
		return 0, err
	}
	return destroyed, k.advance(ctx, after.Revision)
}

// destroy leaves tombstones of the keys that s hits. Once the tenant's keys are gone nothing vouches
// for what is left of its domain, and nothing needs to: the platform vouches that it was shredded.
func (e *editor) destroy(s *Shred) (destroyed int, err error) {
	for i := range e.dataKeys {
		row := &e.dataKeys[i]
		if !s.Hits(row.Domain, row.Namespace) || row.rec.State == codec.StateRetired {
			continue
		}
		if err := e.destroyDataKey(row, ActKeyShred, ""); err != nil {
			return 0, err
		}
		destroyed++
	}
	if s.How == codec.ShreddedNone {
		return destroyed, nil
	}
	for i := range e.tenantKeys {
		row := &e.tenantKeys[i]
		if row.rec.State == codec.StateRetired {
			continue
		}
		if err := e.c.replaceWraps(row, nil); err != nil {
			return 0, err
		}
		row.rec = codec.TenantKey{State: codec.StateRetired, Created: row.rec.Created}
		e.touched[row.KeyRow] = true
		destroyed++
		err := e.c.audit(e.platform, codec.AuditEntry{Act: ActKeyShred, Tenant: row.Tenant, Domain: row.Domain, Number: row.Number})
		if err != nil {
			return 0, err
		}
	}
	return destroyed, nil
}

// dropRoot forgets that a root serves a tenant.
func (c *change) dropRoot(uri, tenant string) error {
	roots := c.tx.Bucket(bucketRoots)
	if string(roots.Get([]byte(uri))) != tenant {
		return nil
	}
	return roots.Delete([]byte(uri))
}

// EndShred records the receipt of a shredding in the audit log. Single namespaces may get new keys
// from then on.
func (k *Keyring) EndShred(ctx context.Context, s Shred, receipt string) error {
	platform, err := k.platformKey(ctx)
	if err != nil {
		return err
	}
	defer platform.release()
	after, err := k.file.update(ctx, func(c *change) error {
		e, err := c.edit(s.Tenant, platform, nil)
		if err != nil {
			return err
		}
		if s.How == codec.ShreddedNone {
			e.control.Shredding = slices.DeleteFunc(e.control.Shredding, s.has)
		}
		if err := c.audit(platform, codec.AuditEntry{Act: ActShredEnd, Tenant: s.Tenant, Detail: receipt}); err != nil {
			return err
		}
		return e.save()
	})
	if err != nil {
		return err
	}
	// Those that wait for the namespaces' new keys must not meet the state from before.
	k.invalidate(s.Tenant, false, nothing)
	return k.advance(ctx, after.Revision)
}

// shreddedOwn says why a tenant has no keys of its own any more, if so.
func (s *state) shreddedOwn() error {
	if s.control.Shredded != codec.ShreddedNone {
		return fmt.Errorf("the keys of tenant %s were shredded: %w", s.tenant, ErrDestroyed)
	}
	return nil
}

// shredded says why a namespace of a tenant has no keys any more, if so.
func (s *state) shredded(namespace string) error {
	switch {
	case s.control.Shredded == codec.ShreddedWhole:
		return fmt.Errorf("tenant %s was shredded: %w", s.tenant, ErrDestroyed)
	case slices.Contains(s.control.Shredding, namespace):
		return fmt.Errorf("%s of tenant %s is being shredded: %w", namespace, s.tenant, ErrDestroyed)
	}
	return nil
}
