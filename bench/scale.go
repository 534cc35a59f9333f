package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const scaleAbout = `Each point is a store in processes of its own. Heap is live objects once garbage was collected, less those of a
process that has opened nothing; resident memory has the caches besides, and pages of mapped files.`

// scaling are the settings of the study of scale, and what it works with.
type scaling struct {
	args                               []string
	curves                             []string
	records, tenants, used, goroutines []int
	created, swept                     int
	seconds                            float64
	cache                              int64
	out, dir                           string
	study                              *study
	began                              time.Time
}

var curveNames = []string{"creating", "tenants", "used", "records", "goroutines", "sweep"}

// scaleStudy is the command scale: curves over tenants, records and goroutines.
func scaleStudy(ctx context.Context, args []string) error {
	s := &scaling{
		args: append([]string{"scale"}, args...), began: time.Now(), tenants: []int{1, 100, 10_000, 100_000}, used: []int{0, 10, 100, 1000, 10_000},
		records: []int{100_000, 1_000_000}, goroutines: []int{1, 2, 4, 8, 16, 32, 64},
	}
	f := flag.NewFlagSet("bench scale", flag.ContinueOnError)
	f.Func("curves", "comma-separated curves ("+strings.Join(curveNames, ", ")+"); all", list(&s.curves))
	f.Func("records", "numbers of records (100000,1000000; 10000000 takes 25 GB of disk)", numbers(&s.records))
	f.Func("tenants", "numbers of tenants (1,100,10000,100000)", numbers(&s.tenants))
	f.Func("used", "of the most tenants, how many are used (0,10,100,1000,10000)", numbers(&s.used))
	f.Func("goroutines", "numbers of goroutines (1,2,4,8,16,32,64)", numbers(&s.goroutines))
	f.IntVar(&s.created, "created", 1000, "tenants that the curve creating makes at each point")
	f.IntVar(&s.swept, "swept", 200_000, "records that are swept")
	f.Float64Var(&s.seconds, "seconds", 3, "how long goroutines work at one point")
	cache := f.Int64("cache", 96, "memory in MB for cached blocks and write buffers together")
	f.StringVar(&s.out, "out", "report-scale", "folder of the report")
	f.StringVar(&s.dir, "dir", "", "folder for the stores; the system's for temporary files")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%q is no flag", f.Arg(0))
	}
	s.cache = *cache << 20
	return s.run(ctx)
}

// numbers reads a comma-separated list in place of a default.
func numbers(into *[]int) func(string) error {
	return func(v string) error {
		*into = nil
		for _, word := range strings.Split(v, ",") {
			n, err := strconv.Atoi(word)
			if err != nil || n < 0 {
				return fmt.Errorf("%q is no number", word)
			}
			*into = append(*into, n)
		}
		return nil
	}
}

