package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
)

func (o outcome) plotName() string { return o.Section.Name + ".svg" }

// Measures of a plot, in pixels. Bars are on a logarithmic scale from a fourth of the baseline's
// time to sixty-four times it.
const (
	barHeight  = 11
	rowGap     = 10
	labelWidth = 230
	plotWidth  = 620
	topHeight  = 50
	leastShown = 0.25
	mostShown  = 64
)

var palette = []string{"#1b6ca8", "#7fb3d5", "#555555", "#999999", "#c8c8c8", "#e0a030", "#c0504d", "#7a9a4a", "#8064a2"}

// plot draws the ratios of p50 as bars, a group for each workload.
func (o outcome) plot() []byte {
	engines := o.plotted()
	groupHeight := len(engines)*barHeight + rowGap
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n",
		labelWidth+plotWidth+60, topHeight+len(o.Rows)*groupHeight+10)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, e := range engines {
		x := 10 + i*105
		fmt.Fprintf(&b, `<rect x="%d" y="8" width="10" height="10" fill="%s"/>`, x, palette[i%len(palette)])
		text(&b, x+14, 17, "start", e)
	}
	for value := leastShown; value <= mostShown; value *= 2 {
		x := place(value)
		color := "#dddddd"
		if value == 1 {
			color = "#000000"
		}
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s"/>`, x, topHeight-5, x, topHeight+len(o.Rows)*groupHeight, color)
		text(&b, x, topHeight-10, "middle", fmt.Sprintf("%g", value))
	}
	for i, r := range o.Rows {
		y := topHeight + i*groupHeight
		text(&b, labelWidth-8, y+groupHeight/2, "end", r.Workload.About)
		for j, e := range engines {
			drawBar(&b, y+j*barHeight, palette[j%len(palette)], r.ratio(e, p50).median)
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// plotted are the engines beside the baseline, whose bars would all end at one.
func (o outcome) plotted() (names []string) {
	if len(o.Rows) == 0 {
		return nil
	}
	for _, c := range o.Rows[0].Cells {
		if c.Engine != baseline {
			names = append(names, c.Engine)
		}
	}
	return names
}

// drawBar draws a bar from one to a ratio.
func drawBar(b *bytes.Buffer, y int, color string, ratio float64) {
	if ratio == 0 {
		return
	}
	from, to := place(min(ratio, 1)), place(max(ratio, 1))
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`, from, y, max(to-from, 1), barHeight-1, color)
	text(b, to+3, y+barHeight-2, "start", fmt.Sprintf("%.2f", ratio))
}

// place is the x of a ratio.
func place(ratio float64) int {
	shown := math.Log2(min(max(ratio, leastShown), mostShown)/leastShown) / math.Log2(mostShown/leastShown)
	return labelWidth + int(shown*plotWidth)
}

func text(b *bytes.Buffer, x, y int, anchor, s string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="%s">`, x, y, anchor)
	_ = xml.EscapeText(b, []byte(s)) // a buffer takes everything
	b.WriteString("</text>\n")
}
