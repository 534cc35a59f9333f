package scope

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// shownProblems bounds the text of a ParseError; a file of another kind has one on every line.
const shownProblems = 20

// A Problem is one mistake in a policy file.
type Problem struct {
	Line int    // from 1, or 0 for the file as a whole
	Text string // what is wrong and what to do, one line
}

// A ParseError is everything that Parse found wrong with a file.
type ParseError struct {
	File     string
	Problems []Problem // at least one, in the order of their lines
}

// Error returns a line for each problem, in the form of a compiler, so that editors find the
// place: "policy.yaml:12: jira/comments appears twice (first on line 7); remove one".
func (e *ParseError) Error() string {
	var lines []string
	for _, p := range e.Problems[:min(len(e.Problems), shownProblems)] {
		lines = append(lines, e.place(p.Line)+": "+p.Text)
	}
	if more := len(e.Problems) - shownProblems; more > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more", e.File, more))
	}
	return strings.Join(lines, "\n")
}

func (e *ParseError) place(line int) string {
	if line == 0 {
		return e.File
	}
	return fmt.Sprintf("%s:%d", e.File, line)
}

func problemAt(line int, format string, args ...any) *Problem {
	return &Problem{line, fmt.Sprintf(format, args...)}
}

// problems collects what is wrong while the rest of a file is still read.
type problems []Problem

func (p *problems) add(line int, format string, args ...any) {
	*p = append(*p, *problemAt(line, format, args...))
}

// in returns what was collected as an error about file, nil if it is nothing.
func (p problems) in(file string) error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return &ParseError{File: file, Problems: p}
}
