package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
)

// AddTenant makes a tenant, durably. uri names the root key that it brings and that serves no
// other tenant; empty means hosted: under the platform's root. An id that was ever in use is
// refused.
func (k *Keyring) AddTenant(ctx context.Context, id, uri string) error {
	if err := codec.CheckTenant(id); err != nil {
		return err
	}
	if err := k.file.writable(ctx); err != nil {
		return err
	}
	if _, err := k.Tenant(id); err == nil { // before the root is asked
		return fmt.Errorf("%w: %s", ErrTenantExists, id)
	}
	return k.settle(ctx, id, func(ctx context.Context) error { return k.addTenant(ctx, id, uri) })
}

func (k *Keyring) addTenant(ctx context.Context, id, uri string) error {
	hosted := uri == ""
	if hosted {
		var err error
		if uri, err = k.platformURI(); err != nil {
			return err
		}
	}
	platform, err := k.platformKey(ctx)
	if err != nil {
		return err
	}
	defer platform.release()
	row := codec.KeyRow{Tenant: id, Domain: codec.DomainTenant, Number: 1}
	rec, key, err := k.mintTenantKey(ctx, row, uri)
	if err != nil {
		return err
	}
	own := newParent(k.identity.Store, row, key)
	defer own.shut()
	_, err = k.file.update(ctx, func(c *change) error {
		if c.tx.Bucket(bucketTenants).Get([]byte(id)) != nil {
			return fmt.Errorf("%w: %s", ErrTenantExists, id)
		}
		if err := c.claimRoot(uri, id, hosted); err != nil {
			return err
		}
		e := c.newTenant(id, platform, own)
		e.control.Hosted = hosted
		e.tenantKeys = []tenantKeyRow{{KeyRow: row, rec: *rec}}
		e.touched[row] = true
		if err := c.audit(platform, codec.AuditEntry{Act: ActTenantAdd, Tenant: id, Domain: row.Domain, Number: row.Number, Detail: uri}); err != nil {
			return err
		}
		return e.save()
	})
	return err
}

func (c *change) newTenant(id string, platform, own *parent) *editor {
	s := &state{tenant: id, revision: c.counters.Revision, control: codec.Control{Created: c.now}}
	return &editor{state: s, c: c, platform: platform, own: own, touched: map[codec.KeyRow]bool{}}
}

// claimRoot records that a root serves one tenant and refuses one that serves another. The
// platform's own root, which hosted says it is, is no tenant's; errChanged if it is not any more.
func (c *change) claimRoot(uri, tenant string, hosted bool) error {
	platform, err := platformURI(c.tx)
	if err != nil {
		return err
	}
	roots := c.tx.Bucket(bucketRoots)
	holder := roots.Get([]byte(uri))
	switch {
	case hosted && tenant != "" && uri != platform:
		return errChanged
	case holder != nil && (hosted || string(holder) != tenant):
		return fmt.Errorf("%w (%s)", ErrRootInUse, holder)
	case hosted:
		return nil
	case uri == platform:
		return fmt.Errorf("%w: it is the platform's; leave it out for a hosted tenant", ErrRootInUse)
	}
	return roots.Put([]byte(uri), []byte(tenant))
}

func (k *Keyring) platformURI() (uri string, err error) {
	err = k.file.view(func(tx *bolt.Tx) error {
		uri, err = platformURI(tx)
		return err
	})
	return uri, err
}

func platformURI(tx *bolt.Tx) (string, error) {
	s, err := readState(tx, "")
	if err != nil {
		return "", err
	}
	return s.activeRoot()
}

// Revoke makes a tenant's keys unusable, durably, until Restore. It returns when every operation
// that began before it has ended. Namespaces under platform keys go on.
func (k *Keyring) Revoke(ctx context.Context, tenant string) error {
	err := k.control(ctx, tenant, ActTenantRevoke, func(c *codec.Control) bool {
		was := c.Revoked
		c.Revoked, c.Fallback = true, nil
		return !was
	})
	pinned := k.invalidate(tenant, true, tenantsOwn) // also if only the mirror failed: then it is durable
	if err != nil {
		return err
	}
	return k.await(ctx, pinned)
}

// Restore ends a revocation by Revoke, durably. The tenant's root is asked at once: if it does
// not vouch, the error says so, and the tenant stays dark until it does.
func (k *Keyring) Restore(ctx context.Context, tenant string) error {
	err := k.control(ctx, tenant, ActTenantRestore, func(c *codec.Control) bool {
		was := c.Revoked
		c.Revoked, c.Fallback = false, nil
		return was
	})
	if err != nil {
		return err
	}
	if err := k.await(ctx, k.invalidate(tenant, true, tenantsOwn)); err != nil {
		return err
	}
	p, err := k.unlocked(ctx, tenant)
	if err != nil {
		return fmt.Errorf("keys: tenant %s is restored here, but its root does not open its key: %w", tenant, err)
	}
	p.release()
	return nil
}

// tenantsOwn matches the leases that would hold keys of the tenant's if they were there. Those that
// do go with the tenant's session.
func tenantsOwn(_ *Space, l *Lease) bool { return l.locked != nil }

