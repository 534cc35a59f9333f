package store

import (
	"context"
	"fmt"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/scope"
)

// CheckTenant reports whether id can name a tenant: 1 to 64 of A-Z a-z 0-9 . _ - Else it returns
// ErrInvalidName.
func CheckTenant(id string) error {
	if err := codec.CheckTenant(id); err != nil {
		return invalidName(err)
	}
	return nil
}

// TenantOptions of AddTenant. Nil means a hosted tenant.
type TenantOptions struct {
	// Root is the URI of the root key that the tenant brings. It serves no other tenant. Empty
	// means that the tenant is hosted: its key is under the platform's root.
	Root string
}

// AddTenant makes a tenant, durably. id is 1 to 64 of A-Z a-z 0-9 . _ - and never changes; it is
// no display name. An id that was ever in use is ErrTenantExists, a root of another tenant's or the
// platform's ErrRootInUse; the root must answer.
func (s *Store) AddTenant(ctx context.Context, id string, opts *TenantOptions) (*Tenant, error) {
	if err := CheckTenant(id); err != nil {
		return nil, err
	}
	var uri string
	if opts != nil {
		uri = opts.Root
	}
	if err := s.keys.AddTenant(ctx, id, uri); err != nil {
		return nil, translated(err)
	}
	return &Tenant{store: s, id: id}, nil
}

// Tenants lists up to limit tenants whose ids come after the given one, in order. Nothing of
// it is verified; fewer than limit means that there are no more.
func (s *Store) Tenants(after string, limit int) ([]keys.TenantInfo, error) {
	infos, err := s.keys.Tenants(after, limit)
	return infos, translated(err)
}

// A Tenant is a customer.
type Tenant struct {
	store *Store
	id    string
}

// ID is the tenant's id.
func (t *Tenant) ID() string { return t.id }

// Namespace returns the handle of one of the tenant's data types, named product/type. A name
// that the policy has no rule for is refused. All handles of one namespace are the same pointer.
func (t *Tenant) Namespace(name string) (*Namespace, error) {
	if err := scope.CheckNamespace(name); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidName, err)
	}
	return t.store.namespace(t.id, name)
}

// Info says what state the tenant and its keys are in.
func (t *Tenant) Info() (keys.TenantInfo, error) {
	info, err := t.store.keys.Tenant(t.id)
	return info, translated(err)
}

// DataKeys lists the tenant's data keys, retired ones too, by domain, namespace and number. Nothing
// of it is verified.
func (t *Tenant) DataKeys() ([]keys.KeyInfo, error) {
	infos, err := t.store.keys.DataKeys(t.id)
	return infos, translated(err)
}

// Revoke makes everything that is sealed under the tenant's keys unreadable, durably, until
// Restore; what is under platform keys goes on working. It returns when every operation that
// began before it has ended.
func (t *Tenant) Revoke(ctx context.Context) error {
	defer t.store.values.purge()
	return translated(t.store.keys.Revoke(ctx, t.id))
}

// Restore ends a revocation, durably, and asks the tenant's root at once whether it vouches.
// An error of the root's means that the revocation has ended here and the tenant stays dark until its
// root vouches.
func (t *Tenant) Restore(ctx context.Context) error {
	return translated(t.store.keys.Restore(ctx, t.id))
}

// RotateDataKeys gives the namespaces, or all that have a key, new active data keys, durably.
// It returns when nothing is sealed under the old ones any more. Values move to the new ones
// when they are read. Of a revoked tenant only namespaces under platform keys alone can be rotated, by
// name.
func (t *Tenant) RotateDataKeys(ctx context.Context, namespaces ...string) ([]keys.Rotation, error) {
	done, err := t.store.keys.RotateDataKeys(ctx, t.id, namespaces...)
	return done, translated(err)
}

// RotateTenantKey gives the tenant a new tenant key and rewraps its data keys, durably. No
// record changes.
func (t *Tenant) RotateTenantKey(ctx context.Context) (version uint32, err error) {
	version, err = t.store.keys.RotateTenantKey(ctx, t.id)
	return version, translated(err)
}

// RotateRoot brings the tenant's key under the root that uri names, or, with the URI of the
// present one, under its newest version; an empty uri means the platform's root. Both roots must
// answer. Called again it completes what was cut short.
func (t *Tenant) RotateRoot(ctx context.Context, uri string) error {
	return translated(t.store.keys.RotateRoot(ctx, t.id, uri))
}
