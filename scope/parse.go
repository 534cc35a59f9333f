package scope

import (
	"bytes"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// MaxSourceLen is the most bytes that a policy file may have: room for 2,500 rules of a namespace
// and a domain, or 1,000 with notes. It bounds what the worst file costs to parse, brackets full of
// commas: 1.2 KB of memory for each byte, 150 MB and about a second in all.
const MaxSourceLen = 128 << 10

// Parse reads a policy from YAML, strictly; the package comment has the form. The result does not
// depend on the time of day: a policy that was stored parses for ever. filename only names the
// file in errors and explanations. Parse keeps no reference to source.
//
// The error is a *ParseError. Where the text is not YAML it holds the first problem; otherwise
// all of them.
func Parse(filename string, source []byte) (*Policy, error) {
	root, problem := parseYAML(source)
	if problem != nil {
		return nil, problems{*problem}.in(filename)
	}
	d := decoder{}
	p := d.policy(root)
	if err := d.problems.in(filename); err != nil {
		return nil, err
	}
	p.file = filename
	p.source = bytes.Clone(source)
	return p, nil
}

// parseYAML returns the root of the only document in a file. Where there is none it is null.
func parseYAML(source []byte) (*yaml.Node, *Problem) {
	if len(source) > MaxSourceLen {
		return nil, problemAt(0, "%d bytes, more than the %d of a policy", len(source), MaxSourceLen)
	}
	if problem := checkText(source); problem != nil {
		return nil, problem
	}
	var documents []yaml.Node
	err := yaml.Load(source, &documents, yaml.WithAllDocuments())
	switch {
	case err != nil:
		return nil, syntaxProblem(err, source)
	case len(documents) == 0:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: nullTag}, nil
	case len(documents) > 1:
		return nil, problemAt(documents[1].Line, "a second document begins here; a file holds one policy")
	}
	return documents[0].Content[0], nil
}

// syntaxProblem is what keeps a file from being YAML, in the library's words.
func syntaxProblem(err error, source []byte) *Problem {
	var syntax *yaml.LoadError
	if !errors.As(err, &syntax) {
		return problemAt(0, "not YAML: %v", err)
	}
	line := syntax.Mark.Line
	if syntax.Stage == yaml.ScannerStage && syntax.ContextMark.Line > 0 {
		line = syntax.ContextMark.Line // of the quote, say, and not of the end that it lacks
	}
	last := 1 + bytes.Count(bytes.TrimRight(source, "\r\n"), []byte("\n"))
	line = min(line, last) // for the library the file ends on a line of its own

	if syntax.Stage == yaml.ComposerStage { // its one complaint: no anchor has that name
		return problemAt(line, "%s", aliasRefused)
	}
	return problemAt(line, "not YAML: %s; check alignment and quotes",
		strings.TrimSpace(syntax.Message+" "+syntax.ContextMsg))
}

// checkText refuses what no policy needs and what makes a file read otherwise than it looks:
// control characters, tabs, spaces of other widths, marks that reverse the direction of writing,
// and lines that change how YAML is read.
func checkText(text []byte) *Problem {
	line, begins := 1, true
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == '\n':
			line++
		case r == '\r' && bytes.HasPrefix(rest, []byte("\r\n")): // as Windows breaks lines
		case r == utf8.RuneError && size == 1:
			return problemAt(line, "not UTF-8; save the file as UTF-8")
		case r == '\t':
			return problemAt(line, "a tab; use spaces")
		case !unicode.IsPrint(r):
			return problemAt(line, "%U cannot be seen; remove it", r)
		case r == '%' && begins:
			return problemAt(line, "directives (%%) are not for policies; remove the line")
		}
		begins = r == '\n'
		rest = rest[size:]
	}
	return nil
}
