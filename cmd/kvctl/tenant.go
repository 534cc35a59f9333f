package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store"
)

func (c *cli) tenantCommand() *cobra.Command {
	return family("tenant", "Add, list, enroll, revoke, restore and shred tenants",
		`A tenant is a customer. One that brings a root key of its own is enrolled; one
without is hosted: its key is under the platform's root.`,
		c.tenantAddCommand(), c.tenantLsCommand(), c.tenantShowCommand(),
		c.tenantEnrollCommand(), c.tenantLeaveCommand(), c.tenantRevokeCommand(), c.tenantRestoreCommand(),
		c.tenantShredCommand())
}

func (c *cli) tenantAddCommand() *cobra.Command {
	var root rootFlags
	cmd := &cobra.Command{
		Use:   "add TENANT",
		Short: "Add a tenant",
		Long: `Add a tenant. TENANT is 1 to 64 of A-Z a-z 0-9 . _ - and never changes nor comes
back: an id, not a display name.

With --root the tenant brings its own root key, which serves no other tenant.
The key file is created, for its owner alone, if it does not exist.`,
		Example: `  kvctl tenant add acme --root /media/acme/acme.key
  kvctl tenant add trial-17                            # hosted, under the platform's root`,
		Args: positional,
		RunE: func(cmd *cobra.Command, args []string) error { return c.tenantAdd(cmd.Context(), args[0], root) },
	}
	c.rootFlags(cmd, &root, "`FILE` of the tenant's own root key, or its URI")
	return cmd
}

// A tenantRow is the JSON of a tenant.
type tenantRow struct {
	keys.TenantInfo
	Status      string `json:"status"`
	RootCreated bool   `json:"root_created,omitempty"`
}

func (c *cli) tenantAdd(ctx context.Context, id string, r rootFlags) error {
	if r.protect && r.name == "" {
		return usagef("--protect is for the key file that --root names")
	}
	c.tenant = id
	return c.with(ctx, writing, func(s *store.Store) (err error) {
		if err := checkNoTenant(s, id); err != nil {
			return err
		}
		var file rootFile
		if r.name != "" {
			if file, err = r.find(s.Dir()); err != nil {
				return err
			}
			if err := c.create(ctx, &file, r.protect); err != nil {
				return err
			}
			defer func() { c.warnNewRoot(&file, err) }()
		}
		t, err := s.AddTenant(ctx, id, &store.TenantOptions{Root: file.uri})
		if err != nil {
			return err
		}
		info, err := t.Info()
		if err != nil {
			return err
		}
		row := tenantRow{info, info.Status(), file.created}
		if file.uri == "" {
			return c.report("sealkv/tenant/1", row, "Added tenant %s, hosted under the platform's root", id)
		}
		return c.report("sealkv/tenant/1", row, "Added tenant %s under its own root %s", id, file.describe())
	})
}

// checkNoTenant looks before a key file is made for a tenant that cannot be.
func checkNoTenant(s *store.Store, id string) error {
	_, err := s.Tenant(id)
	switch {
	case err == nil:
		return fmt.Errorf("%w: %s", store.ErrTenantExists, id)
	case errors.Is(err, store.ErrTenantUnknown):
		return nil
	}
	return err
}

func (c *cli) tenantLsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List the tenants",
		Long:    "List the tenants. It needs no root key, so what it shows is not verified.",
		Example: "  kvctl tenant ls --json | jq -r '.rows[].tenant'",
		Args:    positional,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), looking, func(s *store.Store) error {
				l := c.list("sealkv/tenant/1", []string{"tenant", "status", ">keys", "created", "root"})
				err := eachTenant(s, func(t keys.TenantInfo) error {
					l.row(tenantRow{TenantInfo: t, Status: t.Status()},
						t.ID, t.Status(), human.Count(uint64(t.DataKeys)), moment(t.Created), t.Root)
					return nil
				})
				if err != nil {
					return l.fail(err)
				}
				return l.end("No tenants yet: kvctl tenant add TENANT")
			})
		},
	}
}

const tenantPage = 256

func eachTenant(s *store.Store, fn func(keys.TenantInfo) error) error {
	for after := ""; ; {
		page, err := s.Tenants(after, tenantPage)
		if err != nil {
			return err
		}
		for _, t := range page {
			if err := fn(t); err != nil {
				return err
			}
			after = t.ID
		}
		if len(page) < tenantPage {
			return nil
		}
	}
}

func (c *cli) tenantShowCommand() *cobra.Command {
	return c.selects(&cobra.Command{
		Use:               "show TENANT",
		Short:             "Show a tenant's state and its root",
		Long:              "Show a tenant's state and its root. It needs no root key, so what it shows is not\nverified.",
		Example:           "  kvctl tenant show acme",
		Args:              positional,
		ValidArgsFunction: c.completeTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withTenant(cmd.Context(), looking, args[0], func(_ *store.Store, t *store.Tenant) error {
				info, err := t.Info()
				if err != nil {
					return err
				}
				return c.showTenant(info)
			})
		},
	})
}

func (c *cli) showTenant(t keys.TenantInfo) error {
	root, version := "", "" // a shredded tenant has neither
	if !t.Shredded {
		holder := "its own"
		if t.Hosted {
			holder = "the platform's"
		}
		root = fmt.Sprintf("%s (%s)", t.Root, holder)
		version = "version " + strconv.FormatUint(uint64(t.KeyVersion), 10)
	}
	revoked := ""
	switch {
	case t.Shredded: // nothing ends that
	case t.Revoked:
		revoked = "by an operator; kvctl tenant restore " + t.ID + " ends it"
	case t.RootRevoked:
		revoked = "by its root; it ends when the root key is enabled again"
	}
	return c.show("sealkv/tenant/1", tenantRow{TenantInfo: t, Status: t.Status()},
		[2]string{"tenant", t.ID},
		[2]string{"status", t.Status()},
		[2]string{"revoked", revoked},
		[2]string{"root", root},
		[2]string{"root version", t.RootVersion},
		[2]string{"tenant key", version},
		[2]string{"data keys", human.Count(uint64(t.DataKeys)) + ", not counting retired ones"},
		[2]string{"created", moment(t.Created)},
	)
}
