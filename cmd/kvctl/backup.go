package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/store"
)

func (c *cli) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup DIR",
		Short: "Copy the store, as it is at this moment",
		Long: `Copy the store into a directory that does not exist yet or is empty. The copy opens
for reading: ls, get, stats, inspect, verify and the others that change nothing work
on it with --store DIR; kvctl restore makes a store of it that can be written. On the
store's file system it shares the files that never change, so it takes a moment and
little room; copy it to another machine with what copies directories.

The store remembers the backup: until kvctl backups forget, no data key is retired
that it may need. Root keys are not in it: without them nothing in it opens.

A service that has the store open backs it up itself: Store.Backup.`,
		Example: `  kvctl backup /backups/monday
  kvctl --store /backups/monday verify`,
		Args: positional,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), writing, func(s *store.Store) error {
				info, err := s.Backup(cmd.Context(), args[0])
				if errors.Is(err, fs.ErrExist) {
					return withHint(err, "name a directory that does not exist yet, or is empty")
				}
				if err != nil {
					return err
				}
				return c.report("sealkv/backup/1", info, "Backed up %s into %s as %s", s.Dir(), info.Place, info.ID)
			})
		},
	}
}

func (c *cli) backupsCommand() *cobra.Command {
	return family("backups", "List and forget registered backups",
		"The backups that the store remembers: while it does, no data key is retired that\nthey may need.",
		c.backupsLsCommand(), c.backupsForgetCommand())
}

func (c *cli) backupsLsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List registered backups",
		Long: `List the backups that the store remembers. PENDING ones are being made, or were cut
short: delete what is there, and forget them.`,
		Example: "  kvctl backups ls",
		Args:    positional,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), looking, func(s *store.Store) error {
				list, err := s.Backups()
				if err != nil {
					return err
				}
				l := c.list("sealkv/backups/1", []string{"id", "began", "state", "place"})
				for _, b := range list {
					state := "pending"
					if b.Complete {
						state = "complete"
					}
					l.row(b, b.ID, moment(b.Began), state, b.Place)
				}
				return l.end("No backups.")
			})
		},
	}
}

func (c *cli) backupsForgetCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "forget ID",
		Short: "Let keys go that only this backup needs",
		Long: `End the registration of a backup that was deleted with all its copies. Data keys
that it alone needed can be retired from then on: what is restored from a copy that
is left after that has records that nothing opens. It needs --yes.`,
		Example: "  kvctl backups forget 4ed23e1d479c0ac32b5cef55d124ba7b --yes",
		Args:    positional,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return usagef("it gives up what a backup needs; add --yes once all copies of it are deleted")
			}
			return c.with(cmd.Context(), writing, func(s *store.Store) error {
				if err := s.ForgetBackup(cmd.Context(), args[0]); err != nil {
					return err
				}
				return c.report("sealkv/backups-forget/1", struct {
					ID string `json:"id"`
				}{args[0]}, "Forgot backup %s", args[0])
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "confirm that all copies of it are deleted")
	return cmd
}

func (c *cli) restoreCommand() *cobra.Command {
	var newest string
	cmd := &cobra.Command{
		Use:   "restore BACKUP",
		Short: "Make a store of a backup",
		Long: `Make a store of a backup, in the directory that --store names, which does not exist
yet or is empty. The backup is only read.

Give the newest keyring there is with --newest: the directory of the store that was
lost or damaged, if its keyring.db is whole, or that of the latest backup. What was
rotated, revoked, retired or shredded since the backup then stays so, and records
whose keys were destroyed stay gone. Without it what was shredded comes back.

It first checks that the keyring has every key that the records name. The platform's
root key must answer. kvctl verify then opens every record.`,
		Example: `  kvctl --store ./data2 restore /backups/monday --newest ./data
  kvctl --store ./data2 verify`,
		Args: positional,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.restore(cmd.Context(), args[0], newest)
		},
	}
	cmd.Flags().StringVar(&newest, "newest", "", "`DIR` of a store or backup with the newest keyring, or that keyring.db")
	cmd.MarkFlagDirname("newest")
	return cmd
}

func (c *cli) restore(ctx context.Context, from, newest string) error {
	dir, err := c.storeDir()
	if err != nil {
		return err
	}
	r, err := store.Restore(ctx, from, dir, newest, c.options(writing))
	switch {
	case errors.Is(err, fs.ErrExist):
		return withHint(err, "name a directory that does not exist yet, or is empty, with --store")
	case errors.Is(err, store.ErrNoStore):
		return withHint(err, "BACKUP is the directory that kvctl backup made, whole")
	case errors.Is(err, store.ErrNotBackup):
		return withHint(err, "kvctl --store %s backup DIR makes one", from)
	case err != nil:
		return err
	}
	if c.json {
		r.Destroyed = nonNil(r.Destroyed)
		return c.show("sealkv/restore/1", r)
	}
	c.say("Restored %s from the backup of %s, into %s", human.Counted(int(r.Records), "record"), moment(r.Backup.Began), dir)
	for _, u := range r.Destroyed {
		c.say("  gone: %s of %s in %s, whose keys were destroyed since", human.Counted(int(u.Records), "record"), u.Tenant, u.Namespace)
	}
	if !r.Newer {
		c.note("no newer keyring than the backup's: what was rotated, revoked or shredded since then is not known here")
	}
	return nil
}