// control changes what the platform vouches for, if edit says that there is something to change.
func (k *Keyring) control(ctx context.Context, tenant, act string, edit func(*codec.Control) bool) error {
	platform, err := k.platformKey(ctx)
	if err != nil {
		return err
	}
	defer platform.release()
	after, err := k.file.update(ctx, func(c *change) error {
		e, err := c.edit(tenant, platform, nil)
		if err != nil || !edit(&e.control) {
			return err
		}
		if err := c.audit(platform, codec.AuditEntry{Act: act, Tenant: tenant}); err != nil {
			return err
		}
		return e.save()
	})
	if err != nil {
		return err
	}
	return k.advance(ctx, after.Revision)
}

// A TenantInfo is what the keyring says of a tenant.
type TenantInfo struct {
	ID          string    `json:"tenant"`
	Created     time.Time `json:"created"`
	Hosted      bool      `json:"hosted"`       // under a root that the platform holds
	Revoked     bool      `json:"revoked"`      // by an operator
	RootRevoked bool      `json:"root_revoked"` // its root was seen to revoke, and has not vouched since
	Shredded    bool      `json:"shredded"`     // what was under its keys is gone, at the least
	KeyVersion  uint32    `json:"key_version"`  // of its active tenant key
	Root        string    `json:"root"`         // URI of the root that wraps it
	RootVersion string    `json:"root_version"` // of that root, in its provider's words
	DataKeys    int       `json:"data_keys"`    // not retired
}

// Status is one word for what state a tenant is in.
func (t TenantInfo) Status() string {
	switch {
	case t.Shredded:
		return "shredded"
	case t.Revoked, t.RootRevoked:
		return "revoked"
	case t.Hosted:
		return "hosted"
	}
	return "enrolled"
}

// Tenant says what the keyring holds of a tenant, or ErrTenantUnknown. Nothing is verified: an
// operation on the tenant's data verifies it.
func (k *Keyring) Tenant(id string) (info TenantInfo, err error) {
	err = k.file.view(func(tx *bolt.Tx) error {
		info, err = tenantInfo(tx, id)
		return err
	})
	return info, err
}

// Tenants lists up to limit tenants whose ids come after the given one, in order.
func (k *Keyring) Tenants(after string, limit int) (infos []TenantInfo, err error) {
	err = k.file.view(func(tx *bolt.Tx) error {
		cursor := tx.Bucket(bucketTenants).Cursor()
		for id, _ := cursor.Seek([]byte(after)); id != nil && len(infos) < limit; id, _ = cursor.Next() {
			if string(id) == after {
				continue
			}
			info, err := tenantInfo(tx, string(id))
			if err != nil {
				return err
			}
			infos = append(infos, info)
		}
		return nil
	})
	return infos, err
}

func tenantInfo(tx *bolt.Tx, id string) (TenantInfo, error) {
	s, err := readState(tx, id)
	if err != nil {
		return TenantInfo{}, err
	}
	info := TenantInfo{
		ID: id, Created: time.Unix(int64(s.control.Created), 0).UTC(),
		Hosted: s.control.Hosted, Revoked: s.control.Revoked, RootRevoked: s.control.RootRevoked,
		Shredded: s.control.Shredded != codec.ShreddedNone,
	}
	for i := range s.dataKeys {
		if s.dataKeys[i].rec.State != codec.StateRetired {
			info.DataKeys++
		}
	}
	row, err := s.activeTenantKey()
	if errors.Is(err, ErrDestroyed) {
		return info, nil
	}
	info.KeyVersion = row.Number
	if wrap := row.activeWrap(); wrap != nil {
		info.Root, info.RootVersion = wrap.URI, wrap.KeyVersion
	}
	return info, nil
}

// A KeyInfo is what the keyring says of a data key.
type KeyInfo struct {
	Tenant    string    `json:"tenant"`
	Namespace string    `json:"namespace"`
	Domain    string    `json:"domain"`
	Number    uint32    `json:"data_key"`
	State     string    `json:"state"`
	Suite     uint8     `json:"suite"`
	Created   time.Time `json:"created"`
	Since     uint64    `json:"since"`             // revision of the keyring at which it got its state
	Parent    uint32    `json:"tenant_key"`        // version of the tenant key or platform key that wraps it
	Seals     uint64    `json:"seals,omitempty"`   // counted ahead, where they are counted: no fewer than were made
	Exposed   bool      `json:"exposed,omitempty"` // somebody may know it: what it sealed is to be sealed anew
}

// DataKeys lists a tenant's data keys, by domain, namespace and number.
func (k *Keyring) DataKeys(tenant string) (infos []KeyInfo, err error) {
	err = k.file.view(func(tx *bolt.Tx) error {
		s, err := readState(tx, tenant)
		if err != nil {
			return err
		}
		for i := range s.dataKeys {
			row := &s.dataKeys[i]
			infos = append(infos, KeyInfo{
				Tenant: row.Tenant, Namespace: row.Namespace, Domain: row.Domain.String(), Number: row.Number,
				State: row.rec.State.String(), Suite: uint8(row.rec.Suite),
				Created: time.Unix(int64(row.rec.Created), 0).UTC(), Since: row.rec.Since, Parent: row.rec.Parent,
				Seals: row.rec.Seals, Exposed: row.rec.Exposed,
			})
		}
		return nil
	})
	return infos, err
}

// KnowsTenant returns nil if the tenant exists, else ErrTenantUnknown. It is cheap.
func (k *Keyring) KnowsTenant(id string) error {
	return k.file.view(func(tx *bolt.Tx) error {
		if tx.Bucket(bucketTenants).Get([]byte(id)) == nil {
			return fmt.Errorf("%w %q", ErrTenantUnknown, id)
		}
		return nil
	})
}
