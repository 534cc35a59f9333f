package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/keys/root/keyfile"
)

func (c *cli) rootCommand() *cobra.Command {
	return family("root", "Work on key files that hold root keys",
		`A key file holds one root key in all its versions. These commands touch no store:
whoever holds the file runs them. Disabling a tenant's key file is how the
tenant itself revokes its key: running services notice when they next ask the root, at
the latest at the end of their KeyTTL (5 minutes by default).`,
		c.rootNewCommand(), c.rootRotateCommand(), c.rootDisableCommand(), c.rootEnableCommand(), c.rootShowCommand())
}

func (c *cli) rootNewCommand() *cobra.Command {
	var protect bool
	cmd := &cobra.Command{
		Use:   "new FILE",
		Short: "Create a key file with a new root key",
		Long: `Create a key file with a new root key, readable by its owner alone. It never
overwrites a file.`,
		Example: `  kvctl root new acme.key --protect`,
		Args:    positional,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := keyPath(args[0])
			if err != nil {
				return err
			}
			if err := c.newKeyFile(cmd.Context(), path, protect); err != nil {
				return err
			}
			err = c.rootShow(cmd.Context(), path)
			c.warnNewRoot(&rootFile{path: path, created: true}, nil)
			return err
		},
	}
	cmd.Flags().BoolVar(&protect, "protect", false, "protect it by a passphrase")
	return cmd
}

func (c *cli) rootRotateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate FILE",
		Short: "Add a new version of the root key",
		Long: `Add a new version of the root key. Earlier versions stay, for what they wrapped.
What is wrapped from now on is under the new one; kvctl keys rotate TENANT
--root FILE brings a tenant key under it.`,
		Example: `  kvctl root rotate acme.key && kvctl keys rotate acme --root acme.key`,
		Args:    positional,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeRoot(cmd.Context(), args[0], func(ctx context.Context, path string) error {
				_, err := keyfile.Rotate(ctx, path, c.passphrases.ask)
				return err
			})
		},
	}
}

func (c *cli) rootDisableCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "disable FILE",
		Short:   "Revoke the root key, until enable",
		Long:    "Revoke the root key in all its versions, until kvctl root enable.",
		Example: `  kvctl root disable acme.key`,
		Args:    positional,
		RunE:    func(cmd *cobra.Command, args []string) error { return c.setDisabled(cmd.Context(), args[0], true) },
	}
}

func (c *cli) rootEnableCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "enable FILE",
		Short:   "Make a disabled root key usable again",
		Long:    "Make a root key usable again that kvctl root disable revoked.",
		Example: `  kvctl root enable acme.key`,
		Args:    positional,
		RunE:    func(cmd *cobra.Command, args []string) error { return c.setDisabled(cmd.Context(), args[0], false) },
	}
}

func (c *cli) setDisabled(ctx context.Context, name string, disabled bool) error {
	return c.changeRoot(ctx, name, func(ctx context.Context, path string) error {
		return keyfile.SetDisabled(ctx, path, disabled, c.passphrases.ask)
	})
}

// changeRoot changes a key file and shows what it is then.
func (c *cli) changeRoot(ctx context.Context, name string, change func(ctx context.Context, path string) error) error {
	path, err := keyPath(name)
	if err != nil {
		return err
	}
	if err := change(ctx, path); err != nil {
		return err
	}
	return c.rootShow(ctx, path)
}

func (c *cli) rootShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show FILE",
		Short:   "Show the versions of a root key, never the key",
		Long:    "Show the versions of a root key and whether they are usable. It never prints the key.",
		Example: `  kvctl root show acme.key`,
		Args:    positional,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := keyPath(args[0])
			if err != nil {
				return err
			}
			return c.rootShow(cmd.Context(), path)
		},
	}
}

// A rootRow is the JSON of one version of a root key.
type rootRow struct {
	Version string `json:"version"`
	Created string `json:"created"`
	State   string `json:"state"`
}

func (c *cli) rootShow(ctx context.Context, path string) error {
	info, err := keyfile.Inspect(ctx, path, c.passphrases.ask)
	if err != nil {
		return err
	}
	uri, err := keyfile.URI(path)
	if err != nil {
		return err
	}
	protected := "its permissions only"
	if info.Protected {
		protected = "a passphrase"
	}
	c.say("%s, protected by %s", uri, protected)
	l := c.list("sealkv/root/1", []string{"version", "created", "state"}, "uri", uri, "protected", info.Protected, "disabled", info.Disabled)
	for i, v := range info.Versions {
		row := rootRow{v.ID, v.Created.Format("2006-01-02T15:04:05Z"), rootState(info, i)}
		l.row(row, v.ID, moment(v.Created), row.State)
	}
	return l.end("")
}

func rootState(info keyfile.Info, i int) string {
	switch {
	case info.Disabled || info.Versions[i].Disabled:
		return "disabled"
	case i == len(info.Versions)-1:
		return "newest"
	}
	return "older"
}
