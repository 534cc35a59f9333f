package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
	"github.com/sealkv/sealkv/store"
)

// An importFlags is what import was asked for.
type importFlags struct {
	read           transfer.ReadOptions
	verify, dryRun bool
}

func (c *cli) importCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import PATH...",
		Short: "Store values from JSON lines and folders of attachments",
		Long: `Store values from files of JSON lines, plain or compressed with zstd or gzip, from
folders of such files, and from - for standard input. A line is

  {"tenant":"acme","product":"jira","type":"comments","key":"c1","value":{…}}

with value_base64 for bytes that are no JSON and key_base64 for keys that are not
UTF-8. Files below attachments/TENANT/ of a folder become values too.

Tenants that are not there yet are made, under the platform's root. A value that the
store has under the key is replaced, unless it is the same: that is not written again, so
an import that was cut short is completed by running it again.`,
		Example: `  kvctl import ./data
  kvctl import issues.jsonl.zst comments.jsonl.gz
  kvctl import ./data --verify          # is everything there, byte for byte?
  zcat dump.gz | kvctl import -`,
		Args: positional,
		RunE: func(cmd *cobra.Command, paths []string) error { return c.importPaths(cmd.Context(), &f, paths) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.read.ContinueOnError, "continue", false, "go on after a line or file that does not work out, and fail at the end")
	flags.BoolVar(&f.read.NoAttachments, "no-attachments", false, "leave the attachments of folders out")
	flags.StringVar(&f.read.Attachments, "attachments", transfer.DefaultAttachments, "`NAMESPACE` of attachments that no row of metadata names")
	flags.BoolVar(&f.verify, "verify", false, "compare with the store and write nothing")
	flags.BoolVar(&f.dryRun, "dry-run", false, "count what is there to import, without a store")
	return cmd
}

func (c *cli) importPaths(ctx context.Context, f *importFlags, paths []string) error {
	if f.verify && f.dryRun {
		return usagef("--verify and --dry-run exclude one another")
	}
	f.read.Stdin = c.stdin(ctx)
	switch {
	case f.dryRun:
		result, err := c.barred("counting", f, func() (*transfer.Result, error) { return transfer.Survey(ctx, paths, &f.read) })
		return c.printImport("sealkv/import-dry-run/1", "There are", result, err)
	case f.verify:
		return c.with(ctx, reading, func(s *store.Store) error {
			result, err := c.barred("comparing", f, func() (*transfer.Result, error) { return transfer.Verify(ctx, s, paths, &f.read) })
			return c.printImport("sealkv/import-verify/1", "Compared", result, err)
		})
	}
	return c.with(ctx, filling, func(s *store.Store) error {
		result, err := c.barred("importing", f, func() (*transfer.Result, error) {
			return transfer.Import(ctx, s, paths, &transfer.ImportOptions{ReadOptions: f.read})
		})
		return c.printImport("sealkv/import/1", "Imported", result, err)
	})
}

// barred shows how far run is, which reads by f.
func (c *cli) barred(doing string, f *importFlags, run func() (*transfer.Result, error)) (*transfer.Result, error) {
	bar := c.progress(doing)
	defer bar.end()
	f.read.Progress = bar.bytes
	return run()
}

// printImport prints what was done, also up to an error.
func (c *cli) printImport(schema, did string, r *transfer.Result, err error) error {
	sum := r.Total()
	if err != nil && sum.Records == 0 && len(r.Created) == 0 && r.Failed == 0 {
		return err // before anything was done
	}
	if c.json {
		l := c.list(schema, nil, "files", r.Files, "created", nonNil(r.Created), "ignored", nonNil(r.Ignored),
			"failed", r.Failed, "apart", r.Apart, "elapsed_seconds", r.Elapsed.Seconds())
		for _, row := range r.Rows {
			l.row(row)
		}
		return errors.Join(err, l.end(""))
	}
	c.say("%s %s (%s) of %s, from %s, in %s.", did, human.Counted(int(sum.Records), "record"), human.Size(sum.Bytes),
		human.Counted(r.Tenants(), "tenant"), human.Counted(r.Files, "file"), r.Elapsed.Round(10*time.Millisecond))
	for _, outcome := range outcomes(sum) {
		c.say("  %s", outcome)
	}
	if len(r.Created) > 0 {
		c.say("  %s made, under the platform's root", human.Counted(len(r.Created), "tenant"))
	}
	if r.Apart > 0 {
		c.say("  %s of metadata whose contents were not imported with them", human.Counted(r.Apart, "row"))
	}
	for _, name := range r.Ignored {
		c.note("passed over: %s", printable([]byte(name)))
	}
	return err
}

// outcomes says what became of the records, where that is anything.
func outcomes(sum transfer.Count) (lines []string) {
	for _, part := range []struct {
		n    uint64
		what string
	}{{sum.New, "new"}, {sum.Replaced, "replaced"}, {sum.Unchanged, "the same as in the store"}, {sum.Expired, "past their max-age and left out"}} {
		if part.n > 0 {
			lines = append(lines, fmt.Sprintf("%s %s", human.Count(part.n), part.what))
		}
	}
	return lines
}

// nonNil makes JSON's [] of no list.
func nonNil[T any](list []T) []T { return append([]T{}, list...) }
