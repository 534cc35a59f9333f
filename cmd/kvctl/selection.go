package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// A selection is the flags that say in scripts what TENANT and NAMESPACE say on the command line.
type selection struct {
	tenant     string
	namespaces []string
}

// selects lets --tenant stand for a command's argument TENANT and, where it has any, --namespace for
// NAMESPACE. Its checks and its run see arguments either way.
func (c *cli) selects(cmd *cobra.Command) *cobra.Command {
	var s selection
	cmd.Flags().StringVar(&s.tenant, "tenant", "", "the same as the argument `TENANT`")
	cmd.RegisterFlagCompletionFunc("tenant", c.completeTenantFlag)
	if strings.Contains(cmd.Use, "NAMESPACE") {
		cmd.Flags().StringArrayVar(&s.namespaces, "namespace", nil, "the same as the argument `NAMESPACE`; may be repeated where several fit")
	}
	check, run := cmd.Args, cmd.RunE
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		args, err := s.arguments(args)
		if err != nil {
			return err
		}
		return check(cmd, args)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		args, err := s.arguments(args)
		if err != nil {
			return err
		}
		c.name(cmd, args)
		return run(cmd, args)
	}
	return cmd
}

// arguments puts what the flags say in its place: TENANT, NAMESPACE and what comes after them.
func (s *selection) arguments(args []string) ([]string, error) {
	if s.tenant != "" {
		if len(args) > 0 && !strings.Contains(args[0], "/") && len(s.namespaces) == 0 {
			return nil, usagef("%s and --tenant %s: a tenant is named once", args[0], s.tenant)
		}
		args = append([]string{s.tenant}, args...)
	}
	if len(s.namespaces) == 0 {
		return args, nil
	}
	if len(args) == 0 {
		return nil, usagef("--namespace goes with a tenant: TENANT or --tenant")
	}
	if len(args) > 1 && strings.Contains(args[1], "/") {
		return nil, usagef("%s and --namespace exclude one another", args[1])
	}
	out := append([]string{args[0]}, s.namespaces...)
	return append(out, args[1:]...), nil
}
