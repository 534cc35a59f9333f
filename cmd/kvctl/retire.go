package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/store"
)

// A retireFlags is what keys retire was asked for.
type retireFlags struct{ all, force, yes bool }

func (c *cli) keysRetireCommand() *cobra.Command {
	var f retireFlags
	cmd := &cobra.Command{
		Use:   "retire [TENANT] [NAMESPACE] [KEY]",
		Short: "Destroy data keys that nothing needs any more",
		Long: `Destroy a draining data key for good, if a completed sweep that began after its
rotation found nothing under it; kvctl keys coverage tells. Its number never comes
back, and its wrapped bytes leave the keyring's file. Without KEY it does so with every
key of the namespace, of the tenant or of all that nothing needs, and passes over the
others.

--force destroys it all the same: what is under it can never be read again, and the
audit log says that it was forced. It needs --yes. Retiring a key that is retired
already completes what was cut short, if anything.`,
		Example: `  kvctl keys retire acme jira/comments 7
  kvctl keys retire acme
  kvctl keys retire --all`,
		Args:              positional,
		ValidArgsFunction: c.completeNamespace,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 && !f.all:
				return usagef("TENANT is missing; --all is for the keys of all tenants")
			case len(args) > 0 && f.all:
				return usagef("--all goes without TENANT")
			case len(args) < 3 && f.force:
				return usagef("--force goes with TENANT NAMESPACE KEY: one key at a time")
			case len(args) < 3:
				return c.retireUnneeded(cmd.Context(), args)
			}
			key, err := strconv.ParseUint(args[2], 10, 32)
			if err != nil || key == 0 {
				return usagef("KEY is the number of a data key, as kvctl keys coverage shows it")
			}
			if f.force && !f.yes {
				return usagef("--force destroys what is under the key for good; add --yes if that is meant")
			}
			return c.retire(cmd.Context(), &f, args[0], args[1], uint32(key))
		},
	}
	cmd.Flags().BoolVar(&f.all, "all", false, "of all tenants")
	cmd.Flags().BoolVar(&f.force, "force", false, "also if something is under it, which is lost then")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "confirm --force")
	return c.selects(cmd)
}

// retireUnneeded retires what can be of the tenant and the namespace that args name, or of all.
func (c *cli) retireUnneeded(ctx context.Context, args []string) error {
	return c.with(ctx, writing, func(s *store.Store) error {
		l := c.list("sealkv/retire/1", []string{"tenant", "namespace", "domain", ">retired"})
		err := c.eachNamed(s, args, "retiring", func(t *store.Tenant) error {
			names, err := namespaces(t, args)
			if err != nil {
				return err
			}
			retired, err := t.RetireDataKeys(ctx, names...)
			for _, k := range retired {
				l.row(retiredRow{Tenant: k.Tenant, Namespace: k.Namespace, DataKey: k.Number}, k.Tenant, k.Namespace, k.Domain, number(k.Number))
			}
			return err
		})
		if err != nil {
			return l.fail(err)
		}
		return l.end("Nothing to retire: kvctl keys coverage says what needs each key.")
	})
}

// A retiredRow is the JSON of a retirement.
type retiredRow struct {
	Tenant    string `json:"tenant"`
	Namespace string `json:"namespace"`
	DataKey   uint32 `json:"data_key"`
	Forced    bool   `json:"forced"`
}

func (c *cli) retire(ctx context.Context, f *retireFlags, tenant, namespace string, key uint32) error {
	return c.withTenant(ctx, writing, tenant, func(_ *store.Store, t *store.Tenant) error {
		c.namespace = namespace
		if err := t.RetireDataKey(ctx, namespace, key, f.force); err != nil {
			return notRetired(t, namespace, key, err)
		}
		return c.report("sealkv/retire/1", retiredRow{tenant, namespace, key, f.force},
			"Retired data key %d of %s in %s: it opens nothing any more.", key, tenant, namespace)
	})
}
