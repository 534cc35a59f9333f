package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store"
)

// Completion opens the store for inspection, which is cheap, needs no key and changes nothing.
// What cannot be looked up, such as in a store that a service holds, completes to nothing.

func (c *cli) completed(cmd *cobra.Command, start string, list func(s *store.Store) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	var words []string
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	err := c.with(ctx, looking, func(s *store.Store) (err error) {
		words, err = list(s)
		return err
	})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	words = slices.DeleteFunc(words, func(word string) bool { return !strings.HasPrefix(word, start) })
	return words, cobra.ShellCompDirectiveNoFileComp
}

// completeTenant completes TENANT alone.
func (c *cli) completeTenant(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.completeTenantFlag(cmd, args, start)
}

func (c *cli) completeTenantFlag(cmd *cobra.Command, _ []string, start string) ([]string, cobra.ShellCompDirective) {
	return c.completed(cmd, start, func(s *store.Store) (ids []string, err error) {
		err = eachTenant(s, func(t keys.TenantInfo) error {
			ids = append(ids, t.ID)
			return nil
		})
		return ids, err
	})
}

// completeNamespace completes TENANT and a NAMESPACE that holds something of the tenant's. Keys
// are data and stay out of shells' histories.
func (c *cli) completeNamespace(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return c.completeTenant(cmd, args, start)
	}
	return c.completed(cmd, start, func(s *store.Store) ([]string, error) { return keyedNamespaces(s, args[0]) })
}

// completeRotate completes TENANT and any number of NAMESPACEs.
func (c *cli) completeRotate(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	return c.completeNamespace(cmd, args[:min(1, len(args))], start)
}

// completePut completes TENANT, a NAMESPACE that the policy names, and FILE.
func (c *cli) completePut(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 1:
		return c.completePolicy(cmd, nil, start)
	case 3:
		return nil, cobra.ShellCompDirectiveDefault
	}
	return c.completeTenant(cmd, args, start)
}

// completePolicy completes a NAMESPACE that the policy has a rule of its own for.
func (c *cli) completePolicy(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.completed(cmd, start, func(s *store.Store) (names []string, err error) {
		for _, r := range s.Policy().Rules() {
			if !strings.HasPrefix(r.Namespace, "all/") {
				names = append(names, r.Namespace)
			}
		}
		return names, nil
	})
}

func keyedNamespaces(s *store.Store, tenant string) ([]string, error) {
	t, err := s.Tenant(tenant)
	if err != nil {
		return nil, err
	}
	all, err := t.DataKeys()
	var names []string
	for _, k := range all {
		names = append(names, k.Namespace)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}
