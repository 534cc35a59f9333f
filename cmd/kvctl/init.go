package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

func (c *cli) initCommand() *cobra.Command {
	var (
		root   rootFlags
		policy string
	)
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Create a store",
		Long: `Create a store in the directory that --store names, which does not exist yet or
is empty. Its platform key goes under the root key in --root, a file that is
created, for its owner alone, if it does not exist. The store keeps the file's
absolute path, not the file: who loses it loses the data.`,
		Example: `  kvctl --store ./data init --root ./platform.key
  kvctl --store ./data init --root ./platform.key --protect   # asks for a passphrase
  kvctl --store ./data init --root ./platform.key --policy ours.yaml`,
		Args: positional,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.init(cmd.Context(), root, policy) },
	}
	c.rootFlags(cmd, &root, "`FILE` of the platform's root key, or its URI (required)")
	cmd.Flags().StringVar(&policy, "policy", "", "scope policy in `FILE`; without it the one that kvctl scope show prints")
	cmd.MarkFlagFilename("policy", "yaml", "yml")
	return cmd
}

func (c *cli) rootFlags(cmd *cobra.Command, r *rootFlags, usage string) {
	cmd.Flags().StringVar(&r.name, "root", "", usage)
	cmd.Flags().BoolVar(&r.protect, "protect", false, "protect the key file that is created by a passphrase")
	cmd.MarkFlagFilename("root")
}

// An initRow is the JSON of a new store.
type initRow struct {
	Store       string `json:"store"`
	ID          string `json:"id"`
	Root        string `json:"root"`
	RootCreated bool   `json:"root_created"`
	Policy      string `json:"policy"`
}

func (c *cli) init(ctx context.Context, r rootFlags, policy string) error {
	dir, err := c.storeDir()
	if err != nil {
		return err
	}
	if r.name == "" {
		return withHint(usagef("--root is missing: a store needs a root key for the platform"),
			"kvctl --store %s init --root FILE creates FILE if it does not exist", dir)
	}
	opts := c.options(writing)
	if policy != "" {
		if opts.Policy, err = readPolicy(policy); err != nil {
			return err
		}
	}
	file, err := r.find(dir)
	if err != nil {
		return err
	}
	if err := c.checkNoStore(ctx, dir); err != nil {
		return err
	}
	if err := c.create(ctx, &file, r.protect); err != nil {
		return err
	}
	s, err := store.Create(ctx, dir, file.uri, opts)
	if errors.Is(err, fs.ErrExist) {
		if file.created {
			os.Remove(file.path) // nothing is under it yet
		}
		return withHint(err, "name a directory that does not exist yet, or is empty, with --store")
	}
	if err != nil {
		return err
	}
	row := initRow{s.Dir(), fmt.Sprintf("%x", s.Identity().Store), file.uri, file.created, s.Policy().String()}
	if err := s.Close(); err != nil {
		return err
	}
	defer c.warnNewRoot(&file, nil)
	return c.report("sealkv/init/1", row, "Created a store in %s\n  root    %s\n  policy  %s\nNext: kvctl --store %s tenant add TENANT",
		row.Store, file.describe(), row.Policy, dir)
}

// checkNoStore looks before a key file is made for a store that cannot be.
func (c *cli) checkNoStore(ctx context.Context, dir string) error {
	s, err := store.Open(ctx, dir, c.options(looking))
	switch {
	case err == nil:
		s.Close()
		return withHint(fmt.Errorf("a store in %s: %w", dir, fs.ErrExist), "use it, or name another directory with --store")
	case errors.Is(err, store.ErrNoStore), errors.Is(err, store.ErrIncomplete):
		return nil
	}
	return err
}

func readPolicy(name string) (*scope.Policy, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	p, err := scope.Parse(name, text)
	if err != nil {
		return nil, policyError{err}
	}
	return p, nil
}

// A policyError is an errPolicy whose text is the parser's.
type policyError struct{ error }

func (policyError) Is(target error) bool { return target == errPolicy }
