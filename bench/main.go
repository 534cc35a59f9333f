// Command bench compares sealkv with what people would use instead, side by side in one run, and
// writes a report. See README.md beside it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) == 2 {
		asked(os.Args[1])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 && studies()[os.Args[1]] != nil {
		exit(studies()[os.Args[1]](ctx, os.Args[2:]))
	}
	exit(run(ctx, os.Args[1:]))
}

// asked ends the program if it was started by itself, to be a peer or a probe.
func asked(word string) {
	switch word {
	case peerCommand:
		exit(serve(os.Stdin, os.Stdout))
	case probeCommand:
		exit(carryOut(os.Stdin, os.Stdout))
	}
}

// studies are the commands beside the comparison of engines.
func studies() map[string]func(ctx context.Context, args []string) error {
	return map[string]func(context.Context, []string) error{"scale": scaleStudy, "options": optionsStudy, "coverage": coverageStudy}
}

func exit(err error) {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// settings are what the command line says.
type settings struct {
	quick                    bool
	engines, workloads       []string
	sizes                    []int
	values                   []string
	records, rounds, percent int
	cache                    int64
	data, out, dir, profiles string
}

func parse(args []string) (s settings, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&s.quick, "quick", false, "two minutes: 40,000 records of 1 KiB in 20 MB of cache")
	f.Func("engines", "comma-separated engines ("+names()+"); all", list(&s.engines))
	f.Func("workloads", "comma-separated workloads ("+workloadNames()+"); all", list(&s.workloads))
	f.Func("sizes", "comma-separated sizes of values in bytes, instead of the full mode's sections", func(v string) error {
		for _, word := range strings.Split(v, ",") {
			n, err := strconv.Atoi(word)
			if err != nil {
				return err
			}
			s.sizes = append(s.sizes, n)
		}
		return nil
	})
	f.Func("values", "comma-separated kinds of values (json, random, real), instead of the full mode's sections", list(&s.values))
	f.IntVar(&s.records, "records", 0, "records of a section (200,000, quick 40,000)")
	f.IntVar(&s.rounds, "rounds", 0, "rounds of a workload (5, quick 3)")
	f.IntVar(&s.percent, "percent", 0, "operations of a round in percent of the full mode's (100, quick 10)")
	cache := f.Int64("cache", 0, "memory of each engine in MB, for cached blocks and write buffers together (96, quick 20)")
	f.StringVar(&s.data, "data", "../../shared/data", "folder of real records, product/type.jsonl.zst; left out where it is absent")
	f.StringVar(&s.out, "out", "", "folder of the report (report; report-other for all but a whole full run)")
	f.StringVar(&s.dir, "dir", "", "folder for the stores; the system's for temporary files")
	f.StringVar(&s.profiles, "profiles", "", "folder for profiles of the processor, SECTION.ENGINE.WORKLOAD.ROUND.pprof; they disturb what is measured")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 {
		return s, fmt.Errorf("%q is no flag", f.Arg(0))
	}
	s.cache = *cache << 20
	return s.withDefaults(), nil
}

func list(into *[]string) func(string) error {
	return func(v string) error {
		*into = append(*into, strings.Split(v, ",")...)
		return nil
	}
}

func names() string {
	var out []string
	for _, k := range kinds() {
		out = append(out, k.name)
	}
	return strings.Join(out, ", ")
}

func workloadNames() string {
	var out []string
	for _, w := range workloads {
		out = append(out, w.Name)
	}
	return strings.Join(out, ", ")
}

func (s settings) withDefaults() settings {
	whole := s.whole()
	records, rounds, percent, cache := 200_000, 5, 100, int64(96<<20)
	if s.quick {
		records, rounds, percent, cache = 40_000, 3, 10, 20<<20
	}
	if s.records == 0 {
		s.records = records
	}
	if s.rounds == 0 {
		s.rounds = rounds
	}
	if s.percent == 0 {
		s.percent = percent
	}
	if s.cache == 0 {
		s.cache = cache
	}
	if s.out == "" {
		s.out = "report-other"
		if whole {
			s.out = "report"
		}
	}
	return s
}

// whole reports whether it is the full mode with all that belongs to it: the report that is kept
// with the code. It is asked of what the command line says, before the defaults are filled in.
func (s settings) whole() bool {
	return !s.quick && s.engines == nil && s.workloads == nil && s.sizes == nil && s.values == nil &&
		s.records == 0 && s.rounds == 0 && s.percent == 0 && s.cache == 0
}

