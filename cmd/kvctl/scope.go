package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

func (c *cli) scopeCommand() *cobra.Command {
	return family("scope", "Show, explain, check and apply scope policies",
		`The scope policy says which namespaces are sealed under whose keys, and for how
long their records may be kept. A namespace without a rule is refused.

Without --store these commands speak of the policy that kvctl brings along,
which a new store gets unless init is given another.`,
		c.scopeShowCommand(), c.scopeExplainCommand(), c.scopeCheckCommand(),
		c.scopeDiffCommand(), c.scopeApplyCommand())
}

// policy is that of the store, or without one the embedded default.
func (c *cli) policy(ctx context.Context) (p *scope.Policy, err error) {
	if c.dir == "" {
		return scope.Default(), nil
	}
	err = c.with(ctx, looking, func(s *store.Store) error {
		p = s.Policy()
		return nil
	})
	return p, err
}

func (c *cli) scopeShowCommand() *cobra.Command {
	var yaml bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the policy",
		Long: `Show the rules of the policy. The rule of all/TYPE holds for every product that has
no rule of its own for that type. With --yaml print the file, to start another
from.`,
		Example: `  kvctl scope show
  kvctl scope show --yaml > ours.yaml`,
		Args: positional,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if yaml && c.json {
				return usagef("--yaml and --json exclude one another")
			}
			p, err := c.policy(cmd.Context())
			if err != nil {
				return err
			}
			if yaml {
				_, err := c.out.Write(p.Source())
				return err
			}
			return c.showPolicy(p)
		},
	}
	cmd.Flags().BoolVar(&yaml, "yaml", false, "print the policy's file")
	return cmd
}

// A ruleRow is the JSON of a policy's rule.
type ruleRow struct {
	Namespace string       `json:"namespace"`
	Domain    scope.Domain `json:"domain"`
	Until     string       `json:"until,omitempty"`
	MaxAge    string       `json:"max_age,omitempty"`
	Rotate    string       `json:"rotate_every,omitempty"`
	MaxSeals  uint64       `json:"max_seals,omitempty"`
	Suite     scope.Suite  `json:"suite"`
	Compress  string       `json:"compression,omitempty"` // not none
	Note      string       `json:"note,omitempty"`
	Line      int          `json:"line"`
}

func newRuleRow(r scope.Rule) ruleRow {
	row := ruleRow{
		Namespace: r.Namespace, Domain: r.Domain, MaxSeals: r.MaxSeals, Suite: r.Suite, Compress: compressed(r.Compression),
		Note: r.Note, Line: r.Line,
	}
	if !r.Until.IsZero() {
		row.Until = r.Until.Format(time.DateOnly)
	}
	if r.MaxAge > 0 {
		row.MaxAge = scope.FormatAge(r.MaxAge)
	}
	if r.RotateEvery > 0 {
		row.Rotate = scope.FormatAge(r.RotateEvery)
	}
	return row
}

func (c *cli) showPolicy(p *scope.Policy) error {
	c.say("Policy %s, %s", p, human.Counted(len(p.Rules()), "rule"))
	l := c.list("sealkv/scope/1", []string{"namespace", "domain", "until", ">max-age", ">rotate-every", "suite", "compression", "note"}, "policy", p.Name(), "version", p.Version())
	for _, r := range p.Rules() {
		row := newRuleRow(r)
		l.row(row, r.Namespace, r.Domain.String(), row.Until, row.MaxAge, row.Rotate, otherSuite(r.Suite), row.Compress, r.Note)
	}
	return l.end("")
}

// otherSuite is what lists say of a suite: nothing of the default one.
func otherSuite(s scope.Suite) string {
	if s == scope.XChaCha20Poly1305 {
		return ""
	}
	return s.String()
}

// compressed is what lists say of a compression: nothing of none.
func compressed(c scope.Compression) string {
	if c == scope.NoCompression {
		return ""
	}
	return c.String()
}

func (c *cli) scopeExplainCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "explain NAMESPACE",
		Short:             "Say which rule holds for a namespace, and why",
		Long:              "Say which rule holds for a namespace, and why. An exact rule goes before that of\nall/TYPE; without either the namespace is refused.",
		Example:           "  kvctl scope explain bitbucket/logs",
		Args:              positional,
		ValidArgsFunction: c.completePolicy,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := c.policy(cmd.Context())
			if err != nil {
				return err
			}
			e, err := p.Explain(args[0])
			if err != nil {
				return err
			}
			return c.report("sealkv/scope-explain/1", newExplainRow(e), "%s", e)
		},
	}
}

// An explainRow is the JSON of why a policy treats a namespace as it does.
type explainRow struct {
	Namespace string   `json:"namespace"`
	Policy    string   `json:"policy"`
	File      string   `json:"file"`
	Rule      ruleRow  `json:"rule"`
	Exact     bool     `json:"exact"`
	Shadowed  *ruleRow `json:"shadowed,omitempty"`
	Text      string   `json:"text"`
}

func newExplainRow(e scope.Explanation) explainRow {
	row := explainRow{Namespace: e.Namespace, Policy: e.Policy, File: e.File, Rule: newRuleRow(e.Rule), Exact: e.Exact(), Text: e.String()}
	if e.Shadowed != nil {
		shadowed := newRuleRow(*e.Shadowed)
		row.Shadowed = &shadowed
	}
	return row
}
