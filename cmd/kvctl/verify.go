package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/store"
)

// errBad says that a store is not as it must be.
var errBad = errors.New("not everything is as it must be")

func (c *cli) verifyCommand() *cobra.Command {
	var keyless, all bool
	cmd := &cobra.Command{
		Use:   "verify [TENANT] [NAMESPACE]",
		Short: "Open every record, and report what does not open",
		Long: `Open every record and every chunk of the store, of a tenant or of a namespace, and
count by tenant and namespace what opens, and what does not. It changes nothing, goes
on past what is bad, names that on standard error, and then ends with exit code 7. It
works on a backup as on any store.

DARK records are those of a tenant that is revoked or whose root cannot be asked: of
them, and with --keyless of all, it checks what needs no key: that each is an
envelope under keys that are known where it lies, with all its chunks.

Records that have reached their max-age are left out, collected or not.

It also counts blobs that are left over, which kvctl collect or a service deletes,
and those that nothing accounts for.`,
		Example: `  kvctl verify
  kvctl verify acme jira/attachments
  kvctl --store BACKUP verify --keyless --json`,
		Args:              positional,
		ValidArgsFunction: c.completeTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && all {
				return usagef("--all goes without TENANT")
			}
			opts := store.VerifyOptions{HeadsOnly: keyless}
			if len(args) > 0 {
				opts.Tenant = args[0]
			}
			if len(args) > 1 {
				opts.Namespace = args[1]
			}
			return c.verify(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "of all tenants, as without TENANT")
	cmd.Flags().BoolVar(&keyless, "keyless", false, "ask no root: check heads and chunks without opening them")
	return c.selects(cmd)
}

// A badRow is the JSON of what one record has.
type badRow struct {
	Tenant    string `json:"tenant"`
	Namespace string `json:"namespace"`
	keyName
	Error failure `json:"error"`
	key   []byte
}

func (c *cli) verify(ctx context.Context, opts store.VerifyOptions) error {
	how := reading
	if opts.HeadsOnly {
		how = looking
	}
	return c.with(ctx, how, func(s *store.Store) error {
		if opts.Tenant != "" {
			if _, err := s.Tenant(opts.Tenant); err != nil {
				return err
			}
		}
		bar := c.progress("verifying")
		var bad []badRow
		opts.Progress = func(records, _ uint64) { bar.count(records, "record") }
		opts.Failed = func(tenant, namespace string, key []byte, err error) {
			if len(bad) < maxBadRows {
				key = bytes.Clone(key)
				bad = append(bad, badRow{tenant, namespace, nameKey(key), c.explain(nil, err), key})
			}
		}
		v, err := s.Verify(ctx, &opts)
		bar.end()
		if err == nil && len(v.Rows) == 0 && opts.Namespace != "" {
			err = checkRule(s, opts.Namespace)
		}
		if err != nil {
			return err
		}
		return c.printVerification(v, bad)
	})
}

// maxBadRows bounds how many bad records are named.
const maxBadRows = 1000

func (c *cli) printVerification(v *store.Verification, bad []badRow) error {
	l := c.list("sealkv/verify/1", []string{"tenant", "namespace", ">records", ">bytes", ">blobs", ">opened", ">dark", ">bad"},
		"leftover_blobs", v.Leftover, "stray_blobs", v.Stray, "unread_keys", v.Unread, "bad", nonNil(bad))
	var sum store.Verified
	for _, r := range v.Rows {
		l.row(r, verifiedCells(r)...)
		sum.Records, sum.Bytes, sum.Blobs = sum.Records+r.Records, sum.Bytes+r.Bytes, sum.Blobs+r.Blobs
		sum.Opened, sum.Dark, sum.Bad = sum.Opened+r.Opened, sum.Dark+r.Dark, sum.Bad+r.Bad
	}
	if len(v.Rows) > 1 {
		sum.Tenant = "total"
		l.foot(verifiedCells(sum)...)
	}
	if err := l.end("No records."); err != nil {
		return err
	}
	for _, b := range bad {
		c.note("bad: %s of %s in %s: %s", printable(b.key), b.Tenant, b.Namespace, b.Error.Message)
	}
	for _, w := range []struct {
		n          uint64
		noun, what string
	}{
		{v.Leftover, "blob", "left over, which the next collection deletes"},
		{v.Stray, "blob", "with chunks that no journal knows"},
		{v.Unread, "key", "of the engine's that no store has"},
	} {
		if w.n > 0 {
			c.note("%s %s", human.Counted(int(w.n), w.noun), w.what)
		}
	}
	if v.Bad() > 0 {
		return fmt.Errorf("%w: %s", errBad, human.Counted(int(v.Bad()), "bad item"))
	}
	return nil
}

func verifiedCells(r store.Verified) []string {
	return []string{
		r.Tenant, r.Namespace, human.Count(r.Records), human.Size(r.Bytes), human.Count(r.Blobs), human.Count(r.Opened), human.Count(r.Dark), human.Count(r.Bad),
	}
}
