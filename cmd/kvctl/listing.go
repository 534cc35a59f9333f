package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A listing prints rows as they come: a table for people, or {"schema":…,"rows":[…]}.
type listing struct {
	json    bool
	out     *bufio.Writer
	columns []string // a leading ">" aligns to the right
	pending [][]string
	printed bool // the header, or the first row of JSON
}

// tableBlock is how many rows share the widths of a table's columns: it bounds what is kept, and
// how long the first rows wait.
const tableBlock = 1000

// list begins a listing. fields stand before the rows in JSON: a name, a value, and so on.
func (c *cli) list(schema string, columns []string, fields ...any) *listing {
	l := &listing{json: c.json, out: bufio.NewWriter(c.out), columns: columns}
	if !l.json {
		return l
	}
	fmt.Fprintf(l.out, `{"schema":%q`, schema)
	for i := 0; i+1 < len(fields); i += 2 {
		fmt.Fprintf(l.out, `,%q:%s`, fields[i], encode(fields[i+1]))
	}
	l.out.WriteString(`,"rows":[`)
	return l
}

// row adds a row: v for programs, cells, if any, for people.
func (l *listing) row(v any, cells ...string) {
	if !l.json && len(cells) == 0 {
		return
	}
	if !l.json {
		l.pending = append(l.pending, cells)
		if len(l.pending) == tableBlock {
			l.flushTable()
		}
		return
	}
	if l.printed {
		l.out.WriteByte(',')
	}
	l.printed = true
	l.out.WriteByte('\n')
	l.out.Write(encode(v))
}

// foot adds a last row that only people see.
func (l *listing) foot(cells ...string) {
	if !l.json {
		l.pending = append(l.pending, cells)
	}
}

// fail ends a listing for an error that it returns. What was printed stays whole; where nothing
// was, nothing is.
func (l *listing) fail(err error) error {
	if !l.printed && len(l.pending) == 0 {
		return err
	}
	return errors.Join(err, l.end(""))
}

// end prints what is left. Where there was no row, people read none instead.
func (l *listing) end(none string) error {
	switch {
	case l.json && l.printed:
		l.out.WriteString("\n]}\n")
	case l.json:
		l.out.WriteString("]}\n")
	case len(l.pending) > 0:
		l.flushTable()
	case !l.printed && none != "":
		fmt.Fprintln(l.out, none)
	}
	return l.out.Flush()
}

func (l *listing) flushTable() {
	if !l.printed && len(l.columns) > 0 {
		header := make([]string, len(l.columns))
		for i, name := range l.columns {
			header[i] = strings.ToUpper(strings.TrimPrefix(name, ">"))
		}
		l.pending = append([][]string{header}, l.pending...)
		l.printed = true
	}
	l.alignRight()
	writeTable(l.out, l.pending)
	l.pending = l.pending[:0]
}

// alignRight pads the cells of columns whose numbers stand under one another: writeTable aligns
// all columns to the left.
func (l *listing) alignRight() {
	widths := widths(l.pending)
	for i, name := range l.columns {
		if !strings.HasPrefix(name, ">") {
			continue
		}
		for _, cells := range l.pending {
			if cells[i] != "" {
				cells[i] = strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cells[i])) + cells[i]
			}
		}
	}
}

// writeTable writes rows in columns that are as wide as their widest cell in any row. Unlike with
// text/tabwriter a row that ends in empty cells does not begin columns anew.
func writeTable(out io.Writer, rows [][]string) {
	widths := widths(rows)
	for _, cells := range rows {
		var line strings.Builder
		for i, cell := range cells {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
}

// widths is how many characters the widest cell of each column has.
func widths(rows [][]string) (widths []int) {
	for _, cells := range rows {
		for i, cell := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// show prints one thing: v as the only row for programs, lines of name and value for people.
// Those without a value are left out.
func (c *cli) show(schema string, v any, lines ...[2]string) error {
	if c.json {
		l := c.list(schema, nil)
		l.row(v)
		return l.end("")
	}
	var rows [][]string
	for _, line := range lines {
		if line[1] != "" {
			rows = append(rows, []string{line[0], line[1]})
		}
	}
	writeTable(c.out, rows)
	return nil
}

// report says what was done: v as a row for programs, a sentence for people.
func (c *cli) report(schema string, v any, format string, args ...any) error {
	c.say(format, args...)
	if !c.json {
		return nil
	}
	return c.show(schema, v)
}

func encode(v any) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // a row of ours that JSON has no form for
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}
