package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/store"
)

func (c *cli) dictCommand() *cobra.Command {
	return family("dict", "Train and list the dictionaries that values are compressed with",
		`Where the policy says compression: zstd-dict, values are compressed with a
dictionary of what the tenant's values in that namespace have in common. It is
sealed as they are, and serves no other tenant and namespace.`,
		c.dictTrainCommand(), c.dictLsCommand())
}

func (c *cli) dictTrainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "train TENANT NAMESPACE",
		Short: "Train a new dictionary from a sample of the values",
		Long: `Train a new dictionary from a sample of the namespace's values. What is written from
then on is compressed with it, and so is what is read; kvctl keys sweep moves the
rest, and drops the older one.

It need not be called: the first dictionary is trained by kvctl keys sweep, or by
the service once enough was written. Train another when the values have changed.`,
		Example:           "  kvctl dict train acme jira/comments && kvctl keys sweep acme",
		Args:              positional,
		ValidArgsFunction: c.completeNamespace,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.dictTrain(cmd.Context(), args[0], args[1])
		},
	}
}

func (c *cli) dictTrain(ctx context.Context, tenant, namespace string) error {
	return c.withTenant(ctx, writing, tenant, func(_ *store.Store, t *store.Tenant) error {
		c.namespace = namespace
		n, err := t.Namespace(namespace)
		if err != nil {
			return err
		}
		d, err := n.TrainDictionary(ctx)
		if err != nil {
			return err
		}
		return c.report("sealkv/dict-train/1", d, "Trained dictionary %d of %s in %s, %s as it is stored.", d.Number, tenant, namespace, human.Size(d.Stored))
	})
}

func (c *cli) dictLsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ls TENANT NAMESPACE",
		Short: "List the dictionaries of a namespace",
		Long: `List the dictionaries of a namespace, the oldest first. What is written is compressed
with the last. It needs no root key, so what it shows is not verified.`,
		Example:           "  kvctl dict ls acme jira/comments",
		Args:              positional,
		ValidArgsFunction: c.completeNamespace,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.dictLs(cmd.Context(), args[0], args[1])
		},
	}
}

func (c *cli) dictLs(ctx context.Context, tenant, namespace string) error {
	return c.withTenant(ctx, looking, tenant, func(_ *store.Store, t *store.Tenant) error {
		n, err := t.Namespace(namespace)
		if err != nil {
			return err
		}
		found, err := n.Dictionaries(ctx)
		if err != nil {
			return err
		}
		l := c.list("sealkv/dict/1", []string{"tenant", "namespace", ">dictionary", "trained", ">key", ">stored"})
		for _, d := range found {
			l.row(d, d.Tenant, d.Namespace, number(d.Number), moment(d.Trained), numbersOf(store.Usage{Keys: d.Keys}), human.Size(d.Stored))
		}
		return l.end("No dictionary yet.")
	})
}
