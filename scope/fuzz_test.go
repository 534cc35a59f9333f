package scope_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/scope"
)

// FuzzParse holds Parse to this: a problem names a line of the file and prints as one line; what
// parses, parses again from its source to the same policy; and its rules are possible.
//
// Run it with -fuzzminimizetime 20x: at the default Go spends most of the time on minimising.
func FuzzParse(f *testing.F) {
	f.Add(string(scope.Default().Source()))
	f.Add(small)
	f.Add(house)
	f.Add("---\n# x\nversion: 1\r\nname: \"\\u0061\"\nrules:\n- namespace: 'a/b'\n  domain: both # y\n  until: 2027-03-31\n  note: 'it''s'\n")
	f.Add("{version: 2, \"name\": x, rules: [{namespace: a/b, domain: both, note: 'y'}]}\n...\n")
	f.Add("version: >-\n  1\nname: |\n  x\nrules:\n-\n  ? namespace\n  : a/b\n  domain: tenant\n  note: >\n    y\n    z\n")
	f.Add("{")
	f.Add("%YAML 1.1\na: [b]\nc: &d *e\n? f\n- - g\nh: !i |\n  j\n<<: {k\n")
	f.Fuzz(func(t *testing.T, yaml string) {
		p, err := scope.Parse("p", []byte(yaml))
		if err != nil {
			checkProblems(t, err, yaml)
			return
		}
		checkSource(t, p)
		for _, rule := range p.Rules() {
			checkRule(t, p, rule)
		}
	})
}

func checkProblems(t *testing.T, err error, yaml string) {
	t.Helper()
	var parse *scope.ParseError
	if !errors.As(err, &parse) || len(parse.Problems) == 0 {
		t.Fatalf("got %#v", err)
	}
	last := strings.Count(yaml, "\n") + 1
	for _, p := range parse.Problems {
		if p.Line < 0 || p.Line > last || strings.ContainsAny(p.Text, "\n\x1b") {
			t.Fatalf("line %d of %d: %q", p.Line, last, p.Text)
		}
	}
}

func checkSource(t *testing.T, p *scope.Policy) {
	t.Helper()
	again, err := scope.Parse("again", p.Source())
	if err != nil {
		t.Fatalf("the source of a policy: %v", err)
	}
	if p.String() != again.String() || !slices.Equal(p.Rules(), again.Rules()) {
		t.Fatal("the source of a policy is another policy")
	}
	if changes := scope.Diff(p, again); changes != nil {
		t.Fatalf("a policy differs from itself: %v", changes)
	}
}

func checkRule(t *testing.T, p *scope.Policy, rule scope.Rule) {
	t.Helper()
	if rule.Domain < scope.Tenant || rule.Domain > scope.Both || rule.Domain != scope.Both && !rule.Until.IsZero() {
		t.Fatalf("impossible: %s", rule)
	}
	if rule.MaxAge != 0 && (rule.MaxAge < scope.ShortestAge || rule.MaxAge > scope.LongestAge) {
		t.Fatalf("out of bounds: %s", rule)
	}
	if rule.Suite != scope.XChaCha20Poly1305 && rule.Suite != scope.XAES256GCM {
		t.Fatalf("no suite: %s", rule)
	}
	if rule.Compression < scope.NoCompression || rule.Compression > scope.ZstdDict || rule.Compression == scope.ZstdDict && rule.MaxAge != 0 {
		t.Fatalf("no compression that may be there: %s", rule)
	}
	if strings.HasPrefix(rule.Namespace, "all/") {
		return
	}
	if got, err := p.Lookup(rule.Namespace); err != nil || got != rule {
		t.Fatalf("%s: got %s, %v", rule, got, err)
	}
}
