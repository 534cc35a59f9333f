package scope_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/scope"
)

// What a datadriven file cannot hold: bytes that are no text, line breaks, margins, sizes.
func TestParseRefusesText(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"empty", "", "p:1: no version; add version: 1, and raise it with each change\n" +
			"p:1: no name; add one that all versions of this policy share\n" +
			"p:1: no rules; without them every namespace is refused"},
		{"slipped", "  version: 1\nname: x\n", "p:2: not YAML: did not find expected <document start>; check alignment and quotes"},
		{"latin 1", "version: 1\nname: caf\xe9\n", "p:2: not UTF-8; save the file as UTF-8"},
		{"UTF-16", "\xff\xfev\x00", "p:1: not UTF-8; save the file as UTF-8"},
		{"tab", "version: 1\n\tname: x\n", "p:2: a tab; use spaces"},
		{"tab in a comment", "version: 1 #\tone\n", "p:1: a tab; use spaces"},
		{"byte order mark", "\ufeffversion: 1\n", "p:1: U+FEFF cannot be seen; remove it"},
		{"no-break space", "version:\u00a01\n", "p:1: U+00A0 cannot be seen; remove it"},
		{"right to left", "version: 1\r\n# \u202egnp\r\n", "p:2: U+202E cannot be seen; remove it"},
		{"NUL", "version: 1\n\x00", "p:2: U+0000 cannot be seen; remove it"},
		{"old Macintosh", "version: 1\rname: x\r", "p:1: U+000D cannot be seen; remove it"},
		{"too long", strings.Repeat("#", scope.MaxSourceLen+1), "p: 131073 bytes, more than the 131072 of a policy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := scope.Parse("p", []byte(c.yaml))
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if p != nil {
				t.Error("a policy beside the error")
			}
		})
	}
}

func TestParseWindowsLineBreaks(t *testing.T) {
	yaml := "# one # two\n\n" + small
	want := mustParse(t, yaml)
	windows := strings.ReplaceAll(yaml, "\n", "\r\n")
	p := mustParse(t, windows)
	if string(p.Source()) != windows {
		t.Error("source is not what was parsed")
	}
	for i, rule := range p.Rules() {
		if rule != want.Rules()[i] {
			t.Errorf("got %+v, want %+v", rule, want.Rules()[i])
		}
	}
}

func TestParseErrorHoldsProblems(t *testing.T) {
	_, err := scope.Parse("p", []byte("version: 1\nname: x\nrules:\n  - domain: tenant\n  - namespace: a/b\n"))
	var parse *scope.ParseError
	if !errors.As(err, &parse) {
		t.Fatalf("got %T", err)
	}
	if parse.File != "p" || len(parse.Problems) != 2 || parse.Problems[1].Line != 5 {
		t.Errorf("got %+v", parse)
	}
}

func TestParseErrorShowsSome(t *testing.T) {
	_, err := scope.Parse("p", []byte(strings.Repeat("a: b\n", 100)))
	lines := strings.Split(err.Error(), "\n")
	if last := lines[len(lines)-1]; len(lines) != 21 || last != "p: and 83 more" {
		t.Errorf("%d lines, the last %q", len(lines), last)
	}
}

// TestParseManyRules holds the size that MaxSourceLen promises.
func TestParseManyRules(t *testing.T) {
	var yaml strings.Builder
	yaml.WriteString("version: 1\nname: many\nrules:\n")
	for i := range 2500 {
		fmt.Fprintf(&yaml, "  - namespace: product/type-%04d\n    domain: tenant\n", i)
	}
	if n := len(mustParse(t, yaml.String()).Rules()); n != 2500 {
		t.Errorf("%d rules", n)
	}
}

// TestParseLongFiles would hang, or use up memory or stack, if something grew faster than the file.
func TestParseLongFiles(t *testing.T) {
	var deep strings.Builder
	for i := 0; deep.Len() < longLen; i++ {
		deep.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, yaml := range map[string]string{
		"deep":       deep.String(),
		"dashes":     long("- "),
		"brackets":   long("["),
		"braces":     long("{a: "),
		"fields":     long("a: b\n"),
		"texts":      "[" + long("a,") + "]",
		"pairs":      "[" + long(":,") + "]",
		"names":      "{" + long("a,") + "}",
		"aliases":    "a: &a [x]\n" + long("b: [*a, *a]\n")[12:],
		"anchors":    long("- &a b\n"),
		"tags":       long("- !a b\n"),
		"directives": long("%TAG !a! !\n") + "---\n",
		"documents":  long("---\n"),
		"comments":   long("- #\n"),
		"block":      "note: |\n" + long(" a\n"),
		"text":       "note: \"" + long("a\n") + "\"",
		"name":       long("a") + ": b",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := scope.Parse("p", []byte(yaml)); err == nil {
				t.Error("parsed")
			}
		})
	}
}

// longLen is far beyond any policy, and short enough for the race detector.
const longLen = scope.MaxSourceLen / 2

// long repeats s up to longLen bytes.
func long(s string) string { return strings.Repeat(s, longLen/len(s)) }
