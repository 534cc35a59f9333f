package main

import (
	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
)

func (c *cli) scopeCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check a policy's file",
		Long: `Check a policy's file, with the line of every mistake in it (exit code 10). What it
would change in a store is for kvctl scope diff.`,
		Example: `  kvctl scope check ours.yaml`,
		Args:    positional,
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			return c.report("sealkv/scope-check/1", checkRow{p.Name(), p.Version(), len(p.Rules())},
				"%s is a policy: %s", p, human.Counted(len(p.Rules()), "rule"))
		},
	}
}

// A checkRow is the JSON of a policy's file that is whole.
type checkRow struct {
	Policy  string `json:"policy"`
	Version int    `json:"version"`
	Rows    int    `json:"rules"`
}
