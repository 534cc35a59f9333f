package main

import (
	"strings"
	"testing"
	"time"
)

func TestStatistics(t *testing.T) {
	times := make([]time.Duration, 200)
	for i := range times {
		times[i] = time.Duration(i + 1)
	}
	for percent, want := range map[int]time.Duration{1: 2, 50: 100, 99: 198, 100: 200} {
		if got := percentile(times, percent); got != want {
			t.Errorf("p%d is %d, want %d", percent, got, want)
		}
	}
	if got := percentile(times[:1], 50); got != 1 {
		t.Errorf("p50 of one is %d", got)
	}
	if got := mean(times); got != 100.5 {
		t.Errorf("the mean is %v", got)
	}
	if got := median([]float64{9, 1, 5}); got != 5 {
		t.Errorf("the median of three is %v", got)
	}
	if got := median([]float64{4, 1, 9, 2}); got != 3 {
		t.Errorf("the median of four is %v", got)
	}
}

func rounds(engine string, p50s ...time.Duration) (c cell) {
	c.Engine = engine
	for _, p := range p50s {
		c.Rounds = append(c.Rounds, result{Ops: 10, Wall: time.Second, P50: p, Mean: 2 * float64(p), PutBytes: 100, WrittenBytes: 250})
	}
	return c
}

// Rounds are compared one by one: what slowed a whole round slows both sides of its ratio.
func TestRatio(t *testing.T) {
	r := row{Cells: []cell{rounds(baseline, 100, 1000, 100), rounds("sealkv", 120, 1100, 300)}}
	if got, want := r.ratio("sealkv", p50), (ratio{1.2, 1.1, 3}); got != want {
		t.Errorf("the ratio is %v, want %v", got, want)
	}
	if got := r.ratio("sealkv", p50).String(); got != "1.20 (1.10–3.00)" {
		t.Errorf("it prints as %s", got)
	}
	if got := r.ratio(baseline, meanTime); got != (ratio{1, 1, 1}) || got.String() != "1.00" {
		t.Errorf("the baseline's ratio is %v", got)
	}
	if got := r.ratio("other", p50).String(); got != "–" {
		t.Errorf("an engine that was not measured has %s", got)
	}
	alone := row{Cells: r.Cells[1:]}
	if got := alone.ratio("sealkv", p50); got != (ratio{}) {
		t.Errorf("without a baseline the ratio is %v", got)
	}
}

func TestSummary(t *testing.T) {
	c := rounds("sealkv", 100, 1000, 200)
	c.Rounds[1].PeakBytes = 7
	s := c.summary()
	if s.p50 != 200 || s.mean != 400 || s.throughput != 10 || s.amplification != 2.5 || s.peak != 7 {
		t.Errorf("the summary is %+v", s)
	}
}

func TestMarkdown(t *testing.T) {
	r := report{
		Rounds: 3, Engines: []engineInfo{{"sealkv", "ours"}, {baseline, "bare"}}, Absent: map[string]string{"sqlcipher": "no library"},
		Outcomes: []outcome{{
			Section: section{Name: "main", Records: 10, Bytes: 1024, Values: jsonValues},
			Rows:    []row{{workload{Name: "get", About: "get, uniform"}, []cell{rounds("sealkv", 130), rounds(baseline, 100)}}},
			Files:   map[string]files{"sealkv": {UserBytes: 100, Bytes: 220, CompactedBytes: 110}},
		}},
	}
	text := r.markdown()
	for _, want := range []string{
		"| get, uniform | 1.30 | 1.00 |", "| sealkv | 2.20 | 1.10 | 110 B |", "- left out: sqlcipher: no library",
		"| get | sealkv | 130ns | 0s | 260ns | 10 | 0s | 0.0 | 0 B | 2.50 |", "![p50 against raw](main.svg)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}
