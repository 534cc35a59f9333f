package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/store"
)

// A coverageFlags is what keys coverage was asked for.
type coverageFlags struct {
	exact    bool
	all      bool
	workers  int
	byteRate byteCount
}

func (c *cli) keysCoverageCommand() *cobra.Command {
	var f coverageFlags
	cmd := &cobra.Command{
		Use:   "coverage [TENANT] [NAMESPACE...]",
		Short: "Show what is under each data key, and which can be retired",
		Long: `Show of each data key that is not retired how many values and bytes the last
completed sweep left under it, when that was, and whether the key can be retired;
if not, why not. Values written since that sweep are under active keys. It reads
no record.

--exact counts what is under each key now, by the heads of all records. It needs no
root key, so what it counts is not verified, and retiring does not trust it. It also
shows what must not be: values under retired keys, or under keys that the keyring
does not have there (STATE ?).`,
		Example: `  kvctl keys coverage acme
  kvctl keys coverage --exact --byte-rate 200MiB`,
		Args:              positional,
		ValidArgsFunction: c.completeRotate,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !f.exact && (f.workers != 0 || f.byteRate != 0) {
				return usagef("--workers and --byte-rate go with --exact: without it no record is read")
			}
			if f.workers < 0 {
				return usagef("--workers is how many read at a time, 0 for as many as there are processors")
			}
			if len(args) > 0 && f.all {
				return usagef("--all goes without TENANT")
			}
			opts := store.CoverageOptions{Exact: f.exact, Workers: f.workers, BytesPerSecond: int(f.byteRate)}
			if len(args) > 0 {
				opts.Tenant, c.tenant = args[0], args[0]
			}
			return c.coverage(cmd.Context(), opts, args[min(1, len(args)):])
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.exact, "exact", false, "count the records of now instead of what the last sweeps counted")
	flags.BoolVar(&f.all, "all", false, "of all tenants, as without TENANT")
	flags.IntVar(&f.workers, "workers", 0, "with --exact: `N` read at a time; 0 for as many as there are processors")
	flags.Var(&f.byteRate, "byte-rate", "with --exact: at most `N` bytes per second, such as 100MiB; 0 for no bound")
	return c.selects(cmd)
}

// coverage shows the rows of the namespaces, or of all.
func (c *cli) coverage(ctx context.Context, opts store.CoverageOptions, namespaces []string) error {
	how := reading
	if opts.Exact {
		how = looking
	}
	return c.with(ctx, how, func(s *store.Store) error {
		if err := checkCoverable(s, opts.Tenant, namespaces); err != nil {
			return err
		}
		bar := c.progress("counting")
		opts.Progress = func(records, _ uint64) { bar.count(records, "record") }
		report, err := s.Coverage(ctx, &opts)
		bar.end()
		if err != nil {
			return err
		}
		var fields []any
		if opts.Exact {
			fields = []any{"exact", true, "records", report.Records, "bytes", report.Bytes, "seconds", report.Took.Seconds()}
		}
		l := c.list("sealkv/coverage/1", []string{"tenant", "namespace", "domain", ">key", "state", "created", ">records", ">bytes", "swept", "can be retired"}, fields...)
		for _, r := range report.Rows {
			if len(namespaces) > 0 && !slices.Contains(namespaces, r.Namespace) {
				continue
			}
			l.row(r, coverageCells(r, opts.Exact)...)
		}
		if err := l.end("No data keys yet: the first value of a namespace makes one."); err != nil {
			return err
		}
		if opts.Exact {
			c.note("read %s, %s, in %v: %s", human.Counted(int(report.Records), "record"), human.Size(report.Bytes),
				report.Took.Round(time.Millisecond), bandwidth(report.Bytes, report.Took))
		}
		return nil
	})
}

// checkCoverable refuses a namespace that the tenant never had a key in and that the policy does not know.
func checkCoverable(s *store.Store, tenant string, namespaces []string) error {
	if len(namespaces) == 0 {
		return nil
	}
	keyed, err := keyedNamespaces(s, tenant)
	if err != nil {
		return err
	}
	t, err := s.Tenant(tenant)
	for _, name := range namespaces {
		if err == nil && !slices.Contains(keyed, name) {
			_, err = t.Namespace(name)
		}
	}
	return err
}

func coverageCells(r store.Coverage, exact bool) []string {
	cells := []string{r.Tenant, r.Namespace, r.Domain, number(r.Number), r.State, moment(r.Created), "", "", "never", "yes"}
	if exact || !r.Swept.IsZero() {
		cells[6], cells[7] = human.Count(r.Records), human.Size(r.Bytes)
	}
	if !r.Swept.IsZero() {
		cells[8] = moment(r.Swept)
	}
	if r.Needed != "" {
		cells[9] = "no: " + r.Needed
	}
	return cells
}

// bandwidth writes a number of bytes per second in GB/s.
func bandwidth(bytes uint64, took time.Duration) string {
	if took <= 0 {
		return "at once"
	}
	return fmt.Sprintf("%.2f GB/s", float64(bytes)/1e9/took.Seconds())
}
