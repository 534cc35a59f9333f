package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/store"
)

// An lsFlags is what ls was asked for.
type lsFlags struct {
	key                keyFlag
	prefix, start, end string
	reverse, values    bool
	limit              int
}

func (c *cli) lsCommand() *cobra.Command {
	var f lsFlags
	cmd := &cobra.Command{
		Use:   "ls TENANT NAMESPACE",
		Short: "List the keys of a namespace, or its values",
		Long: `List the keys of a namespace in the order of their bytes, one a line. A key that
would not show on one line is quoted, as in Go; --json has every key exactly. It
needs no root key.

With --values print the beginning of each value too (--json prints all of it).
A record that does not open is listed with the reason, and the exit code is that
of the first such record.`,
		Example: `  kvctl ls acme jira/comments --prefix PROJ-1/ --limit 20
  kvctl ls acme jira/comments --reverse --limit 1      # the last key
  kvctl ls acme jira/comments --values --json | jq -r '.rows[].value'`,
		Args:              positional,
		ValidArgsFunction: c.completeNamespace,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := f.options(cmd)
			if err != nil {
				return err
			}
			return c.ls(cmd.Context(), args[0], args[1], opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.prefix, "prefix", "", "only keys that begin with `KEY`")
	flags.StringVar(&f.start, "start", "", "only keys from `KEY` on")
	flags.StringVar(&f.end, "end", "", "only keys before `KEY`")
	flags.BoolVar(&f.reverse, "reverse", false, "in descending order")
	flags.IntVar(&f.limit, "limit", 0, "at most `N` records; 0 for all")
	flags.BoolVar(&f.values, "values", false, "print values too")
	f.key.register(cmd)
	return cmd
}

func (f *lsFlags) options(cmd *cobra.Command) (opts *store.ScanOptions, err error) {
	if f.limit < 0 {
		return nil, usagef("--limit: %d is less than 0", f.limit)
	}
	opts = &store.ScanOptions{Reverse: f.reverse, Limit: f.limit, KeysOnly: !f.values}
	bounds := []struct {
		flag, arg string
		to        *[]byte
	}{{"prefix", f.prefix, &opts.Prefix}, {"start", f.start, &opts.Start}, {"end", f.end, &opts.End}}
	for _, b := range bounds {
		if !cmd.Flags().Changed(b.flag) {
			continue
		}
		if *b.to, err = f.key.key(b.arg); err != nil {
			return nil, err
		}
	}
	return opts, nil
}

func (c *cli) ls(ctx context.Context, tenant, namespace string, opts *store.ScanOptions) error {
	how := reading
	if opts.KeysOnly {
		how = looking
	}
	return c.withNamespace(ctx, how, tenant, namespace, func(n *store.Namespace) error {
		switch {
		case c.json:
			return c.lsJSON(ctx, n, opts)
		case opts.KeysOnly:
			return c.lsKeys(ctx, n, opts)
		}
		return c.lsValues(ctx, n, opts)
	})
}

// lsKeys prints no header: its lines are for xargs and wc as well.
func (c *cli) lsKeys(ctx context.Context, n *store.Namespace, opts *store.ScanOptions) error {
	out := bufio.NewWriter(c.out)
	for e, err := range n.Scan(ctx, opts) {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		out.WriteString(printable(e.Key))
		out.WriteByte('\n')
	}
	return out.Flush()
}

func (c *cli) lsValues(ctx context.Context, n *store.Namespace, opts *store.ScanOptions) error {
	var unopened unopenedRecords
	l := c.list("", []string{"key", ">bytes", "value"})
	for e, err := range n.Scan(ctx, opts) {
		if err != nil {
			return l.fail(err)
		}
		value, err := e.Value()
		if unopened.add(err) {
			l.row(nil, printable(e.Key), "-", whyNot(err))
			continue
		}
		l.row(nil, printable(e.Key), human.Size(uint64(len(value))), excerpt(value, 80))
	}
	if err := l.end(""); err != nil {
		return err
	}
	return unopened.err()
}

func (c *cli) lsJSON(ctx context.Context, n *store.Namespace, opts *store.ScanOptions) error {
	var unopened unopenedRecords
	l := c.list("sealkv/ls/1", nil)
	for e, err := range n.Scan(ctx, opts) {
		if err != nil {
			return l.fail(err)
		}
		row := newRecordRow(n.Tenant(), n.Name(), e.Key)
		if !opts.KeysOnly {
			if value, err := e.Value(); unopened.add(err) {
				f := c.explain(nil, err)
				row.Error = &f
			} else {
				row.setValue(value)
			}
		}
		l.row(row)
	}
	if err := l.end(""); err != nil {
		return err
	}
	return unopened.err()
}

// unopenedRecords counts records that do not open.
type unopenedRecords struct {
	count int
	first error
}

// add reports whether err is one.
func (d *unopenedRecords) add(err error) bool {
	if err == nil {
		return false
	}
	if d.count++; d.first == nil {
		d.first = err
	}
	return true
}

// whyNot says in two words why a record does not open.
func whyNot(err error) string {
	if class := classOf(err); class != nil {
		return "(" + strings.ReplaceAll(class.code, "_", " ") + ")"
	}
	return "(" + message(err) + ")"
}

func (d *unopenedRecords) err() error {
	if d.count == 0 {
		return nil
	}
	return fmt.Errorf("%s did not open: %w", human.Counted(d.count, "record"), d.first)
}
