package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/store"
)

func (c *cli) tenantRevokeCommand() *cobra.Command {
	return c.selects(&cobra.Command{
		Use:   "revoke TENANT",
		Short: "Make what is under a tenant's keys unreadable, until restore",
		Long: `Make everything that is sealed under the tenant's keys unreadable, until
kvctl tenant restore. Namespaces under platform keys go on working. No record
changes. Revoking a tenant that is revoked does nothing.

This is the platform's switch. The tenant's own is its root key: with a key
file, kvctl root disable FILE.`,
		Example:           "  kvctl tenant revoke acme",
		Args:              positional,
		ValidArgsFunction: c.completeTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeTenant(cmd.Context(), args[0], (*store.Tenant).Revoke,
				"Revoked %s: what is under its keys no longer opens. kvctl tenant restore %[1]s ends it.")
		},
	})
}

func (c *cli) tenantRestoreCommand() *cobra.Command {
	return c.selects(&cobra.Command{
		Use:   "restore TENANT",
		Short: "End a revocation",
		Long: `End a revocation by kvctl tenant revoke. The tenant's root is asked at once: if
it does not vouch for the key, the tenant stays dark until it does.`,
		Example:           "  kvctl tenant restore acme",
		Args:              positional,
		ValidArgsFunction: c.completeTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeTenant(cmd.Context(), args[0], (*store.Tenant).Restore, "Restored %s: what is under its keys opens again.")
		},
	})
}

func (c *cli) changeTenant(ctx context.Context, id string, change func(*store.Tenant, context.Context) error, done string) error {
	return c.withTenant(ctx, writing, id, func(_ *store.Store, t *store.Tenant) error {
		info, err := t.Info()
		if err == nil && info.Shredded {
			return fmt.Errorf("tenant %s was shredded: %w", id, store.ErrKeyDestroyed)
		}
		if err := errors.Join(err, change(t, ctx)); err != nil {
			return err
		}
		if info, err = t.Info(); err != nil {
			return err
		}
		return c.report("sealkv/tenant/1", tenantRow{TenantInfo: info, Status: info.Status()}, done, id)
	})
}