func (s *scaling) run(ctx context.Context) (err error) {
	if s.curves == nil {
		s.curves = curveNames
	}
	if s.dir, err = os.MkdirTemp(s.dir, "sealkv-scale-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	s.study = newStudy("sealkv as it grows", scaleAbout, s.args)
	do := map[string]func(context.Context) error{
		"creating": s.overCreators, "tenants": s.overTenants, "used": s.overUsed, "records": s.overRecords,
		"goroutines": s.overGoroutines, "sweep": s.sweeps,
	}
	for _, name := range s.curves {
		if do[name] == nil {
			return fmt.Errorf("%q is no curve", name)
		}
	}
	for _, name := range curveNames {
		if !slices.Contains(s.curves, name) {
			continue
		}
		if err := do[name](ctx); err != nil {
			return err
		}
		if err := s.study.write(s.out, "scale"); err != nil { // what is there if the run is cut short
			return err
		}
	}
	fmt.Fprintln(os.Stderr, "the report is", filepath.Join(s.out, "scale.md"))
	return nil
}

func (s *scaling) say(format string, a ...any) { say(s.began, format, a...) }

// say tells whoever waits what is being done.
func say(began time.Time, format string, a ...any) {
	fmt.Fprintf(os.Stderr, "%6s  %s\n", time.Since(began).Round(time.Second), fmt.Sprintf(format, a...))
}

func (s *scaling) probe(do string) probe {
	return probe{Do: do, Dir: filepath.Join(s.dir, "probe"), Cache: s.cache, Workers: 64, Records: 200_000, Bytes: 1 << 10, Seconds: s.seconds}
}

// over runs a probe for each number.
func (s *scaling) over(ctx context.Context, g grid, at []int, p probe, set func(p *probe, n int)) error {
	for _, n := range at {
		s.say("%s: %d", g.Name, n)
		set(&p, n)
		m, err := p.run(ctx)
		if err != nil {
			return err
		}
		g.Rows = append(g.Rows, gridRow{At: strconv.Itoa(n), X: float64(n), Values: m})
	}
	s.study.Grids = append(s.study.Grids, g)
	return nil
}

// overCreators is who creates tenants at the same time: each act of the keyring is durable, and
// those that come together share a transaction.
func (s *scaling) overCreators(ctx context.Context) error {
	p := s.probe("create")
	p.Tenants = s.created
	return s.over(ctx, grid{
		Name: "creating", Title: fmt.Sprintf("Creating %d tenants, by goroutines that create", s.created), Over: "goroutines",
		About:   fmt.Sprintf("Each tenant is a durable act, and so is the data key of each of its %d namespaces.", len(tenantSpaces)),
		Columns: []column{{"tenants/s", rateUnit}, {"keys/s", rateUnit}},
	}, []int{1, 4, 16, 64, 256}, p, func(p *probe, n int) { p.Workers = n })
}

func (s *scaling) overTenants(ctx context.Context) error {
	p := s.probe("create")
	g := grid{
		Name: "tenants", Title: "Tenants that exist", Over: "tenants",
		About: fmt.Sprintf("Each has %d namespaces with a key and a record of their own; 64 goroutines made them. The store is opened in a new process, where 10 of them are used.", len(tenantSpaces)),
		Columns: []column{
			{"add tenants", secondsUnit}, {"mint keys", secondsUnit}, {"keyring", bytesUnit}, {"keyring/tenant", bytesUnit}, {"open", timeUnit},
			{"heap after open", bytesUnit}, {"resident after open", bytesUnit}, {"first get, p50", timeUnit}, {"get, p50", timeUnit},
		},
	}
	for _, n := range s.tenants {
		s.say("tenants: %d", n)
		p.Tenants = n
		m, err := p.run(ctx)
		if err != nil {
			return err
		}
		open := p
		open.Do, open.Used = "open", min(n, 10)
		opened, err := open.run(ctx)
		if err != nil {
			return err
		}
		for name, v := range opened {
			m[name] = v
		}
		g.Rows = append(g.Rows, gridRow{At: strconv.Itoa(n), X: float64(n), Values: m})
	}
	s.study.Grids = append(s.study.Grids, g)
	return nil
}

// overUsed is how many tenants are used of the store that overTenants made last.
func (s *scaling) overUsed(ctx context.Context) error {
	p := s.probe("open")
	if _, err := os.Stat(p.storeDir()); err != nil {
		return errors.New("the curve used follows the curve tenants")
	}
	most := slices.Max(s.tenants)
	return s.over(ctx, grid{
		Name: "used", Title: fmt.Sprintf("Tenants in use, of %d", most), Over: "used",
		About: fmt.Sprintf("A record of each of their %d namespaces is read twice: the first time its keys are opened, by one question to a root for each tenant. All within KeyTTL.", len(tenantSpaces)),
		Columns: []column{
			{"open", timeUnit}, {"heap after open", bytesUnit}, {"heap, used", bytesUnit}, {"heap/tenant", bytesUnit}, {"resident, used", bytesUnit},
			{"first get, p50", timeUnit}, {"first get, p99", timeUnit}, {"get, p50", timeUnit}, {"get, p99", timeUnit},
		},
	}, s.used, p, func(p *probe, n int) { p.Used = min(n, most) })
}

// overRecords compares with the baseline at each size: what grows there is the LSM tree's.
func (s *scaling) overRecords(ctx context.Context) error {
	g := grid{
		Name: "records", Title: "Records of 1 KiB", Over: "records",
		About:   fmt.Sprintf("In %s of cache; compacted before the reads. Ratios are against Pebble alone (*raw*) with the same options, p50 of three rounds.", bytesText(float64(s.cache))),
		Columns: []column{{"open", timeUnit}, {"peak", bytesUnit}, {"load, records/s", rateUnit}},
	}
	short := []string{"get-uniform", "get-zipfian", "get-miss", "scan", "put"}
	for _, name := range short {
		g.Columns = append(g.Columns, column{name + ", p50", timeUnit}, column{name + ", p99", timeUnit}, column{name + ", ratio", ratioUnit})
	}
	had, _, err := only([]string{"sealkv", baseline})
	if err != nil {
		return err
	}
	for _, n := range s.records {
		m, err := s.peersAt(ctx, n, had, short)
		if err != nil {
			return err
		}
		g.Rows = append(g.Rows, gridRow{At: strconv.Itoa(n), X: float64(n), Values: m})
	}
	s.study.Grids = append(s.study.Grids, g)
	return nil
}

func (s *scaling) peersAt(ctx context.Context, n int, had []kind, names []string) (measured, error) {
	part := section{Name: strconv.Itoa(n), Records: n, Bytes: 1 << 10, Values: jsonValues, Cache: s.cache, MemTable: memTable(s.cache)}
	var chosen []workload
	for _, w := range workloads {
		if slices.Contains(names, w.Name) {
			w.Ops /= 2
			chosen = append(chosen, w)
		}
	}
	say := func(format string, a ...any) { s.say("records: %d: %s", n, fmt.Sprintf(format, a...)) }
	o, err := conduct(ctx, part, had, chosen, 3, s.dir, say)
	if err != nil {
		return nil, err
	}
	m := measured{"open": float64(o.Files["sealkv"].Open)}
	for _, r := range o.Rows {
		c, _ := r.cell("sealkv")
		sum := c.summary()
		m["peak"] = max(m["peak"], float64(sum.peak))
		if r.Workload.Name == "load" {
			m["load, records/s"] = sum.throughput * batchLen
			continue
		}
		m[r.Workload.Name+", p50"], m[r.Workload.Name+", p99"] = sum.p50, sum.p99
		m[r.Workload.Name+", ratio"] = r.ratio("sealkv", p50).median
	}
	return m, nil
}

// overGoroutines gets records that are all in the cache, so that nothing but processors and locks can
// hold it up, and puts with sync.
func (s *scaling) overGoroutines(ctx context.Context) error {
	p := s.probe("goroutines")
	p.Records = 50_000
	if err := p.fill(ctx, p.options()); err != nil {
		return err
	}
	return s.over(ctx, grid{
		Name: "goroutines", Title: "Goroutines", Over: "goroutines",
		About: "Gets of 50,000 records that are all in the cache, and puts with sync, each as fast as they go. Waiting for mutexes is the time of a get, of all goroutines together, as Go's runtime counts it.",
		Columns: []column{
			{"gets/s", rateUnit}, {"get, p50", timeUnit}, {"get, p99", timeUnit}, {"get, waiting for mutexes", timeUnit},
			{"puts/s", rateUnit}, {"put, p50", timeUnit}, {"put, p99", timeUnit}, {"puts/sync", ratioUnit},
		},
	}, s.goroutines, p, func(p *probe, n int) { p.Workers = n })
}

func (s *scaling) sweeps(ctx context.Context) error {
	p := s.probe("sweep")
	p.Records = s.swept
	g := grid{
		Name: "sweep", Title: "A sweep, and what it costs the foreground", Over: "getting goroutines",
		About: fmt.Sprintf("Every one of %d records of 1 KiB is moved to a new key. Idle: nobody gets. Urgent and polite (the default): beside gets of as many goroutines, back to back.", p.Records),
		Columns: []column{
			{"idle, records/s", rateUnit}, {"urgent, records/s", rateUnit}, {"polite, records/s", rateUnit}, {"idle, bytes/s", byteRateUnit},
			{"urgent, bytes/s", byteRateUnit}, {"polite, bytes/s", byteRateUnit}, {"alone, get, p50", timeUnit}, {"urgent, get, p50", timeUnit},
			{"polite, get, p50", timeUnit}, {"alone, get, p99", timeUnit}, {"urgent, get, p99", timeUnit}, {"polite, get, p99", timeUnit},
		},
	}
	return s.over(ctx, g, []int{1, 2, 4}, p, func(p *probe, n int) { p.Workers = n })
}
