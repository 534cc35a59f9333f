package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/store"
)

func (c *cli) keysMissesCommand() *cobra.Command {
	return c.selects(&cobra.Command{
		Use:   "misses TENANT [NAMESPACE...]",
		Short: "List the values that sweeps could not open",
		Long: `List the values that the last sweeps could not open, why, and under which data key
they are: up to 1,000 of each namespace. They keep that key from being retired. A
later sweep that opens such a value, or finds it gone, takes it off the list. So put
back what a backup has, or remove what is lost, and sweep again.`,
		Example:           "  kvctl keys misses acme",
		Args:              positional,
		ValidArgsFunction: c.completeRotate,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.misses(cmd.Context(), args)
		},
	})
}

// A missRow is a miss in JSON.
type missRow struct {
	Tenant    string `json:"tenant"`
	Namespace string `json:"namespace"`
	keyName
	DataKey uint32    `json:"data_key"`
	Seen    time.Time `json:"seen"`
	Error   failure   `json:"error"`
}

func (c *cli) misses(ctx context.Context, args []string) error {
	return c.withTenant(ctx, reading, args[0], func(_ *store.Store, t *store.Tenant) error {
		names, err := namespaces(t, args)
		if err != nil {
			return err
		}
		l := c.list("sealkv/misses/1", []string{"tenant", "namespace", ">data key", "seen", "why", "key"})
		for m, err := range t.Misses(ctx, names...) {
			if err != nil {
				return l.fail(err)
			}
			row := missRow{t.ID(), m.Err.Namespace, nameKey(m.Key), m.Err.Number, m.Seen, c.explain(nil, m.Err)}
			l.row(row, t.ID(), m.Err.Namespace, number(m.Err.Number), moment(m.Seen), message(m.Err.Err), printable(m.Key))
		}
		return l.end("No misses are listed.")
	})
}
