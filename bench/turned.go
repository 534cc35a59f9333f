package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
)

// A turn is one option of sealkv's engine set otherwise.
type turn struct {
	name, about string
	set         func(o *pebble.Options)
	// byIterator has gets go through an iterator that looks at the filters of the last level too.
	byIterator bool
}

func turnbacks() []turn {
	cache := func(name string, of, in int64) turn {
		return turn{name: name, set: func(o *pebble.Options) { o.CacheSize = o.CacheSize * of / in }}
	}
	memTable := func(name string, mb uint64) turn {
		return turn{name: name, set: func(o *pebble.Options) { o.MemTableSize = mb << 20 }}
	}
	blocks := func(name string, bytes int) turn {
		return turn{name: name, set: func(o *pebble.Options) {
			for i := range o.Levels {
				o.Levels[i].BlockSize = bytes
			}
		}}
	}
	filters := func(o *pebble.Options, upper, last pebble.FilterPolicy) {
		for i := range o.Levels {
			o.Levels[i].FilterPolicy = upper
		}
		o.Levels[len(o.Levels)-1].FilterPolicy = last
	}
	compactions := func(most int) turn {
		return turn{name: fmt.Sprintf("compactions-%d", most), about: "at the same time, at the most", set: func(o *pebble.Options) {
			o.CompactionConcurrencyRange = func() (int, int) { return 1, most }
		}}
	}
	level0 := func(n int) turn {
		return turn{name: fmt.Sprintf("l0-%d", n), about: "tables of level 0 start a compaction", set: func(o *pebble.Options) { o.L0CompactionThreshold = n }}
	}
	all := []turn{
		cache("cache-1/12", 1, 12), cache("cache-1/4", 1, 4), cache("cache-1/2", 1, 2), cache("cache-2", 2, 1),
		memTable("memtable-4M", 4), memTable("memtable-8M", 8), memTable("memtable-32M", 32), memTable("memtable-64M", 64),
		blocks("block-4K", 4<<10), blocks("block-8K", 8<<10), blocks("block-32K", 32<<10),
		{name: "no-filters", set: func(o *pebble.Options) { filters(o, pebble.NoFilterPolicy, pebble.NoFilterPolicy) }},
		{name: "filters-l6", about: "in the last level too", set: func(o *pebble.Options) { filters(o, bloom.FilterPolicy(10), bloom.FilterPolicy(10)) }},
		{name: "filters-l6-used", about: "and each get looks at them, by an iterator", byIterator: true,
			set: func(o *pebble.Options) { filters(o, bloom.FilterPolicy(10), bloom.FilterPolicy(10)) }},
		compactions(1), compactions(4), level0(2), level0(8),
		{name: "lbase-256M", about: "level below level 0", set: func(o *pebble.Options) { o.LBaseMaxBytes = 256 << 20 }},
		{name: "wal-at-once", about: "the log is written out by its syncs alone", set: func(o *pebble.Options) { o.WALBytesPerSync = 0 }},
		{name: "snappy", about: "blocks compressed; values are random, as ciphertext is", set: func(o *pebble.Options) {
			o.ApplyCompressionSettings(func() pebble.DBCompressionSettings {
				return pebble.UniformDBCompressionSettings(block.SnappyCompression)
			})
		}},
		{name: "as-it-comes", about: "&pebble.Options{}", set: func(o *pebble.Options) { *o = pebble.Options{} }},
	}
	return all
}

// turned are the kinds that the study of options compares with the baseline.
func turned() (out []kind) {
	for _, t := range turnbacks() {
		open := func(c config) (engine, error) {
			o := c.tuned().Tuned()
			t.set(o)
			e, err := openPebble(c, o, nil)
			if err == nil && t.byIterator {
				e = &iteratorEngine{e.(*pebbleEngine)}
			}
			return e, err
		}
		out = append(out, kind{name: t.name, about: t.about, open: open, compact: compactPebble(open)})
	}
	return out
}

// An iteratorEngine gets by iterators: DB.Get does not look at the filters of the last level.
type iteratorEngine struct{ *pebbleEngine }

func (e *iteratorEngine) session() (session, error) {
	s, err := e.pebbleEngine.session()
	return &iteratorSession{s.(*pebbleSession)}, err
}

