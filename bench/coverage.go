package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sealkv/sealkv/store"
	engines "github.com/sealkv/sealkv/store/engine"
	enginepebble "github.com/sealkv/sealkv/store/engine/pebble"
)

const coverageAbout = `An exact coverage reads every record, but no chunk: a value above the inline threshold lies in chunks, and its record is a head of some
200 bytes. So a smaller threshold makes coverage cheap, and large values dearer to put and to get. The other way is a head column: a second
engine key for each record, with 24 bytes of its head. It is a prototype here, on the engine alone. Files are in the system's cache.`

// coverageStudy is the command coverage: what an exact coverage takes, and what would make it cheap.
func coverageStudy(ctx context.Context, args []string) (err error) {
	var data, out, dir string
	var scaleDown int
	f := flag.NewFlagSet("bench coverage", flag.ContinueOnError)
	f.StringVar(&data, "data", "../../shared/data", "folder of real records; left out where it is absent")
	f.IntVar(&scaleDown, "part", 1, "one part in so many of the records")
	f.StringVar(&out, "out", "report-coverage", "folder of the report")
	f.StringVar(&dir, "dir", "", "folder for the stores; the system's for temporary files")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 || scaleDown < 1 {
		return fmt.Errorf("%q: nothing to measure", args)
	}
	if dir, err = os.MkdirTemp(dir, "sealkv-coverage-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, began := newStudy("What an exact coverage takes", coverageAbout, append([]string{"coverage"}, args...)), time.Now()
	base := probe{Dir: filepath.Join(dir, "probe"), Cache: 96 << 20}
	sizes := []probe{base, base, base}
	for i, size := range []struct{ records, bytes int }{{200_000, 1 << 10}, {20_000, 16 << 10}, {3000, 100 << 10}} {
		sizes[i].Records, sizes[i].Bytes = max(size.records/scaleDown, 10), size.bytes
	}
	if _, err := os.Stat(data); err == nil {
		real := base
		real.Pack = filepath.Join(dir, "real.pack")
		if err := packReal(data, real.Pack); err != nil {
			return err
		}
		sizes = append(sizes, real)
	}
	inline := grid{Name: "inline", Title: "Inline threshold", Over: "values, threshold", Columns: []column{
		{"coverage", timeUnit}, {"records/s", rateUnit}, {"bytes read", bytesUnit}, {"bytes read/s", byteRateUnit}, {"values/s", byteRateUnit},
		{"put, p50", timeUnit}, {"put, mean", timeUnit}, {"get, p50", timeUnit}, {"get, mean", timeUnit}, {"disk", bytesUnit},
	}}
	heads := grid{Name: "heads", Title: "A head column of 24 bytes a record", Over: "values", Columns: []column{
		{"put, p50", timeUnit}, {"put with heads, p50", timeUnit}, {"put, mean", timeUnit}, {"put with heads, mean", timeUnit},
		{"disk", bytesUnit}, {"disk with heads", bytesUnit}, {"scan of records", timeUnit}, {"scan of heads", timeUnit},
	}}
	for _, p := range sizes {
		p.Do = "heads"
		say(began, "heads: %s", p.values())
		m, err := p.run(ctx)
		if err != nil {
			return err
		}
		heads.Rows = append(heads.Rows, gridRow{At: p.values(), Values: m})
		for _, threshold := range []int{256 << 10, 64 << 10, 16 << 10, 4 << 10} {
			p.Do, p.Inline = "coverage", threshold
			at := fmt.Sprintf("%s, %s", p.values(), bytesText(float64(threshold)))
			say(began, "inline: %s", at)
			m, err := p.run(ctx)
			if err != nil {
				return err
			}
			inline.Rows = append(inline.Rows, gridRow{At: at, Values: m})
		}
	}
	s.Grids = []grid{inline, heads}
	say(began, "the report is %s", filepath.Join(out, "coverage.md"))
	return s.write(out, "coverage")
}

func (p probe) values() string {
	if p.Pack != "" {
		return "real"
	}
	return bytesText(float64(p.Bytes))
}

// sampled is how many records are put, and got, one by one: as many as have 200 MB together.
func (p probe) sampled(n int) int { return min(n, 20_000, 200<<20/max(p.Bytes, 1<<10)) }

// measureCoverage fills a store under an inline threshold, and counts its records by their heads.
func measureCoverage(ctx context.Context, p probe) (_ measured, err error) {
	d, err := p.dataset()
	if err != nil {
		return nil, err
	}
	if err := p.fillWith(ctx, p.options(), d); err != nil {
		return nil, err
	}
	disk, err := size(p.storeDir())
	if err != nil {
		return nil, err
	}
	o := p.options()
	o.NoSync = true
	s, err := store.Open(ctx, p.storeDir(), o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	m := measured{"disk": float64(disk)}
	for range 3 { // the quickest counts: others are at work on the machine
		report, err := s.Coverage(ctx, &store.CoverageOptions{Exact: true, Urgent: true})
		if err != nil {
			return nil, err
		}
		if took := float64(report.Took); m["coverage"] == 0 || took < m["coverage"] {
			m.covered(report)
		}
	}
	spaces, err := p.spaces(s, d)
	if err != nil {
		return nil, err
	}
	return m, p.sample(m, d, "", func(at int, key, value []byte) error { return spaces[at].Put(ctx, key, value) },
		func(at int, key, room []byte) ([]byte, error) { return spaces[at].GetInto(ctx, key, room) })
}

func (m measured) covered(r *store.CoverageReport) {
	var values uint64
	for _, row := range r.Rows {
		values += row.Bytes
	}
	took := r.Took.Seconds()
	m["coverage"], m["records/s"] = float64(r.Took), float64(r.Records)/took
	m["bytes read"], m["bytes read/s"], m["values/s"] = float64(r.Bytes), float64(r.Bytes)/took, float64(values)/took
}

// sample puts and gets records that are drawn uniformly, one by one.
func (p probe) sample(m measured, d dataset, suffix string, put func(at int, key, value []byte) error, get func(at int, key, room []byte) ([]byte, error)) (err error) {
	var key, value []byte
	for _, do := range []string{"put", "get"} {
		r, times := rand.New(rand.NewPCG(1, 2)), []time.Duration(nil)
		if do == "get" && get == nil {
			continue
		}
		for range p.sampled(d.size()) {
			i := r.IntN(d.size())
			var at int
			at, key = d.key(i, key[:0])
			if value, err = d.value(i, 1, value[:0]); err != nil {
				return err
			}
			start := time.Since(epoch)
			if do == "put" {
				err = put(at, key, value)
			} else {
				value, err = get(at, key, value[:0])
			}
			times = append(times, time.Since(epoch)-start)
			if err != nil {
				return err
			}
		}
		m[do+suffix+", mean"] = mean(times)
		slices.Sort(times)
		m[do+suffix+", p50"] = float64(percentile(times, 50))
	}
	return nil
}

// measureHeads is the prototype of a head column: each put writes a second key, with 24 bytes, and a
// coverage would scan those.
func measureHeads(ctx context.Context, p probe) (measured, error) {
	d, err := p.dataset()
	if err != nil {
		return nil, err
	}
	m := measured{}
	for _, heads := range []bool{false, true} {
		if err := p.headColumn(ctx, d, heads, m); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (p probe) headColumn(ctx context.Context, d dataset, heads bool, m measured) error {
	suffix := ""
	if heads {
		suffix = " with heads"
	}
	dir := filepath.Join(p.Dir, "heads")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(p.Dir, 0o700)); err != nil {
		return err
	}
	e, err := enginepebble.Create(dir, &enginepebble.Options{CacheBytes: p.Cache})
	if err != nil {
		return err
	}
	keys, column := newPrefixed(d.spaces()), newPrefixed(d.spaces())
	for i := range column.prefixes {
		column.prefixes[i] = append([]byte("\x10"), column.prefixes[i]...)
	}
	var head [24]byte
	b := e.NewBatch()
	put := func(at int, key, value []byte) error {
		b.Reset()
		for len(value) > 0 { // a value of more than an engine takes lies in parts, as chunks would
			part := value[:min(len(value), 256<<10)]
			b.Set(keys.join(at, key), part)
			value, key = value[len(part):], append(key, 1)
		}
		if heads {
			binary.BigEndian.PutUint64(head[:], uint64(len(value)))
			b.Set(column.join(at, key), head[:])
		}
		return e.Apply(ctx, b, false)
	}
	var key, value []byte
	for i := range d.size() {
		var at int
		at, key = d.key(i, key[:0])
		if value, err = d.value(i, 0, value[:0]); err == nil {
			err = put(at, key, value)
		}
		if err != nil {
			return errors.Join(err, e.Close())
		}
	}
	if err := e.Compact(ctx, everything); err != nil {
		return errors.Join(err, e.Close())
	}
	reopen := func() (err error) {
		if err := e.Close(); err != nil {
			return err
		}
		e, err = enginepebble.Open(dir, &enginepebble.Options{CacheBytes: p.Cache})
		return err
	}
	if err := errors.Join(reopen(), e.Close()); err != nil {
		return err
	}
	bytes, err := size(dir)
	m["disk"+suffix] = float64(bytes)
	if err := errors.Join(err, reopen()); err != nil {
		return err
	}
	r := engines.Range{Start: []byte{0x20}, End: []byte{0xff}} // tenants' ids begin with letters and digits
	name := "scan of records"
	if heads {
		r, name = engines.Range{Start: []byte{0x10}, End: []byte{0x11}}, "scan of heads"
	}
	for range 3 {
		began := time.Now()
		err = errors.Join(err, e.Page(ctx, r, new(visitAll)))
		if took := float64(time.Since(began)); m[name] == 0 || took < m[name] {
			m[name] = took
		}
	}
	b = e.NewBatch()
	return errors.Join(err, p.sample(m, d, suffix, put, nil), e.Close())
}

// visitAll looks at every byte of a page that is as long as its range, as parsing heads does.
type visitAll struct{ sum byte }

func (v *visitAll) Entry(_, value []byte) (bool, error) {
	v.sum += value[0]
	return true, nil
}
