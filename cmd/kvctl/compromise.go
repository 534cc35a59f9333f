package main

import (
	"context"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/store"
)

// A compromiseFlags is what keys rotate --compromised was asked for besides.
type compromiseFlags struct{ compromised, retire, anew bool }

// cannotUndo is what no rotation brings back.
var cannotUndo = []string{
	"what was read or copied with the keys before",
	"what they open in backups and other copies of the files: kvctl backups lists those that are registered",
	"root keys, and the platform's key: keys rotate --root puts a tenant key under another root; do that first where the root may be known",
	"logs of the engine that it uses again: they go when the store is next opened",
}

// A compromiseRow is the JSON of one tenant's recovery.
type compromiseRow struct {
	*store.Compromise
	CannotUndo []string `json:"cannot_undo"`
}

func (c *cli) rotateCompromised(ctx context.Context, s *store.Store, f *compromiseFlags, args []string) error {
	l := c.list("sealkv/compromise/1", []string{"tenant", "keys", ">records", ">rewrapped", ">missed", ">retired", ">exposed left"})
	bar := &progress{}
	if len(args) > 0 {
		bar = c.progress("sealing anew")
	}
	var left []store.Coverage
	recovered := 0
	err := c.eachNamed(s, args, "sealing anew", func(t *store.Tenant) error {
		opts := &store.CompromiseOptions{Retire: f.retire, Anew: f.anew}
		if len(args) > 0 { // else the bar counts tenants
			opts.Sweep.Progress = func(p store.SweepProgress) { bar.of(p.Visited, p.Expected, "record", p.PerSecond, p.Left) }
		}
		done, err := t.RotateCompromised(ctx, opts)
		if err != nil {
			return err
		}
		made := human.Counted(len(done.Rotated), "new key")
		if done.Continued {
			made = "of before"
		}
		var sum store.Census
		for _, census := range done.Censuses {
			sum.Records, sum.Rewrapped, sum.Missed = sum.Records+census.Records, sum.Rewrapped+census.Rewrapped, sum.Missed+census.Missed
		}
		l.row(compromiseRow{done, cannotUndo}, t.ID(), made, human.Count(sum.Records), human.Count(sum.Rewrapped), human.Count(sum.Missed),
			number(uint32(len(done.Retired))), number(uint32(len(done.Exposed))))
		recovered, left = recovered+1, append(left, done.Exposed...)
		if done.Continued {
			c.note("The recovery of %s that was begun before went on, and no key is new; --anew makes new ones.", t.ID())
		}
		return nil
	})
	bar.end()
	if err != nil {
		err = l.fail(err)
	} else {
		err = l.end("No tenants yet.")
	}
	if recovered == 0 {
		return err
	}
	for _, key := range left {
		why := "can be retired: kvctl keys retire " + key.Tenant
		if key.Needed != "" {
			why = "cannot be retired: " + key.Needed
		}
		c.note("Exposed key %d of %s in %s %s.", key.Number, key.Tenant, key.Namespace, why)
	}
	c.note("This does not undo:")
	for _, what := range cannotUndo {
		c.note("  - %s", what)
	}
	return err
}
