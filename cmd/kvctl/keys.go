package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

func (c *cli) keysCommand() *cobra.Command {
	return family("keys", "List, rotate and retire keys",
		`The root key wraps tenant keys, a tenant key wraps data keys, data keys seal
records. There is a data key for each tenant, namespace and domain; after a
rotation the old one opens what it sealed until all of it has moved.`,
		c.keysLsCommand(), c.keysRotateCommand(), c.keysSweepCommand(), c.keysMissesCommand(), c.keysCoverageCommand(), c.keysRetireCommand())
}

func (c *cli) keysLsCommand() *cobra.Command {
	return c.selects(&cobra.Command{
		Use:   "ls [TENANT]",
		Short: "List the data keys of a tenant, or of all",
		Long: `List the data keys of a tenant, or of all. A key is active (it seals), draining
(it only opens) or retired (destroyed). WRAPPED BY is the version of the tenant
key, or in the platform domain of the platform key; SUITE is what it seals by.
It needs no root key, so what it shows is not verified.`,
		Example:           "  kvctl keys ls acme",
		Args:              positional,
		ValidArgsFunction: c.completeTenant,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.keysLs(cmd.Context(), args) },
	})
}

func (c *cli) keysLs(ctx context.Context, tenants []string) error {
	return c.with(ctx, looking, func(s *store.Store) error {
		l := c.list("sealkv/keys/1", []string{"tenant", "namespace", "domain", ">key", "state", ">wrapped by", "suite", "created"})
		one := func(id string) error {
			t, err := s.Tenant(id)
			if err != nil {
				return err
			}
			all, err := t.DataKeys()
			for _, k := range all {
				l.row(k, k.Tenant, k.Namespace, k.Domain, number(k.Number), k.State, number(k.Parent), scope.Suite(k.Suite).String(), moment(k.Created))
			}
			return err
		}
		var err error
		if len(tenants) == 1 {
			err = one(tenants[0])
		} else {
			err = eachTenant(s, func(t keys.TenantInfo) error { return one(t.ID) })
		}
		if err != nil {
			return l.fail(err)
		}
		return l.end("No data keys yet: the first value of a namespace makes one.")
	})
}

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// numbersOf are the keys of one row of stats: 7, or 7+9 for two recipients.
func numbersOf(u store.Usage) string {
	var out []string
	for _, n := range u.Keys {
		out = append(out, number(n))
	}
	return strings.Join(out, "+")
}
