package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/store"
)

func (c *cli) statsCommand() *cobra.Command {
	return c.selects(&cobra.Command{
		Use:   "stats [TENANT]",
		Short: "Count records and bytes by tenant, namespace and key",
		Long: `Count the records of the store, or of one tenant, by tenant, namespace, domain and
data key. It reads the head of every record and needs no root key, so what it
shows is not verified. After a rotation it shows how far the values have moved
to the new key. BYTES are those of the values, STORED those of records and their
keys in the store; a domain of ? is a key that the keyring does not have there.`,
		Example: `  kvctl stats
  kvctl stats acme --json | jq '[.rows[].records] | add'`,
		Args:              positional,
		ValidArgsFunction: c.completeTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			tenant := ""
			if len(args) == 1 {
				tenant = args[0]
			}
			return c.stats(cmd.Context(), tenant)
		},
	})
}

func (c *cli) stats(ctx context.Context, tenant string) error {
	return c.with(ctx, looking, func(s *store.Store) error {
		if tenant != "" {
			if _, err := s.Tenant(tenant); err != nil {
				return err
			}
		}
		rows, err := s.Usage(ctx, tenant)
		if err != nil {
			return err
		}
		l := c.list("sealkv/stats/1", []string{"tenant", "namespace", "domain", ">key", "state", ">records", ">bytes", ">stored"})
		var sum store.Usage
		for _, u := range rows {
			l.row(u, usageCells(u)...)
			sum.Records, sum.Bytes, sum.Stored = sum.Records+u.Records, sum.Bytes+u.Bytes, sum.Stored+u.Stored
		}
		if len(rows) > 1 {
			l.foot("total", "", "", "", "", human.Count(sum.Records), human.Size(sum.Bytes), human.Size(sum.Stored))
		}
		return l.end("No records.")
	})
}

func usageCells(u store.Usage) []string {
	return []string{
		u.Tenant, u.Namespace, u.Domain, numbersOf(u), u.State,
		human.Count(u.Records), human.Size(u.Bytes), human.Size(u.Stored),
	}
}
