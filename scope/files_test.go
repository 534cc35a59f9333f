package scope_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/sealkv/sealkv/scope"
)

// The files in testdata are read with these commands:
//
//	parse             the rules of the YAML below, or every problem in it
//	policy name=x     keeps the YAML below under a name, for the commands after it
//	lookup in=x       the rule for each namespace below, or the error
//	explain in=x      likewise, as a sentence
//	diff from=x to=y now=2027-01-01
//	                  each change, and whether it moves records at that time
func TestFiles(t *testing.T) {
	files := 0
	datadriven.Walk(t, "testdata/policies", func(t *testing.T, path string) {
		files++
		policies := map[string]*scope.Policy{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return run(t, d, policies)
		})
	})
	if files == 0 {
		t.Fatal("no files in testdata/policies")
	}
}

func run(t *testing.T, d *datadriven.TestData, policies map[string]*scope.Policy) string {
	named := func(arg string) *scope.Policy {
		var name string
		d.ScanArgs(t, arg, &name)
		if policies[name] == nil {
			d.Fatalf(t, "no policy %s", name)
		}
		return policies[name]
	}
	switch d.Cmd {
	case "parse":
		return parse(d.Input)
	case "policy":
		p, err := scope.Parse("policy.yaml", []byte(d.Input))
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		var name string
		d.ScanArgs(t, "name", &name)
		policies[name] = p
		return p.String()
	case "lookup":
		p := named("in")
		return eachLine(d.Input, func(line string) (fmt.Stringer, error) { return p.Lookup(line) })
	case "explain":
		p := named("in")
		return eachLine(d.Input, func(line string) (fmt.Stringer, error) { return p.Explain(line) })
	case "diff":
		var now string
		d.ScanArgs(t, "now", &now)
		return diff(named("from"), named("to"), date(t, now))
	}
	d.Fatalf(t, "unknown command %s", d.Cmd)
	return ""
}

func parse(yaml string) string {
	p, err := scope.Parse("policy.yaml", []byte(yaml))
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	fmt.Fprintln(&out, p)
	for _, rule := range p.Rules() {
		fmt.Fprintf(&out, "%d %s", rule.Line, rule)
		if rule.Note != "" {
			fmt.Fprintf(&out, " # %s", rule.Note)
		}
		fmt.Fprintln(&out)
	}
	return out.String()
}

func eachLine(input string, do func(string) (fmt.Stringer, error)) string {
	var out strings.Builder
	for line := range strings.Lines(input) {
		result, err := do(strings.TrimSuffix(line, "\n"))
		if err != nil {
			fmt.Fprintln(&out, err)
			continue
		}
		fmt.Fprintln(&out, result)
	}
	return out.String()
}

func diff(from, to *scope.Policy, now time.Time) string {
	var out strings.Builder
	for _, c := range scope.Diff(from, to) {
		fmt.Fprint(&out, c)
		if c.MovesRecords(now) {
			fmt.Fprint(&out, " moves records")
		}
		fmt.Fprintln(&out)
	}
	if out.Len() == 0 {
		return "no change"
	}
	return out.String()
}

func date(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
