package scope

import (
	"fmt"
	"time"
)

// An Explanation is why a policy treats a namespace as it does.
type Explanation struct {
	Namespace string // the one asked for
	Rule      Rule   // the rule that holds for it
	Shadowed  *Rule  // the rule for every product that would hold without Rule, or nil
	Policy    string // name and version
	File      string // as given to Parse
}

// Explain returns which rule holds for a namespace and why. Its errors are those of Lookup.
func (p *Policy) Explain(namespace string) (Explanation, error) {
	rule, err := p.Lookup(namespace)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Namespace: namespace, Rule: rule, Policy: p.String(), File: p.file}
	if shadowed := p.row(forEveryProduct(namespace)); shadowed != nil && e.Exact() {
		copied := *shadowed
		e.Shadowed = &copied
	}
	return e, nil
}

// Exact reports whether the namespace has a rule of its own.
func (e Explanation) Exact() bool { return e.Rule.Namespace == e.Namespace }

// String is the explanation in a sentence: whose keys, for how long, and by which line of the file.
func (e Explanation) String() string {
	return fmt.Sprintf("Policy %s seals %s under %s%s%s%s: %s.", e.Policy, e.Namespace, e.keys(), e.suite(), e.compression(), e.kept(), e.why())
}

func (e Explanation) keys() string {
	switch {
	case e.Rule.Domain != Both:
		return e.Rule.Domain.String() + " keys"
	case e.Rule.Until.IsZero():
		return "tenant and platform keys until a later version of the policy names the end"
	}
	return fmt.Sprintf("tenant and platform keys until %s, 00:00 UTC, then tenant keys alone",
		e.Rule.Until.Format(time.DateOnly))
}

func (e Explanation) suite() string {
	if e.Rule.Suite == XChaCha20Poly1305 {
		return ""
	}
	return ", by " + e.Rule.Suite.String()
}

func (e Explanation) compression() string {
	switch e.Rule.Compression {
	case Zstd:
		return ", compressed by zstd"
	case ZstdDict:
		return ", compressed by zstd with a dictionary"
	}
	return ""
}

func (e Explanation) kept() string {
	if e.Rule.MaxAge == 0 {
		return ""
	}
	return ", for at most " + FormatAge(e.Rule.MaxAge) + " from the first write"
}

func (e Explanation) why() string {
	place := fmt.Sprintf("(%s:%d)", e.File, e.Rule.Line)
	switch {
	case !e.Exact():
		return fmt.Sprintf("it has no rule of its own, so the one of %s holds %s", e.Rule.Namespace, place)
	case e.Shadowed != nil:
		return fmt.Sprintf("it has a rule of its own %s, which goes before %s (line %d)", place, e.Shadowed.Namespace, e.Shadowed.Line)
	}
	return "it has a rule of its own " + place
}
