package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/store"
)

func (c *cli) rmCommand() *cobra.Command {
	var (
		key   keyFlag
		force bool
	)
	cmd := &cobra.Command{
		Use:   "rm TENANT NAMESPACE KEY...",
		Short: "Delete records",
		Long: `Delete the records under the keys, durably. It needs no key of the tenant's, so
those of a revoked tenant can be deleted. Where a key has no record nothing at
all is deleted, unless --force says that this is no mistake.`,
		Example: `  kvctl rm acme jira/comments c1 c2`,
		Args:    positional, ValidArgsFunction: c.completeNamespace,
		RunE: func(cmd *cobra.Command, args []string) error {
			var named [][]byte
			for _, arg := range args[2:] {
				k, err := key.key(arg)
				if err != nil {
					return err
				}
				named = append(named, k)
			}
			return c.rm(cmd.Context(), args[0], args[1], named, force)
		},
	}
	key.register(cmd)
	cmd.Flags().BoolVarP(&force, "force", "f", false, "pass over keys that have no record")
	return cmd
}

func (c *cli) rm(ctx context.Context, tenant, namespace string, named [][]byte, force bool) error {
	return c.withNamespace(ctx, writing, tenant, namespace, func(n *store.Namespace) error {
		var there [][]byte
		for i, key := range named {
			has, err := n.Has(ctx, key)
			if err != nil {
				return err
			}
			if has {
				there = append(there, key)
			} else if !force {
				return c.noSuchKey(n, i, len(named))
			}
		}
		return c.remove(ctx, n, there)
	})
}

func (c *cli) remove(ctx context.Context, n *store.Namespace, named [][]byte) error {
	l := c.list("sealkv/rm/1", nil)
	for _, key := range named {
		if err := n.Delete(ctx, key); err != nil {
			return l.fail(err)
		}
		l.row(newRecordRow(n.Tenant(), n.Name(), key))
	}
	return l.end("")
}

func (c *cli) noSuchKey(n *store.Namespace, i, of int) error {
	err := notFoundIn(n.Tenant(), n.Name(), store.ErrNotFound)
	if of > 1 {
		return fmt.Errorf("key %d of %d: %w; nothing was deleted", i+1, of, err)
	}
	return err
}
