package keys

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/sealkv/sealkv/codec"
)

// RotateRoot brings a tenant's key under the root that uri names. The URI of the present root
// makes a wrap under its newest version; an empty one means the platform's root: the tenant
// leaves its own. Both roots must answer; a tenant that an operator has revoked stays so. It goes
// through durable steps, and doing it again completes what a crash cut short.
func (k *Keyring) RotateRoot(ctx context.Context, tenant, uri string) error {
	return k.settle(ctx, tenant, func(ctx context.Context) error {
		return k.rotateRoot(ctx, &rootMove{k: k, tenant: tenant, uri: uri, hosted: uri == ""})
	})
}

// RotatePlatformRoot brings the platform key, and the keys of all hosted tenants, under the root
// that uri names, one after the other. Both roots must answer. Who is not hosted any more when it
// is its turn stays. Doing it again completes what was cut short.
func (k *Keyring) RotatePlatformRoot(ctx context.Context, uri string) error {
	err := k.settle(ctx, "", func(ctx context.Context) error {
		return k.rotateRoot(ctx, &rootMove{k: k, uri: uri, hosted: true})
	})
	if err != nil {
		return err
	}
	for after := ""; ; {
		page, err := k.Tenants(after, auditPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, t := range page {
			if after = t.ID; !t.Hosted || t.Shredded {
				continue
			}
			if err := k.followPlatform(ctx, t.ID); err != nil {
				return err
			}
		}
	}
}

// followPlatform brings a hosted tenant's key under the platform's root. Who has enrolled meanwhile, or was
// shredded, is passed over, whatever their roots say.
func (k *Keyring) followPlatform(ctx context.Context, tenant string) error {
	return k.settle(ctx, tenant, func(ctx context.Context) error {
		err := k.rotateRoot(ctx, &rootMove{k: k, tenant: tenant, hosted: true, follows: true})
		if s, unread := k.verifiedState(ctx, tenant); unread == nil && !s.hosted() {
			return nil
		}
		return err
	})
}

// hosted reports whether a tenant's key is there, under the platform's root.
func (s *state) hosted() bool { return s.control.Hosted && s.control.Shredded == codec.ShreddedNone }

// left reports whether there is nothing to follow with.
func (m *rootMove) left(s *state) bool { return m.follows && !s.hosted() }

// A rootMove is one tenant key, or the platform key, on its way from one root to another.
type rootMove struct {
	k             *Keyring
	tenant, uri   string
	hosted        bool // afterwards
	follows       bool // was hosted before, and is moved as the platform is
	platform, own *parent
	version       uint32         // of the key
	wrap          codec.RootWrap // that write wrote
}

// rotateRoot writes the new wrap as incoming, proves that it unwraps as it was stored, makes it
// active, and only then drops the old one.
func (k *Keyring) rotateRoot(ctx context.Context, m *rootMove) error {
	if err := m.open(ctx); err != nil {
		return err
	}
	defer m.platform.release()
	defer m.own.release()
	for _, step := range []func(context.Context) error{m.write, m.prove, m.activate, m.drop} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("keys: bringing the key of %s under another root: %w", holder(m.tenant), err)
		}
	}
	return nil
}

func (m *rootMove) open(ctx context.Context) (err error) {
	if m.hosted && m.tenant != "" {
		if m.uri, err = m.k.platformURI(); err != nil {
			return err
		}
	}
	if m.platform, err = m.k.platformKey(ctx); err != nil {
		return err
	}
	if m.own, err = m.k.openToMove(ctx, m.tenant); err != nil {
		m.platform.release()
		return err
	}
	m.version = m.own.row.Number
	return nil
}

// key reads the tenant key's row and has its present root unwrap it.
func (m *rootMove) key(ctx context.Context) (*tenantKeyRow, *secret, error) {
	s, err := m.k.verifiedState(ctx, m.tenant)
	if err != nil {
		return nil, nil, err
	}
	if m.tenant != "" {
		if err := s.verifyCurrent(m.own); err != nil {
			return nil, nil, err
		}
	}
	if m.left(s) {
		return nil, nil, errChanged // its key is not for the platform's root to see
	}
	row, err := s.activeTenantKey()
	if err != nil {
		return nil, nil, err
	}
	key, err := m.k.askRoots(ctx, row)
	return row, key, err
}

