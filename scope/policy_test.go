package scope_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/sealkv/sealkv/scope"
)

func mustParse(t *testing.T, yaml string) *scope.Policy {
	t.Helper()
	p, err := scope.Parse("policy.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const small = `version: 7
name: small
rules:
  - namespace: jira/comments
    domain: tenant
  - namespace: all/analytics
    domain: platform
`

func TestPolicy(t *testing.T) {
	p := mustParse(t, small)
	if p.Version() != 7 || p.Name() != "small" {
		t.Errorf("got %s", p)
	}
	if string(p.Source()) != small {
		t.Errorf("source is not what was parsed: %q", p.Source())
	}
}

func TestPolicyKeepsWhatItReturns(t *testing.T) {
	yaml := []byte(small)
	p, err := scope.Parse("policy.yaml", yaml)
	if err != nil {
		t.Fatal(err)
	}
	want := p.Rules()
	clear(yaml)
	clear(p.Source())
	clear(p.Rules())
	e, err := p.Explain("jira/comments")
	if err != nil {
		t.Fatal(err)
	}
	e.Rule.Domain = scope.Platform
	change, _ := scope.Compare(mustParse(t, house), p, "jira/analytics")
	change.To.Domain = scope.Tenant
	if string(p.Source()) != small || !slices.Equal(p.Rules(), want) {
		t.Error("a caller's write reached the policy")
	}
}

func TestLookupErrors(t *testing.T) {
	p := mustParse(t, small)
	_, err := p.Lookup("jira/coments")
	var unknown *scope.UnknownNamespaceError
	if !errors.Is(err, scope.ErrUnknownNamespace) || !errors.As(err, &unknown) {
		t.Fatalf("got %v", err)
	}
	want := scope.UnknownNamespaceError{Namespace: "jira/coments", Policy: "small version 7", Near: "jira/comments"}
	if *unknown != want {
		t.Errorf("got %+v, want %+v", *unknown, want)
	}
	if _, err := p.Lookup("jira"); !errors.Is(err, scope.ErrInvalidNamespace) || errors.Is(err, scope.ErrUnknownNamespace) {
		t.Errorf("got %v", err)
	}
}
