package scope

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// Bounds of what a policy says about itself. The version fits an int of 32 bits.
const (
	MaxVersion = 999_999_999
	MaxNameLen = 64 // bytes
)

// ErrUnknownNamespace is what a namespace without a rule gives; see UnknownNamespaceError.
var ErrUnknownNamespace = errors.New("scope: unknown namespace")

// A Policy is a parsed policy file. It never changes and is safe for concurrent use.
type Policy struct {
	file    string
	name    string
	version int
	rules   []Rule
	index   map[string]int // of rules, by namespace
	source  []byte

	suite       Suite       // of rules that name none
	compression Compression // likewise
}

// Version returns the policy's own version, from 1 to MaxVersion. Whoever applies a policy over
// another holds it to a greater version.
func (p *Policy) Version() int { return p.version }

// Name returns the name of the policy, the same for all its versions.
func (p *Policy) Name() string { return p.name }

// String names the policy and its version, such as "early-access-2026 version 1".
func (p *Policy) String() string { return fmt.Sprintf("%s version %d", p.name, p.version) }

// Rules returns the rules in the order of the file. The caller owns the slice.
func (p *Policy) Rules() []Rule { return slices.Clone(p.rules) }

// Source returns the YAML exactly as it was parsed. This is what a keyring stores: Parse turns it
// into the same policy again. The caller owns the slice.
func (p *Policy) Source() []byte { return bytes.Clone(p.source) }

// Lookup returns the rule for a namespace: its own, or the one for every product. A name that is
// no namespace gives ErrInvalidNamespace, a namespace without a rule an *UnknownNamespaceError.
func (p *Policy) Lookup(namespace string) (Rule, error) {
	if err := CheckNamespace(namespace); err != nil {
		return Rule{}, err
	}
	if rule := p.ruleFor(namespace); rule != nil {
		return *rule, nil
	}
	return Rule{}, p.unknown(namespace)
}

// ruleFor returns the rule that holds for a namespace, or nil. The namespace of a rule for every
// product finds that rule.
func (p *Policy) ruleFor(namespace string) *Rule {
	if rule := p.row(namespace); rule != nil {
		return rule
	}
	return p.row(forEveryProduct(namespace))
}

// row returns the rule with exactly this namespace, or nil.
func (p *Policy) row(namespace string) *Rule {
	i, ok := p.index[namespace]
	if !ok {
		return nil
	}
	return &p.rules[i]
}

func (p *Policy) unknown(namespace string) error {
	product, _ := split(namespace)
	return &UnknownNamespaceError{
		Namespace: namespace,
		Policy:    p.String(),
		Near:      nearest(namespace, p.namespaces(product)),
	}
}

// namespaces returns every namespace of product that has a rule, and those of other products that
// have one of their own.
func (p *Policy) namespaces(product string) []string {
	var names []string
	for _, rule := range p.rules {
		name := rule.Namespace
		if isForEveryProduct(name) {
			_, typ := split(name)
			name = product + "/" + typ
		}
		names = append(names, name)
	}
	return names
}

// An UnknownNamespaceError says that a policy has no rule for a namespace, neither its own nor one
// for every product. It is an ErrUnknownNamespace.
type UnknownNamespaceError struct {
	Namespace string
	Policy    string // name and version
	Near      string // a namespace with a rule that is spelled almost alike, or empty
}

// Error names the namespace and what to do.
func (e *UnknownNamespaceError) Error() string {
	near := ""
	if e.Near != "" {
		near = fmt.Sprintf(" (did you mean %s?)", e.Near)
	}
	return fmt.Sprintf("scope: policy %s has no rule for %s%s; add one in a new version of the policy", e.Policy, e.Namespace, near)
}

// Is makes errors.Is(err, ErrUnknownNamespace) true.
func (e *UnknownNamespaceError) Is(target error) bool { return target == ErrUnknownNamespace }