func (m *rootMove) write(ctx context.Context) error {
	row, key, err := m.key(ctx)
	if err != nil {
		return err
	}
	defer key.wipe()
	if m.wrap, err = m.k.wrapTenantKey(ctx, row, m.uri, key); err != nil {
		return err
	}
	m.wrap.Role = codec.RoleIncoming
	return m.edit(ctx, "incoming", func(c *change, e *editor, row *tenantKeyRow) error {
		if err := c.claimRoot(m.uri, m.tenant, m.hosted); err != nil {
			return err
		}
		return c.replaceWraps(row, append(row.wraps(codec.RoleActive, codec.RoleOutgoing), m.wrap))
	})
}

func (m *rootMove) prove(ctx context.Context) error {
	s, err := m.k.verifiedState(ctx, m.tenant)
	if err != nil {
		return err
	}
	row, err := s.activeTenantKey()
	if err != nil {
		return err
	}
	wrap := m.incoming(row)
	if wrap == nil {
		return errChanged
	}
	key, err := m.k.unwrapTenantKey(ctx, row, wrap)
	if err != nil {
		return fmt.Errorf("the new root does not unwrap what it wrapped, the old one stays: %w", err)
	}
	key.wipe()
	return nil
}

func (m *rootMove) activate(ctx context.Context) error {
	return m.edit(ctx, "active", func(c *change, e *editor, row *tenantKeyRow) error {
		incoming := m.incoming(row)
		if incoming == nil {
			return errChanged
		}
		if err := c.claimRoot(m.uri, m.tenant, m.hosted); err != nil { // the platform may have moved since
			return err
		}
		for i := range row.rec.Wraps {
			if w := &row.rec.Wraps[i]; w.Role == codec.RoleActive {
				w.Role = codec.RoleOutgoing
			}
		}
		incoming.Role = codec.RoleActive
		e.control.Hosted = m.hosted
		return nil
	})
}

func (m *rootMove) drop(ctx context.Context) error {
	return m.edit(ctx, "dropped all but", func(c *change, _ *editor, row *tenantKeyRow) error {
		return c.replaceWraps(row, row.wraps(codec.RoleActive))
	})
}

// incoming is the wrap that this move wrote, or nil: another move may have put its own in the place
// of it, or taken it along.
func (m *rootMove) incoming(row *tenantKeyRow) *codec.RootWrap {
	for i := range row.rec.Wraps {
		w := &row.rec.Wraps[i]
		if w.Role == codec.RoleIncoming && w.URI == m.wrap.URI && bytes.Equal(w.Ciphertext, m.wrap.Ciphertext) {
			return w
		}
	}
	return nil
}

// wraps are those of some roles.
func (row *tenantKeyRow) wraps(roles ...codec.Role) (wraps []codec.RootWrap) {
	for _, w := range row.rec.Wraps {
		if slices.Contains(roles, w.Role) {
			wraps = append(wraps, w)
		}
	}
	return wraps
}

// replaceWraps has a tenant key wrapped as next says, and forgets of roots that are not in it that they
// serve the tenant.
func (c *change) replaceWraps(row *tenantKeyRow, next []codec.RootWrap) error {
	for _, w := range row.rec.Wraps {
		if slices.ContainsFunc(next, func(n codec.RootWrap) bool { return n.URI == w.URI }) {
			continue
		}
		if err := c.dropRoot(w.URI, row.Tenant); err != nil {
			return err
		}
	}
	row.rec.Wraps = next
	return nil
}

// edit changes the wraps of the active key, durably, if it is still the one that was opened.
func (m *rootMove) edit(ctx context.Context, what string, fn func(*change, *editor, *tenantKeyRow) error) error {
	after, err := m.k.file.update(ctx, func(c *change) error {
		e, err := c.edit(m.tenant, m.platform, m.own)
		if err != nil {
			return err
		}
		if m.left(e.state) {
			return errChanged
		}
		row, err := e.activeTenantKey()
		if err != nil {
			return err
		}
		if row.Number != m.version {
			return errChanged
		}
		if err := fn(c, e, row); err != nil {
			return err
		}
		e.touched[row.KeyRow] = true
		err = c.audit(m.platform, codec.AuditEntry{
			Act: ActRoot, Tenant: m.tenant, Domain: row.Domain, Number: row.Number, Detail: what + " " + m.uri,
		})
		if err != nil {
			return err
		}
		return e.save()
	})
	if err != nil {
		return err
	}
	return m.k.advance(ctx, after.Revision)
}
