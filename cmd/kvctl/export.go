package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
	"github.com/sealkv/sealkv/store"
)

// An exportFlags is what export was asked for.
type exportFlags struct {
	out, folder, compress string
}

func (c *cli) exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export [TENANT] [NAMESPACE...]",
		Short: "Write values as JSON lines, or to a folder",
		Long: `Write the values of all tenants, of one, or of some of its namespaces, as the JSON
lines that kvctl import reads: to standard output, to a new file with --out, which
is compressed if its name ends in .zst or .gz, or with --folder to a folder with
attachments as files of their own. What is written is in the clear.

It is one state of the store. Records that do not open are left out and counted,
and the exit code is that of the first. So are values longer than 64 MiB, which make no
line: kvctl attach get writes one, and --folder those that are attachments.`,
		Example: `  kvctl export acme jira/comments | jq .value
  kvctl export acme --out acme.jsonl.zst
  kvctl export --folder ./export`,
		Args:              positional,
		ValidArgsFunction: c.completeRotate,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.checkExport(cmd, &f); err != nil {
				return err
			}
			return c.export(cmd.Context(), &f, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.out, "out", "o", "", "write to a new `FILE`")
	flags.StringVar(&f.folder, "folder", "", "write to `DIR`, which is new or empty")
	flags.StringVar(&f.compress, "compress", "", "with --folder: `HOW`, zst (the default), gz or none")
	return c.selects(cmd)
}

func (c *cli) checkExport(cmd *cobra.Command, f *exportFlags) error {
	switch {
	case f.out != "" && f.folder != "":
		return usagef("--out and --folder exclude one another")
	case f.compress != "" && f.folder == "":
		return usagef("--compress goes with --folder; --out goes by its name")
	case f.compress != "" && f.compress != "zst" && f.compress != "gz" && f.compress != "none":
		return usagef("--compress is zst, gz or none")
	case cmd.Flags().Changed("out") && f.out == "", cmd.Flags().Changed("folder") && f.folder == "":
		return usagef("the name to write to is empty")
	case c.json && f.out == "" && f.folder == "":
		return usagef("--json goes with --out or --folder: without them standard output is for the values, which are JSON lines anyway")
	}
	return nil
}

func (c *cli) export(ctx context.Context, f *exportFlags, args []string) error {
	opts := &transfer.ExportOptions{Compress: f.compress}
	if len(args) > 0 {
		c.tenant = args[0]
		opts.Tenants, opts.Namespaces = args[:1], args[1:]
	}
	return c.with(ctx, reading, func(s *store.Store) error {
		if err := checkNames(s, args); err != nil {
			return err
		}
		done, err := c.exportTo(ctx, s, f, opts)
		if errors.Is(err, fs.ErrExist) {
			return withHint(err, "nothing that is there is written over: name another")
		}
		return c.printExport(f, done, err)
	})
}

// checkNames refuses a tenant or namespace that is none, rather than export nothing of it.
func checkNames(s *store.Store, args []string) error {
	if len(args) == 0 {
		return nil
	}
	t, err := s.Tenant(args[0])
	if err == nil {
		_, err = namespaces(t, args)
	}
	return err
}

func (c *cli) exportTo(ctx context.Context, s *store.Store, f *exportFlags, opts *transfer.ExportOptions) (*transfer.Exported, error) {
	if f.folder == "" && f.out == "" && isTerminal(c.out) { // where values and a bar would mix
		return transfer.Export(ctx, s, c.out, opts)
	}
	bar := c.progress("exporting")
	defer bar.end()
	opts.Progress = func(records, _ uint64) { bar.count(records, "record") }
	switch {
	case f.folder != "":
		return transfer.ExportFolder(ctx, s, f.folder, opts)
	case f.out != "":
		return transfer.ExportFile(ctx, s, f.out, opts)
	}
	return transfer.Export(ctx, s, c.out, opts)
}

func (c *cli) printExport(f *exportFlags, done *transfer.Exported, err error) error {
	if err != nil && len(done.Rows) == 0 {
		return err // before anything was done
	}
	if c.json {
		l := c.list("sealkv/export/1", nil, "files", done.Files, "elapsed_seconds", done.Elapsed.Seconds())
		for _, row := range done.Rows {
			l.row(row)
		}
		return errors.Join(err, l.end(""))
	}
	sum := done.Total()
	summary := fmt.Sprintf("Exported %s (%s) in %s.", human.Counted(int(sum.Records), "record"), human.Size(sum.Bytes), done.Elapsed.Round(10*time.Millisecond))
	if f.out == "" && f.folder == "" {
		c.note("%s", summary) // standard output is the values
	} else {
		c.say("%s", summary)
	}
	return err
}
