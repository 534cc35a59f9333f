package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

func (c *cli) scopeDiffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff FILE",
		Short: "Say what a policy would change in the store",
		Long: `Say what a policy would change in the store, and for how many records: which
namespaces move to other keys, and which of these moves make less depend on the
tenants' keys (downgrades). It needs no root key and changes nothing.`,
		Example: `  kvctl scope diff next.yaml`,
		Args:    positional,
		RunE: func(cmd *cobra.Command, args []string) error {
			next, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), looking, func(s *store.Store) error {
				moves, err := s.PlanPolicy(cmd.Context(), next)
				if err != nil {
					return err
				}
				return c.printMoves(s.Policy(), next, moves)
			})
		},
	}
}

// A moveRow is the JSON of what a policy changes for a namespace.
type moveRow struct {
	Namespace    string   `json:"namespace"`
	From         *ruleRow `json:"from"` // null: it was refused
	To           *ruleRow `json:"to"`   // null: it is refused
	Kinds        []string `json:"kinds"`
	Downgrade    bool     `json:"downgrade"`
	MovesRecords bool     `json:"moves_records"`
	Records      uint64   `json:"records"`
	Bytes        uint64   `json:"bytes"`
}

func newMoveRow(m store.PolicyMove) moveRow {
	row := moveRow{
		Namespace: m.Namespace, Downgrade: m.Downgrade(), MovesRecords: m.MovesRecords(time.Now()),
		Records: m.Records, Bytes: m.Bytes,
	}
	for _, kind := range m.Kinds() {
		row.Kinds = append(row.Kinds, kind.String())
	}
	for _, side := range []struct {
		from *scope.Rule
		to   **ruleRow
	}{{m.From, &row.From}, {m.To, &row.To}} {
		if side.from != nil {
			r := newRuleRow(*side.from)
			*side.to = &r
		}
	}
	return row
}

// what is the move in words.
func (r *moveRow) what() string {
	text := strings.Join(r.Kinds, ", ")
	if r.Downgrade {
		text += "; DOWNGRADE"
	}
	if r.MovesRecords {
		text += "; moves records"
	}
	return text
}

func (c *cli) printMoves(before, after *scope.Policy, moves []store.PolicyMove) error {
	l := c.list("sealkv/scope-diff/1", []string{"namespace", "from", "to", ">records", ">bytes", "what"},
		"policy", after.Name(), "version", after.Version())
	for _, m := range moves {
		row := newMoveRow(m)
		l.row(row, row.Namespace, ruleCell(row.From), ruleCell(row.To), human.Count(row.Records), human.Size(row.Bytes), row.what())
	}
	if err := l.end(fmt.Sprintf("It changes nothing for this store, which has %s.", before)); err != nil {
		return err
	}
	if len(moves) > 0 && after.Version() <= before.Version() {
		c.note("Its version must be above %d, that of the store's policy, to take its place.", before.Version())
	}
	return nil
}

func ruleCell(r *ruleRow) string {
	if r == nil {
		return "(refused)"
	}
	text := r.Domain.String()
	if r.Until != "" {
		text += " until " + r.Until
	}
	if r.MaxAge != "" {
		text += ", " + r.MaxAge
	}
	if r.Rotate != "" {
		text += ", rotate-every " + r.Rotate
	}
	if r.MaxSeals > 0 {
		text += ", max-seals " + human.Count(r.MaxSeals)
	}
	if suite := otherSuite(r.Suite); suite != "" {
		text += ", " + suite
	}
	if r.Compress != "" {
		text += ", " + r.Compress
	}
	return text
}

func (c *cli) scopeApplyCommand() *cobra.Command {
	var downgrade, yes bool
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Put a policy in the place of the store's",
		Long: `Put a policy in the place of the store's, in one durable act that the audit log
keeps. Its version must be above the present one's. What it wants under other keys
goes on reading, and moves when it is read; kvctl keys sweep --all moves the rest.

If less would depend on the tenants' keys than before (kvctl scope diff says
DOWNGRADE), it asks for --downgrade, and for --yes.`,
		Example: `  kvctl scope diff next.yaml && kvctl scope apply next.yaml
  kvctl keys sweep --all`,
		Args: positional,
		RunE: func(cmd *cobra.Command, args []string) error {
			next, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			if downgrade && !yes {
				return usagef("--downgrade takes data out of the tenants' keys; add --yes if that is meant")
			}
			return c.applyPolicy(cmd.Context(), next, downgrade)
		},
	}
	cmd.Flags().BoolVar(&downgrade, "downgrade", false, "let data leave the tenants' keys")
	cmd.Flags().BoolVar(&yes, "yes", false, "confirm --downgrade")
	return cmd
}

// An appliedRow is the JSON of a policy that was applied.
type appliedRow struct {
	Policy  string `json:"policy"`
	Version int    `json:"version"`
	Before  int    `json:"before"` // version
}

func (c *cli) applyPolicy(ctx context.Context, next *scope.Policy, downgrade bool) error {
	return c.with(ctx, writing, func(s *store.Store) error {
		before := s.Policy()
		if err := s.ApplyPolicy(ctx, next, &store.ApplyOptions{AllowDowngrade: downgrade}); err != nil {
			return err
		}
		if next.Version() == before.Version() {
			return c.report("sealkv/scope-apply/1", appliedRow{next.Name(), next.Version(), before.Version()},
				"%s is in force already; nothing has changed.", next)
		}
		return c.report("sealkv/scope-apply/1", appliedRow{next.Name(), next.Version(), before.Version()},
			"%s is in force, over %s. kvctl keys sweep --all moves what it wants under other keys.", next, before)
	})
}
