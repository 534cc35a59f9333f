package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/demo"
)

func (c *cli) demoCommand() *cobra.Command {
	var opts demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the main job on a store made up for the purpose",
		Long: `Show the main job on a store of its own, in under 30 seconds: values of several
tenants sealed under keys chosen by data type, a key rotated, values brought
under the new key as they are read, a tenant's key revoked and restored. It prints
what it does, and the commands that a person would type to do the same.

It makes its data up, or takes that in --data: a folder as kvctl import reads it.
The store is a temporary one; --keep or --dir leaves it to be looked at.`,
		Example: `  kvctl demo
  kvctl demo --data ./data --dir ./demo`,
		Args: positional,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.json {
				return usagef("the demo is for people, and has no --json")
			}
			opts.Color, opts.Command = coloured(c.out), calledAs()
			opts.Message = func(err error) string { return "kvctl: " + message(err) }
			return demo.Run(cmd.Context(), c.out, &opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Data, "data", "", "import the folder `DIR` instead of data that is made up")
	flags.StringVar(&opts.Dir, "dir", "", "make the store in `DIR`, which is new or empty, and leave it there")
	flags.BoolVar(&opts.Keep, "keep", false, "leave the temporary store")
	cmd.MarkFlagDirname("data")
	cmd.MarkFlagDirname("dir")
	return cmd
}

// calledAs is what a person would type to run this program: where go run built it, not kvctl.
func calledAs() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/kvctl"
	}
	return "kvctl"
}
