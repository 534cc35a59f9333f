package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync/atomic"
	"time"
)

// A section is a part of the report: one dataset, one size of memory.
type section struct {
	Name     string
	Records  int
	Bytes    int    // of a value
	Values   string // jsonValues or randomValues; realValues for those of Pack
	Pack     string // the file of real records
	Cache    int64
	MemTable int
	Profiles string // folder for profiles of the processor; empty for none
}

const realValues = "real"

func (s section) dataset() (dataset, error) {
	if s.Values == realValues {
		return openReal(s.Pack)
	}
	return newSynthetic(s.Records, s.Bytes, s.Values)
}

// An order is one line to a peer's process, an answer the line that comes back.
type order struct {
	Do       string // start, load, compact, run, verify or finish
	Kind     string
	Dir      string
	Section  section
	Workload workload
	Round    int
}

type answer struct {
	Error  string
	Result result
	Files  files
}

// files are the sizes of a closed store.
type files struct {
	UserBytes      int64         // keys and values
	Bytes          int64         // after one more opening and closing
	CompactedBytes int64         // compacted, and after one more opening and closing
	Open           time.Duration // which that opening took
}

// serve is the process of a peer: it carries out the orders on in, one by one, until there are
// no more.
func serve(in io.Reader, out io.Writer) error {
	d, e := json.NewDecoder(in), json.NewEncoder(out)
	var p peer
	for {
		var o order
		if err := d.Decode(&o); err == io.EOF {
			return p.stop()
		} else if err != nil {
			return err
		}
		a, err := p.obey(o)
		if err != nil {
			a.Error = err.Error()
		}
		if err := e.Encode(a); err != nil {
			return err
		}
	}
}

// A peer is an engine and what is done to it.
type peer struct {
	kind     kind
	config   config
	profiles string
	section  string
	data     dataset
	engine   engine       // nil while it is closed
	inserted atomic.Int64 // records above those that are loaded
	revision atomic.Uint32
}

func (p *peer) obey(o order) (a answer, err error) {
	switch o.Do {
	case "start":
		return a, p.start(o)
	case "load":
		if err := p.clear(); err != nil {
			return a, err
		}
		a.Result, err = p.run(loading(p.data), o.Round)
	case "compact":
		err = errors.Join(p.stop(), p.kind.compact(p.config), p.open(false))
	case "run":
		a.Result, err = p.run(o.Workload, o.Round)
	case "verify":
		err = p.verify()
	case "finish":
		a.Files, err = p.finish()
	default:
		err = fmt.Errorf("%q is no order", o.Do)
	}
	return a, err
}

func (p *peer) start(o order) (err error) {
	var found bool
	if p.kind, found = find(o.Kind); !found {
		return fmt.Errorf("%q is no engine", o.Kind)
	}
	if p.data, err = o.Section.dataset(); err != nil {
		return err
	}
	p.profiles, p.section = o.Section.Profiles, o.Section.Name
	p.config = config{dir: o.Dir, spaces: p.data.spaces(), cache: o.Section.Cache, memTable: o.Section.MemTable}
	return nil
}

func (p *peer) stop() error {
	if p.engine == nil {
		return nil
	}
	e := p.engine
	p.engine = nil
	return e.close()
}

// open opens the store with or without sync.
func (p *peer) open(sync bool) (err error) {
	if p.engine != nil && p.config.sync == sync {
		return nil
	}
	if err := p.stop(); err != nil {
		return err
	}
	p.config.sync = sync
	p.engine, err = p.kind.open(p.config)
	return err
}

func (p *peer) clear() error {
	p.inserted.Store(0)
	return errors.Join(p.stop(), os.RemoveAll(p.config.dir), os.MkdirAll(p.config.dir, 0o700))
}

// run carries out one round.
func (p *peer) run(w workload, round int) (result, error) {
	if err := p.open(w.Sync); err != nil {
		return result{}, err
	}
	var workers []*worker
	for i := range w.Workers {
		x, err := p.newWorker(w.operations(p.data.size(), round, i))
		if err != nil {
			return result{}, err
		}
		workers = append(workers, x)
	}
	stopProfile, err := p.profile(w, round)
	if err != nil {
		return result{}, err
	}
	runtime.GC()
	forgetPeak()
	before, start := now(), time.Now()
	failed := make(chan error)
	for _, x := range workers {
		go func() { failed <- x.work() }()
	}
	for range workers {
		err = errors.Join(err, <-failed)
	}
	r := result{Wall: time.Since(start)}
	err = errors.Join(err, stopProfile())
	if w.writes() {
		rest()
	}
	r.count(before, now(), workers)
	for _, x := range workers {
		err = errors.Join(err, x.session.close())
	}
	return r, err
}

// profile begins a profile of one round, if the section wants any.
func (p *peer) profile(w workload, round int) (stop func() error, err error) {
	if p.profiles == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(filepath.Join(p.profiles, fmt.Sprintf("%s.%s.%s.%d.pprof", p.section, p.kind.name, w.Name, round)))
	if err != nil {
		return nil, err
	}
	return func() error { pprof.StopCPUProfile(); return f.Close() }, pprof.StartCPUProfile(f)
}

func (r *result) count(before, after usage, workers []*worker) {
	var times []time.Duration
	for _, x := range workers {
		times = append(times, x.times...)
		r.PutBytes += x.putBytes
	}
	slices.Sort(times)
	r.Ops = len(times)
	r.Mean, r.P50, r.P99, r.Max = mean(times), percentile(times, 50), percentile(times, 99), percentile(times, 100)
	r.CPU = float64(after.cpu-before.cpu) / float64(r.Ops)
	r.Allocs = float64(after.allocs-before.allocs) / float64(r.Ops)
	r.WrittenBytes = after.written - before.written
	r.PeakBytes = peakBytes()
}

// finish closes the store and looks at its files.
func (p *peer) finish() (f files, err error) {
	f.UserBytes, err = p.userBytes()
	if err != nil {
		return f, err
	}
	reopen := func() error {
		err, began := p.stop(), time.Now()
		err = errors.Join(err, p.open(false))
		f.Open = time.Since(began)
		return errors.Join(err, p.stop())
	}
	if err := reopen(); err != nil {
		return f, err
	}
	if err := p.checkSealed(); err != nil {
		return f, err
	}
	if f.Bytes, err = size(p.config.dir); err != nil {
		return f, err
	}
	if err := errors.Join(p.kind.compact(p.config), reopen()); err != nil {
		return f, err
	}
	if err := p.checkSealed(); err != nil {
		return f, err
	}
	f.CompactedBytes, err = size(p.config.dir)
	return f, err
}

func size(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += diskBytes(info)
		}
		return err
	})
	return n, err
}
