package main

import (
	"bytes"
	"fmt"
	"math"
	"slices"
)

// Measures of a plot of lines, in pixels. Each unit has a panel of its own; both axes are
// logarithmic.
const (
	panelWidth  = 560
	panelHeight = 150
	panelGap    = 46
	axisWidth   = 90
	legendWidth = 190
)

// plot draws the columns of a grid over its rows.
func (g *grid) plot() []byte {
	units := g.units()
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n",
		axisWidth+panelWidth+legendWidth, len(units)*(panelHeight+panelGap)+10)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, u := range units {
		g.panel(&b, u, 20+i*(panelHeight+panelGap))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// units are those of the columns, each once.
func (g *grid) units() (units []unit) {
	for _, c := range g.Columns {
		if !slices.Contains(units, c.Unit) {
			units = append(units, c.Unit)
		}
	}
	return units
}

// panel draws the columns of one unit, with its upper edge at top.
func (g *grid) panel(b *bytes.Buffer, u unit, top int) {
	xs := newScale(panelWidth)
	ys := newScale(panelHeight)
	for _, r := range g.Rows {
		xs.include(r.X)
		for _, c := range g.Columns {
			if v := r.Values[c.Name]; c.Unit == u && v > 0 {
				ys.include(v)
			}
		}
	}
	if ys.empty() {
		return
	}
	ys.widen()
	bottom := top + panelHeight
	for _, r := range g.Rows {
		x := axisWidth + xs.at(r.X)
		fmt.Fprintf(b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#eeeeee"/>`, x, top, x, bottom)
		text(b, x, bottom+14, "middle", r.At)
	}
	text(b, axisWidth+panelWidth+8, bottom+14, "start", g.Over)
	for _, v := range []float64{ys.low, math.Sqrt(ys.low * ys.high), ys.high} {
		y := bottom - ys.at(v)
		fmt.Fprintf(b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#dddddd"/>`, axisWidth, y, axisWidth+panelWidth, y)
		text(b, axisWidth-6, y+4, "end", u.text(v))
	}
	n := 0
	for _, c := range g.Columns {
		if c.Unit != u {
			continue
		}
		color := palette[n%len(palette)]
		g.line(b, c, color, func(r gridRow) (x, y int) { return axisWidth + xs.at(r.X), bottom - ys.at(r.Values[c.Name]) })
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="10" height="10" fill="%s"/>`, axisWidth+panelWidth+12, top+n*15, color)
		text(b, axisWidth+panelWidth+27, top+9+n*15, "start", c.Name)
		n++
	}
}

func (g *grid) line(b *bytes.Buffer, c column, color string, place func(gridRow) (x, y int)) {
	fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, color)
	for _, r := range g.Rows {
		if r.Values[c.Name] > 0 {
			x, y := place(r)
			fmt.Fprintf(b, "%d,%d ", x, y)
		}
	}
	b.WriteString(`"/>` + "\n")
}

// A scale places numbers on a logarithmic axis.
type scale struct {
	low, high float64
	length    int
}

func newScale(length int) *scale { return &scale{low: math.Inf(1), high: 0, length: length} }

func (s *scale) include(v float64) { s.low, s.high = min(s.low, v), max(s.high, v) }
func (s *scale) empty() bool       { return s.high == 0 }

// widen leaves room, so that a change of some percent does not fill the plot.
func (s *scale) widen() { s.low, s.high = s.low/1.5, s.high*1.5 }

func (s *scale) at(v float64) int {
	if s.high <= s.low {
		return s.length / 2
	}
	return int(math.Log(v/s.low) / math.Log(s.high/s.low) * float64(s.length))
}