// A part is a section with its workloads; nil means all that the command line leaves.
type part struct {
	section
	workloads []string
}

// reads and mixed are what tells something in the sections beside the main one.
var (
	reads = []string{"get-uniform", "get-zipfian", "get-zipfian-2", "get-miss", "scan", "ycsb-c"}
	mixed = []string{"get-uniform", "get-zipfian", "scan", "put", "batch", "ycsb-a", "batch-sync"}
	quick = []string{
		"get-uniform", "get-zipfian", "get-zipfian-2", "get-miss", "scan", "put", "batch",
		"ycsb-a", "ycsb-b", "ycsb-c", "ycsb-e", "ycsb-f", "put-sync", "batch-sync",
	}
)

func (s settings) parts() (parts []part) {
	add := func(name string, records, bytes int, values string, workloads []string) {
		parts = append(parts, part{section{
			Name: name, Records: records, Bytes: bytes, Values: values, Cache: s.cache, MemTable: memTable(s.cache), Profiles: s.profiles,
		}, workloads})
	}
	sizes, values := s.sizes, s.values
	switch {
	case sizes == nil && values == nil && s.quick:
		add("quick", s.records, 1<<10, jsonValues, quick)
		return parts
	case sizes == nil && values == nil:
		add("main", s.records, 1<<10, jsonValues, nil)
		add("cached", s.records/10, 1<<10, jsonValues, reads)
		add("random", s.records, 1<<10, randomValues, mixed)
		add("small", s.records, 100, jsonValues, mixed)
		add("large", s.records/10, 16<<10, jsonValues, mixed)
		add("real", 0, 0, realValues, mixed)
		return parts
	case sizes == nil:
		sizes = []int{1 << 10}
	case values == nil:
		values = []string{jsonValues}
	}
	for _, v := range values {
		if v == realValues {
			add("real", 0, 0, realValues, nil)
			continue
		}
		for _, bytes := range sizes {
			add(fmt.Sprintf("%s-%d", v, bytes), s.records, bytes, v, nil)
		}
	}
	return parts
}

// memTable is a sixth of the memory, and no more than sealkv's engine uses by itself.
func memTable(cache int64) int { return int(min(cache/6, 16<<20)) }

// chosen are the workloads of a part.
func (s settings) chosen(p part) (out []workload, err error) {
	for _, name := range s.workloads {
		if !slices.ContainsFunc(workloads, func(w workload) bool { return w.Name == name }) {
			return nil, fmt.Errorf("%q is no workload", name)
		}
	}
	for _, w := range workloads {
		if p.workloads != nil && !slices.Contains(p.workloads, w.Name) || s.workloads != nil && !slices.Contains(s.workloads, w.Name) {
			continue
		}
		w.Ops = w.Ops * s.percent / 100
		if p.Bytes > 4<<10 {
			w.Ops /= 5
		}
		w.Ops = max(w.Ops, 10)
		out = append(out, w)
	}
	return out, nil
}

func run(ctx context.Context, args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	had, absent, err := only(s.engines)
	if err != nil {
		return err
	}
	if s.profiles != "" {
		if err := os.MkdirAll(s.profiles, 0o755); err != nil {
			return err
		}
	}
	r := newReport(args, had, absent, s.rounds)
	start := time.Now()
	for _, p := range s.parts() {
		chosen, err := s.chosen(p)
		if err != nil {
			return err
		}
		if p.Values == realValues {
			if _, err := os.Stat(s.data); err != nil {
				r.Absent["real records"] = "there is no folder " + s.data
				continue
			}
			pack, err := os.CreateTemp(s.dir, "sealkv-bench-*.pack")
			if err != nil {
				return err
			}
			defer os.Remove(pack.Name())
			if err := errors.Join(pack.Close(), packReal(s.data, pack.Name())); err != nil {
				return err
			}
			p.Pack = pack.Name()
		}
		say := func(format string, a ...any) {
			fmt.Fprintf(os.Stderr, "%6s  %s: %s\n", time.Since(start).Round(time.Second), p.Name, fmt.Sprintf(format, a...))
		}
		o, err := conduct(ctx, p.section, had, chosen, s.rounds, s.dir, say)
		if err != nil {
			return err
		}
		r.Outcomes = append(r.Outcomes, o)
		if err := r.write(s.out); err != nil { // what is there if the run is cut short
			return err
		}
	}
	fmt.Fprintln(os.Stderr, "the report is", filepath.Join(s.out, "report.md"))
	return nil
}
