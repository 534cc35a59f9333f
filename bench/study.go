package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A study answers one question with figures that change as something grows, or is set otherwise.
// The report of the peers compares engines; a study looks at sealkv alone, or beside the baseline.
type study struct {
	Title   string
	About   string
	Date    string
	Command string
	Machine string
	Grids   []grid
}

// A grid is one table of a study, and one plot where its rows have numbers.
type grid struct {
	Name    string // of the plot's file
	Title   string
	About   string
	Over    string // what differs from row to row
	Columns []column
	Rows    []gridRow
}

// A column is a figure with its unit; those of one unit are drawn together.
type column struct {
	Name string
	Unit unit
}

type unit string

const (
	timeUnit     unit = "time"
	secondsUnit  unit = "seconds"
	bytesUnit    unit = "bytes"
	rateUnit     unit = "per second"
	byteRateUnit unit = "bytes per second"
	ratioUnit    unit = "ratio"
)

// A gridRow is one line. X is its place on the axis of the plot; 0 where there is none.
type gridRow struct {
	At     string
	X      float64
	Values measured
}

// measured are figures by the names of columns. One that is absent was not measured.
type measured map[string]float64

func newStudy(title, about string, args []string) *study {
	return &study{
		Title: title, About: about, Date: time.Now().UTC().Format("2006-01-02"),
		Command: strings.Join(append([]string{"go -C bench run ."}, args...), " "), Machine: machine(),
	}
}

// write writes NAME.json, NAME.md and the plots into a folder.
func (s *study) write(folder, name string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(folder, name+".json"), append(raw, '\n'), 0o644),
		os.WriteFile(filepath.Join(folder, name+".md"), []byte(s.markdown()), 0o644))
	for _, g := range s.Grids {
		if g.drawn() {
			err = errors.Join(err, os.WriteFile(filepath.Join(folder, g.plotName()), g.plot(), 0o644))
		}
	}
	return err
}

func (s *study) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n`%s`, %s, on %s.\n\n%s\n", s.Title, s.Command, s.Date, s.Machine, s.About)
	for _, g := range s.Grids {
		fmt.Fprintf(&b, "\n## %s\n\n", g.Title)
		if g.About != "" {
			fmt.Fprintf(&b, "%s\n\n", g.About)
		}
		if g.drawn() {
			fmt.Fprintf(&b, "![%s](%s)\n\n", g.Title, g.plotName())
		}
		head := []string{g.Over}
		for _, c := range g.Columns {
			head = append(head, c.Name)
		}
		table(&b, head, func(add func(...string)) {
			for _, r := range g.Rows {
				line := []string{r.At}
				for _, c := range g.Columns {
					line = append(line, r.text(c))
				}
				add(line...)
			}
		})
	}
	return b.String()
}

func (r gridRow) text(c column) string {
	v, found := r.Values[c.Name]
	if !found {
		return "–"
	}
	return c.Unit.text(v)
}

func (u unit) text(v float64) string {
	switch u {
	case timeUnit:
		return timeText(v)
	case secondsUnit:
		return fmt.Sprintf("%.3g s", v)
	case bytesUnit:
		return bytesText(v)
	case byteRateUnit:
		return fmt.Sprintf("%.0f MB/s", v/1e6)
	case rateUnit:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// drawn reports whether the rows lie on an axis.
func (g *grid) drawn() bool {
	for _, r := range g.Rows {
		if r.X <= 0 {
			return false
		}
	}
	return len(g.Rows) > 1
}

func (g *grid) plotName() string { return g.Name + ".svg" }
