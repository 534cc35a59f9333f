package demo

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// A printer writes what a person reads. It keeps the first error of its writer.
type printer struct {
	out   io.Writer
	color bool
	steps int
	err   error
}

func (p *printer) print(text string) {
	if _, err := io.WriteString(p.out, text); p.err == nil {
		p.err = err
	}
}

// line prints an indented line.
func (p *printer) line(format string, args ...any) {
	p.print("   " + fmt.Sprintf(format, args...) + "\n")
}

// typed prints a line that a person would type.
func (p *printer) typed(text string) { p.line("%s", p.style("36", "$ "+text)) }

func (p *printer) title(text string) { p.print(p.style("1", text) + "\n") }

func (p *printer) step(text string) {
	p.steps++
	p.print("\n" + p.style("1", fmt.Sprintf("%d  %s", p.steps, text)) + "\n")
}

// style wraps text in an ANSI sequence.
func (p *printer) style(code, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *printer) good(text string) string  { return p.style("32", text) }
func (p *printer) dark(text string) string  { return p.style("31", text) }
func (p *printer) faint(text string) string { return p.style("2", text) }

const barWidth = 30

// bar draws a share.
func (p *printer) bar(part, whole uint64) string {
	full := 0
	if whole > 0 {
		full = int(part * barWidth / whole)
	}
	return p.good(strings.Repeat("█", full)) + p.faint(strings.Repeat("░", barWidth-full))
}

// percent is 100 only for all of it.
func percent(part, whole uint64) uint64 {
	if part == whole {
		return 100
	}
	return min((part*100+whole/2)/whole, 99)
}

// table prints rows under headings. A heading that begins with > has its column to the right.
func (p *printer) table(headings []string, rows [][]string) {
	widths := make([]int, len(headings))
	right := make([]bool, len(headings))
	for i, h := range headings {
		headings[i] = strings.TrimPrefix(h, ">")
		right[i] = headings[i] != h
		widths[i] = utf8.RuneCountInString(headings[i])
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	format := func(cells []string) string {
		var b strings.Builder
		for i, cell := range cells {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if right[i] {
				b.WriteString(space + cell)
			} else {
				b.WriteString(cell + space)
			}
			b.WriteString("  ")
		}
		return strings.TrimRight(b.String(), " ")
	}
	p.line("%s", p.faint(format(headings)))
	for _, row := range rows {
		p.line("%s", format(row))
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// typeable reports whether a key needs no quotes in a shell and is no flag.
func typeable(key []byte) bool { return plain.Match(key) && key[0] != '-' }

// quote writes an argument for a shell.
func quote(arg string) string {
	if plain.MatchString(arg) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
