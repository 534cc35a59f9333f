package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

// A shredFlags is what tenant shred was asked for.
type shredFlags struct {
	store.ShredOptions
	yes bool
}

func (c *cli) tenantShredCommand() *cobra.Command {
	var f shredFlags
	cmd := &cobra.Command{
		Use:   "shred TENANT",
		Short: "Destroy a tenant's keys and what they sealed, for good",
		Long: `Destroy the keys of a tenant and delete what they sealed. Nothing brings it back,
and the tenant's id is never given again. The tenant's root need not answer.

  --in-scope          only the tenant's keys and the namespaces that are under them;
                      what is under platform keys lives on
  --namespace NAME    only these namespaces (repeat it for several), which may be
                      written anew afterwards; this needs the tenant's root

It goes through durable steps, and run again it completes what was cut short. The
receipt is in the audit log: keep its head elsewhere, and kvctl audit verify --head
tells whether the log still has it. Registered backups that may hold the keys are named.

Copies of the files that were made before, such as file-system snapshots, are beyond
it: only destroying the tenant's root key ends those. It needs --yes.`,
		Example: `  kvctl tenant shred trial-17 --yes
  kvctl tenant shred acme --in-scope --yes
  kvctl tenant shred acme --namespace jira/attachments --yes`,
		Args:              positional,
		ValidArgsFunction: c.completeTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.InScope && len(f.Namespaces) > 0:
				return usagef("--in-scope and --namespace exclude one another")
			case !f.yes:
				return usagef("it destroys data of %s for good; add --yes if that is meant", args[0])
			}
			return c.shred(cmd.Context(), &f, args[0])
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.InScope, "in-scope", false, "only what is under the tenant's keys")
	flags.StringArrayVar(&f.Namespaces, "namespace", nil, "only the namespace `NAME`")
	flags.BoolVar(&f.yes, "yes", false, "confirm that it is meant")
	cmd.RegisterFlagCompletionFunc("namespace", func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c.completeNamespace(cmd, args[:1], start)
	})
	return c.selects(cmd)
}

func (c *cli) shred(ctx context.Context, f *shredFlags, id string) error {
	return c.withTenant(ctx, writing, id, func(s *store.Store, t *store.Tenant) error {
		if err := checkKeyed(s, id, f.Namespaces); err != nil {
			return err
		}
		receipt, err := t.Shred(ctx, &f.ShredOptions)
		if err != nil {
			return err
		}
		receipt.Namespaces, receipt.Backups = nonNil(receipt.Namespaces), nonNil(receipt.Backups)
		what := "all of it"
		switch {
		case f.InScope:
			what = "what was under its keys"
		case len(f.Namespaces) > 0:
			what = human.Counted(len(f.Namespaces), "namespace")
		}
		err = c.report("sealkv/shred/1", receipt, "Shredded %s (%s): %s destroyed.\nhead  %s\nThe receipt is in the audit log: keep the head elsewhere, for kvctl audit verify --head.",
			id, what, human.Counted(receipt.Keys, "key"), receipt.Head)
		for _, backup := range receipt.Backups {
			c.note("backup %s may hold the keys still: delete all copies of it, then kvctl backups forget %[1]s --yes", backup)
		}
		return err
	})
}

// checkKeyed refuses a namespace that the tenant never had a key in: a name that is mistyped must
// not pass for one that is gone.
func checkKeyed(s *store.Store, tenant string, namespaces []string) error {
	keyed, err := keyedNamespaces(s, tenant)
	if err != nil {
		return err
	}
	for _, name := range namespaces {
		if err := scope.CheckNamespace(name); err != nil {
			return err
		}
		if !slices.Contains(keyed, name) {
			return fmt.Errorf("%w: %s never had one in %s; nothing was shredded", errNoKey, tenant, name)
		}
	}
	return nil
}
