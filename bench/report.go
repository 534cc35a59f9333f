package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// A report is everything that one run measured, as it is in report.json.
type report struct {
	Date     string
	Command  string
	Machine  string
	Rounds   int
	Versions map[string]string // of the libraries that are compared
	Engines  []engineInfo
	Absent   map[string]string // what was left out, and why
	Outcomes []outcome
}

type engineInfo struct{ Name, About string }

func newReport(args []string, had []kind, absent map[string]string, rounds int) *report {
	tags, versions := build()
	r := &report{
		Date:     time.Now().UTC().Format("2006-01-02"),
		Command:  strings.Join(append([]string{"go -C bench run" + tags + " ."}, args...), " "),
		Machine:  machine(),
		Rounds:   rounds,
		Versions: versions,
		Absent:   absent,
	}
	for _, k := range had {
		r.Engines = append(r.Engines, engineInfo{k.name, k.about})
	}
	return r
}

func machine() string {
	model := "an unknown processor"
	raw, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(raw)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%s, %d cores, %s/%s, %s", model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// build says how the program was built: with which tags, and which versions of what is compared.
func build() (tags string, versions map[string]string) {
	versions = map[string]string{}
	info, found := debug.ReadBuildInfo()
	if !found {
		return tags, versions
	}
	for _, s := range info.Settings {
		if s.Key == "-tags" {
			tags = " -tags " + s.Value
		}
	}
	for _, d := range info.Deps {
		switch d.Path {
		case "github.com/cockroachdb/pebble/v2", "github.com/dgraph-io/badger/v4", "go.etcd.io/bbolt",
			"github.com/mattn/go-sqlite3", "golang.org/x/crypto":
			versions[d.Path] = d.Version
		}
	}
	return tags, versions
}

// A summary is a cell in one line: medians over the rounds, and the largest peak.
type summary struct {
	mean, p50, p99, throughput, cpu, allocs float64
	peak                                    int64
	amplification                           float64 // bytes written for each byte put; 0 if unknown
}

func (c cell) summary() (s summary) {
	of := func(f func(r result) float64) float64 {
		var values []float64
		for _, r := range c.Rounds {
			values = append(values, f(r))
		}
		return median(values)
	}
	s.mean = of(func(r result) float64 { return r.Mean })
	s.p50 = of(func(r result) float64 { return float64(r.P50) })
	s.p99 = of(func(r result) float64 { return float64(r.P99) })
	s.throughput = of(result.throughput)
	s.cpu = of(func(r result) float64 { return r.CPU })
	s.allocs = of(func(r result) float64 { return r.Allocs })
	s.amplification = of(func(r result) float64 {
		if r.PutBytes == 0 {
			return 0
		}
		return float64(r.WrittenBytes) / float64(r.PutBytes)
	})
	for _, r := range c.Rounds {
		s.peak = max(s.peak, r.PeakBytes)
	}
	return s
}

// A ratio is an engine's time against the baseline's: the median over the rounds, each compared
// with the same round of the baseline, and the least and the largest. Zero without a baseline.
type ratio struct{ median, least, most float64 }

func (r row) ratio(engine string, time func(result) float64) (out ratio) {
	base, found := r.cell(baseline)
	own, found2 := r.cell(engine)
	if !found || !found2 {
		return ratio{}
	}
	var ratios []float64
	for i := range own.Rounds {
		ratios = append(ratios, time(own.Rounds[i])/time(base.Rounds[i]))
	}
	out = ratio{median(ratios), ratios[0], ratios[0]}
	for _, x := range ratios {
		out.least, out.most = min(out.least, x), max(out.most, x)
	}
	return out
}

func (r row) cell(engine string) (cell, bool) {
	for _, c := range r.Cells {
		if c.Engine == engine && len(c.Rounds) > 0 {
			return c, true
		}
	}
	return cell{}, false
}

func p50(r result) float64      { return float64(r.P50) }
func meanTime(r result) float64 { return r.Mean }

// write writes report.json, report.md and its plots into a folder.
func (r *report) write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(folder, "report.json"), append(raw, '\n'), 0o644),
		os.WriteFile(filepath.Join(folder, "report.md"), []byte(r.markdown()), 0o644))
	for _, o := range r.Outcomes {
		err = errors.Join(err, os.WriteFile(filepath.Join(folder, o.plotName()), o.plot(), 0o644))
	}
	return err
}
