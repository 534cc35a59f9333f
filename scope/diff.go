package scope

import (
	"fmt"
	"strings"
	"time"
)

// A Change is what a new policy makes different for one namespace. A namespace all/type stands for
// the products without a rule of their own for that type.
type Change struct {
	Namespace string
	From      *Rule // that held before, or nil: the namespace was refused
	To        *Rule // that holds after, or nil: the namespace is refused
}

// Diff returns what changes when after takes the place of before: at most one Change for each
// namespace that has a rule in either, in the order of after, then those that only before has.
//
// It compares the rules that hold and not the rows: a row jira/analytics that is added beside
// all/analytics is a change from one rule to the other, a row that is removed falls back, and one
// that says what held anyway is no change. Neither is another note or another place in the file.
func Diff(before, after *Policy) []Change {
	var changes []Change
	compare := func(namespace string) {
		if c, changed := Compare(before, after, namespace); changed {
			changes = append(changes, c)
		}
	}
	for _, rule := range after.rules {
		compare(rule.Namespace)
	}
	for _, rule := range before.rules {
		if after.row(rule.Namespace) == nil {
			compare(rule.Namespace)
		}
	}
	return changes
}

// Compare returns what changes for one namespace, which need have no row of its own in either
// policy, and whether anything does. A store that knows which namespaces hold data counts with it
// what a policy will move.
func Compare(before, after *Policy, namespace string) (Change, bool) {
	c := Change{Namespace: namespace}
	if rule := before.ruleFor(namespace); rule != nil {
		from := *rule
		c.From = &from
	}
	if rule := after.ruleFor(namespace); rule != nil {
		to := *rule
		c.To = &to
	}
	return c, len(c.Kinds()) > 0
}

// Kinds returns in which ways the rules differ, in the order of the constants. Added and Removed
// stand alone.
func (c Change) Kinds() []Kind {
	switch {
	case c.From == nil && c.To == nil:
		return nil
	case c.From == nil:
		return []Kind{Added}
	case c.To == nil:
		return []Kind{Removed}
	}
	var kinds []Kind
	if kind, moved := moveKind(c.From.Domain, c.To.Domain); moved {
		kinds = append(kinds, kind)
	} else if !c.From.Until.Equal(c.To.Until) {
		kinds = append(kinds, UntilChanged)
	}
	if c.From.MaxAge != c.To.MaxAge {
		kinds = append(kinds, MaxAgeChanged)
	}
	if c.From.RotateEvery != c.To.RotateEvery {
		kinds = append(kinds, RotateEveryChanged)
	}
	if c.From.MaxSeals != c.To.MaxSeals {
		kinds = append(kinds, MaxSealsChanged)
	}
	if c.From.Suite != c.To.Suite {
		kinds = append(kinds, SuiteChanged)
	}
	if c.From.Compression != c.To.Compression {
		kinds = append(kinds, CompressionChanged)
	}
	return kinds
}

// Downgrade reports whether there is a moment at which less depends on the tenant's key than
// before: platform keys alone where it was needed, or both where it was the only one. Besides the
// move from tenant to platform these are every way back into a transition, one that ends in
// platform keys, and one whose end is put off. A rule that is added or removed is no downgrade:
// what the namespace was under when it last had a rule is not in the two policies.
func (c Change) Downgrade() bool {
	if c.From == nil || c.To == nil {
		return false
	}
	// Domains change only at the two ends, and the zero time is before both.
	for _, moment := range []time.Time{{}, c.From.Until, c.To.Until} {
		if reliance(c.To.DomainAt(moment)) < reliance(c.From.DomainAt(moment)) {
			return true
		}
	}
	return false
}

// MovesRecords reports whether records that lie as the old rule wanted them at now are stale under
// the new one. A max-age that is new moves all, to date them; another max-age moves none.
func (c Change) MovesRecords(now time.Time) bool {
	return c.From != nil && c.To != nil &&
		(c.From.DomainAt(now) != c.To.DomainAt(now) || c.From.Suite != c.To.Suite || c.From.Compression != c.To.Compression ||
			c.From.MaxAge == 0 && c.To.MaxAge > 0)
}

// String is the change on one line, such as
// "jira/attachments: tenant -> platform (to platform keys; downgrade)".
func (c Change) String() string {
	var notes []string
	for _, kind := range c.Kinds() {
		notes = append(notes, kind.String())
	}
	if c.Downgrade() {
		notes = append(notes, "downgrade")
	}
	return fmt.Sprintf("%s: %s -> %s (%s)", c.Namespace, c.side(c.From), c.side(c.To), strings.Join(notes, "; "))
}

// side is what a rule wants for the namespace, and which rule if it is not the namespace's own.
func (c Change) side(rule *Rule) string {
	switch {
	case rule == nil:
		return "refused"
	case rule.Namespace != c.Namespace:
		return rule.terms() + " by " + rule.Namespace
	}
	return rule.terms()
}

// reliance orders domains by how much depends on the tenant's key.
func reliance(d Domain) int {
	switch d {
	case Tenant:
		return 2 // nothing opens without it
	case Both:
		return 1 // it is used, and another would do
	}
	return 0
}