type iteratorSession struct{ *pebbleSession }

func (s *iteratorSession) get(at int, key, room []byte) (_ []byte, found bool, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return room, false, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	full := s.keys.join(at, key)
	if !it.SeekPrefixGE(full) || string(it.Key()) != string(full) {
		return room, false, it.Error()
	}
	value, err := it.ValueAndErr()
	return append(room, value...), err == nil, err
}

const optionsAbout = `Each row is sealkv's engine options (pebble.Options.Tuned) with one of them set otherwise, against them as they are: 1.00 is as fast,
higher is slower. Each is the median over rounds, interleaved, in processes of their own. Values are random, as ciphertext is.`

// optionsStudy is the command options: what each option of Pebble's gains.
func optionsStudy(ctx context.Context, args []string) error {
	var (
		names   []string
		s       settings
		chosen  []workload
		percent int
	)
	f := flag.NewFlagSet("bench options", flag.ContinueOnError)
	f.Func("turns", "comma-separated options that are turned back; all", list(&names))
	f.IntVar(&s.records, "records", 200_000, "records of 1 KiB")
	f.IntVar(&s.rounds, "rounds", 3, "rounds of a workload")
	f.IntVar(&percent, "percent", 50, "operations of a round in percent of the report's full mode")
	cache := f.Int64("cache", 96, "memory in MB for cached blocks and write buffers together")
	f.StringVar(&s.out, "out", "report-options", "folder of the report")
	f.StringVar(&s.dir, "dir", "", "folder for the stores; the system's for temporary files")
	if err := f.Parse(args); err != nil {
		return err
	}
	base, _ := find(baseline)
	kinds := []kind{base}
	for _, k := range turned() {
		if names == nil || slices.Contains(names, k.name) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 1 || f.NArg() > 0 {
		return fmt.Errorf("%q: nothing to measure", args)
	}
	for _, w := range workloads {
		if slices.Contains([]string{"get-uniform", "get-zipfian", "get-miss", "scan", "put", "ycsb-a", "ycsb-b", "put-sync"}, w.Name) {
			w.Ops = max(w.Ops*percent/100, 10)
			chosen = append(chosen, w)
		}
	}
	began := time.Now()
	part := section{Name: "options", Records: s.records, Bytes: 1 << 10, Values: randomValues, Cache: *cache << 20, MemTable: memTable(*cache << 20)}
	o, err := conduct(ctx, part, kinds, chosen, s.rounds, s.dir, func(format string, a ...any) { say(began, format, a...) })
	if err != nil {
		return err
	}
	study := newStudy("Options of Pebble, one by one", optionsAbout, append([]string{"options"}, args...))
	study.About += "\n\n" + part.about()
	study.Grids = []grid{o.turnedGrid("mean", "Mean of an operation", kinds, meanTime), o.turnedGrid("p50", "p50 of an operation", kinds, p50)}
	say(began, "the report is %s", filepath.Join(s.out, "options.md"))
	return study.write(s.out, "options")
}

// turnedGrid compares each kind with the baseline, whose own line is in time.
func (o outcome) turnedGrid(name, title string, kinds []kind, time func(result) float64) grid {
	g := grid{Name: "options-" + name, Title: title, Over: "option"}
	for _, r := range o.Rows {
		g.Columns = append(g.Columns, column{r.Workload.Name, ratioUnit})
	}
	g.Columns = append(g.Columns, column{"disk", ratioUnit})
	for _, k := range kinds {
		m := measured{"disk": float64(o.Files[k.name].CompactedBytes) / float64(o.Files[baseline].CompactedBytes)}
		for _, r := range o.Rows {
			m[r.Workload.Name] = r.ratio(k.name, time).median
		}
		at := k.name
		if k.about != "" && k.name != baseline {
			at += " (" + k.about + ")"
		}
		g.Rows = append(g.Rows, gridRow{At: at, Values: m})
	}
	var own []string
	for _, r := range o.Rows {
		c, _ := r.cell(baseline)
		own = append(own, r.Workload.Name+" "+timeText(map[string]float64{"mean": c.summary().mean, "p50": c.summary().p50}[name]))
	}
	g.About = "The engine's own: " + strings.Join(own, ", ") + "."
	return g
}
