package main

import (
	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/store"
)

func (c *cli) tenantEnrollCommand() *cobra.Command {
	var root rootFlags
	cmd := &cobra.Command{
		Use:   "enroll TENANT",
		Short: "Put a hosted tenant's key under a root key of its own",
		Long: `Put the key of a tenant under a root key that it brings, and that serves no other
tenant. From then on it is the tenant that can revoke. Both roots must answer; no
record changes, and reads and writes go on. The key file is created, for its owner
alone, if it does not exist. Run again it completes what was cut short.

Someone who has had the platform's root may have kept the tenant key as it was under
it: kvctl keys rotate TENANT --tenant-key afterwards leaves them with nothing that
opens new data keys, and keys rotate and keys sweep bring the records under those.`,
		Example:           "  kvctl tenant enroll trial-17 --root /media/trial-17/root.key",
		Args:              positional,
		ValidArgsFunction: c.completeTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			if root.name == "" {
				return usagef("--root FILE is needed: the key that the tenant brings")
			}
			return c.with(cmd.Context(), writing, func(s *store.Store) error {
				return c.rotateRoot(cmd.Context(), s, args[0], &root)
			})
		},
	}
	c.rootFlags(cmd, &root, "`FILE` of the tenant's own root key, or its URI")
	return c.selects(cmd)
}

func (c *cli) tenantLeaveCommand() *cobra.Command {
	return c.selects(&cobra.Command{
		Use:   "leave TENANT",
		Short: "Put a tenant's key under the platform's root",
		Long: `Put the key of a tenant under the platform's root: the tenant is hosted from then
on, and its own root key serves it no more. Both roots must answer; no record
changes, and reads and writes go on. Run again it completes what was cut short.`,
		Example:           "  kvctl tenant leave acme",
		Args:              positional,
		ValidArgsFunction: c.completeTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), writing, func(s *store.Store) error {
				return c.rotateRoot(cmd.Context(), s, args[0], &rootFlags{})
			})
		},
	})
}
