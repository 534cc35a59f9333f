package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/store"
)

// A sweepFlags is what keys sweep was asked for.
type sweepFlags struct {
	all      bool
	again    bool
	workers  int
	rate     int
	byteRate byteCount
}

func (c *cli) keysSweepCommand() *cobra.Command {
	var f sweepFlags
	cmd := &cobra.Command{
		Use:   "sweep [TENANT] [NAMESPACE...]",
		Short: "Bring all values under the active keys",
		Long: `Bring every value of a tenant's namespaces under their active keys, and open each
one that is already: what the reads after a rotation have left. It can be cut
short at any time; run again, it goes on where it was. Values and dictionaries that
do not open are counted as missed and left as they are; kvctl keys misses lists the
values. A namespace in which the last sweep left nothing to do is not swept again,
unless you add --again: its STATE is "done before", and its numbers are those of then.

What is under the keys of a tenant that is revoked, or whose root cannot be asked,
pauses where it is; the rest goes on, and the command then fails.

Its result is the proof on which kvctl keys retire acts; kvctl keys coverage shows it.`,
		Example: `  kvctl keys rotate acme && kvctl keys sweep acme
  kvctl keys sweep acme jira/comments --rate 2000 --byte-rate 10MiB
  kvctl keys sweep --all --workers 8`,
		Args:              positional,
		ValidArgsFunction: c.completeRotate,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 && !f.all:
				return usagef("TENANT is missing; --all sweeps all tenants")
			case len(args) > 0 && f.all:
				return usagef("--all goes without TENANT")
			case f.rate < 0:
				return usagef("--rate is a number of records per second, 0 for no bound")
			case f.workers < 0:
				return usagef("--workers is how many records are worked on at a time, 0 for as many as there are processors")
			}
			return c.sweep(cmd.Context(), &f, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "all tenants")
	flags.BoolVar(&f.again, "again", false, "sweep also where the last sweep left nothing to do")
	flags.IntVar(&f.workers, "workers", 0, "work on `N` records at a time; 0 for as many as there are processors")
	flags.IntVar(&f.rate, "rate", 0, "at most `N` records per second; 0 for no bound")
	flags.Var(&f.byteRate, "byte-rate", "at most `N` bytes per second, such as 10MiB; 0 for no bound")
	return c.selects(cmd)
}

// rewrapCommand is keys sweep by the name of what it does to a value.
func (c *cli) rewrapCommand() *cobra.Command {
	cmd := c.keysSweepCommand()
	cmd.Use = "rewrap [TENANT] [NAMESPACE...]"
	cmd.Long += "\n\nThe same as kvctl keys sweep."
	cmd.Example = `  kvctl keys rotate acme && kvctl rewrap acme
  kvctl rewrap --all --workers 8`
	return cmd
}

func (c *cli) sweep(ctx context.Context, f *sweepFlags, args []string) error {
	return c.with(ctx, filling, func(s *store.Store) error {
		l := c.list("sealkv/sweep/1", []string{"tenant", "namespace", ">records", ">rewrapped", ">missed", "state"})
		bar := c.progress("sweeping")
		opts := &store.SweepOptions{
			Again: f.again, Workers: f.workers, RecordsPerSecond: f.rate, BytesPerSecond: int(f.byteRate),
			Progress: func(p store.SweepProgress) { bar.of(p.Visited, p.Expected, "record", p.PerSecond, p.Left) },
			Ended: func(r store.Census, err error) {
				state := "done"
				if r.Kept {
					state = "done before"
				}
				if err != nil {
					state = "paused " + whyNot(err)
				}
				l.row(r, r.Tenant, r.Namespace, human.Count(r.Records), human.Count(r.Rewrapped), human.Count(r.Missed), state)
			},
		}
		err := c.sweepNamed(ctx, s, opts, args)
		bar.end()
		if err != nil {
			return l.fail(err)
		}
		if err := s.Sync(ctx); err != nil {
			return l.fail(err)
		}
		return l.end("Nothing to sweep: there is no data key yet.")
	})
}

func (c *cli) sweepNamed(ctx context.Context, s *store.Store, opts *store.SweepOptions, args []string) error {
	if len(args) == 0 {
		return s.Sweep(ctx, opts)
	}
	c.tenant = args[0]
	t, err := s.Tenant(args[0])
	if err != nil {
		return err
	}
	opts.Namespaces = args[1:]
	_, err = t.Sweep(ctx, opts)
	return err
}

// of says how many of how many things are done, how fast, and how long the rest takes; what is
// zero is not known.
func (p *progress) of(done, expected uint64, noun string, perSecond float64, left time.Duration) {
	if p.bar == nil {
		return
	}
	text := fmt.Sprintf("%s: %s", p.doing, human.Counted(int(done), noun))
	if expected >= done {
		text = fmt.Sprintf("%s: %s of %s", p.doing, human.Count(done), human.Counted(int(expected), noun))
	}
	if perSecond > 0 {
		text += fmt.Sprintf(", %s/s", human.Count(uint64(perSecond)))
	}
	if left > 0 {
		text += fmt.Sprintf(", %v left", max(left.Round(time.Second), time.Second))
	}
	p.bar.Describe(text)
}

// A byteCount is a flag: a number of bytes, as 1000, 64KiB, 10MiB or 1GiB.
type byteCount int

var byteUnits = []struct {
	suffix string
	bytes  int
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

func (b *byteCount) Set(text string) error {
	for _, unit := range byteUnits {
		digits, found := strings.CutSuffix(text, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			break
		}
		*b = byteCount(int(n) * unit.bytes)
		return nil
	}
	return fmt.Errorf("%q is no number of bytes, such as 1000, 64KiB or 10MiB", text)
}

func (b *byteCount) String() string { return strconv.Itoa(int(*b)) }
func (b *byteCount) Type() string   { return "bytes" }
