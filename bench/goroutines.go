package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store"
	enginepebble "github.com/sealkv/sealkv/store/engine/pebble"
)

// measureGoroutines opens a store and has as many goroutines get records that are cached, and then
// put with sync, each for some seconds. The engine's log is watched: how many puts one sync carries.
func measureGoroutines(ctx context.Context, p probe) (_ measured, err error) {
	files := &countingFS{FS: vfs.Default}
	o := p.options()
	o.Engine, err = enginepebble.Open(filepath.Join(p.storeDir(), "records"), &enginepebble.Options{CacheBytes: p.Cache, FS: files})
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, p.storeDir(), o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	n, d, err := p.single(s)
	if err != nil {
		return nil, err
	}
	for i := range p.Records { // into the cache
		_, key := d.key(i, nil)
		if _, err := n.Get(ctx, key); err != nil {
			return nil, err
		}
	}
	get := func(w *hand) (err error) {
		w.room, err = n.GetInto(ctx, w.key, w.room[:0])
		return err
	}
	m, waited := measured{}, mutexWait()
	gets, err := p.crew(d, get)
	if err != nil {
		return nil, err
	}
	gets.into(m, "get")
	m["get, waiting for mutexes"] = (mutexWait() - waited) * 1e9 / float64(gets.ops())
	syncs := files.syncs.Load()
	puts, err := p.crew(d, func(w *hand) error { return n.Put(ctx, w.key, w.value) })
	if err != nil {
		return nil, err
	}
	puts.into(m, "put")
	m["puts/sync"] = float64(puts.ops()) / float64(max(files.syncs.Load()-syncs, 1))
	return m, nil
}

// single is the namespace that fill has filled, and its records.
func (p probe) single(s *store.Store) (*store.Namespace, *synthetic, error) {
	d, err := newSynthetic(p.Records, p.Bytes, jsonValues)
	if err != nil {
		return nil, nil, err
	}
	tenant, err := s.Tenant("acme")
	if err != nil {
		return nil, nil, err
	}
	n, err := tenant.Namespace("jira/issues")
	return n, d, err
}

// fill makes a store with the probe's records, compacted.
func (p probe) fill(ctx context.Context, o *store.Options) error {
	d, err := p.dataset()
	if err != nil {
		return err
	}
	return p.fillWith(ctx, o, d)
}

func (p probe) dataset() (dataset, error) {
	s := section{Records: p.Records, Bytes: p.Bytes, Values: jsonValues, Pack: p.Pack}
	if p.Pack != "" {
		s.Values = realValues
	}
	return s.dataset()
}

func (p probe) fillWith(ctx context.Context, o *store.Options, d dataset) (err error) {
	o.NoSync = true
	s, err := p.create(ctx, o)
	if err != nil {
		return err
	}
	for _, space := range d.spaces() {
		if _, err := s.AddTenant(ctx, space.Tenant, nil); err != nil && !errors.Is(err, store.ErrTenantExists) {
			return errors.Join(err, s.Close())
		}
	}
	if err := errors.Join(p.putAll(ctx, s, d), s.Close()); err != nil {
		return err
	}
	return compactSealkv(config{dir: p.Dir})
}

// spaces are the namespaces of a dataset.
func (p probe) spaces(s *store.Store, d dataset) (out []*store.Namespace, err error) {
	for _, space := range d.spaces() {
		tenant, err := s.Tenant(space.Tenant)
		if err != nil {
			return nil, err
		}
		n, err := tenant.Namespace(space.Namespace)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func (p probe) putAll(ctx context.Context, s *store.Store, d dataset) error {
	spaces, err := p.spaces(s, d)
	if err != nil {
		return err
	}
	var key, value []byte
	for i := range d.size() {
		var at int
		at, key = d.key(i, key[:0])
		if value, err = d.value(i, 0, value[:0]); err == nil {
			err = spaces[at].Put(ctx, key, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// A hand is one goroutine of a crew.
type hand struct {
	key, value, room []byte
	times            []time.Duration
	failed           error

	_ [64]byte // a cache line apart from the next
}

// A crew is what goroutines did that worked for a time, each as fast as it could.
type crew struct {
	hands []hand
	took  time.Duration
}

// crew has the probe's goroutines call do on records drawn uniformly. What is prepared for an
// operation is not in its time.
func (p probe) crew(d *synthetic, do func(*hand) error) (crew, error) {
	c := crew{hands: make([]hand, p.Workers)}
	var (
		wait sync.WaitGroup
		stop atomic.Bool
	)
	began := time.Now()
	for i := range c.hands {
		w := &c.hands[i]
		r := rand.New(rand.NewPCG(1, uint64(i)))
		wait.Go(func() {
			for !stop.Load() && w.failed == nil {
				at := r.IntN(p.Records)
				_, w.key = d.key(at, w.key[:0])
				if len(w.value) == 0 {
					if w.value, w.failed = d.value(at, 1, nil); w.failed != nil {
						return
					}
				}
				start := time.Since(epoch)
				w.failed = do(w)
				w.times = append(w.times, time.Since(epoch)-start)
			}
		})
	}
	time.Sleep(time.Duration(p.Seconds * float64(time.Second)))
	stop.Store(true)
	wait.Wait()
	c.took = time.Since(began)
	for i := range c.hands {
		if err := c.hands[i].failed; err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c crew) ops() (n int) {
	for i := range c.hands {
		n += len(c.hands[i].times)
	}
	return n
}

func (c crew) into(m measured, name string) {
	var times []time.Duration
	for i := range c.hands {
		times = append(times, c.hands[i].times...)
	}
	slices.Sort(times)
	m[name+"s/s"] = float64(len(times)) / c.took.Seconds()
	m[name+", p50"], m[name+", p99"] = float64(percentile(times, 50)), float64(percentile(times, 99))
}

// A countingFS counts the syncs of the engine's log.
type countingFS struct {
	vfs.FS
	syncs atomic.Int64
}

func (f *countingFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return f.watch(name, file), err
}

func (f *countingFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(oldname, newname, c)
	return f.watch(newname, file), err
}

func (f *countingFS) watch(name string, file vfs.File) vfs.File {
	if file == nil || !strings.HasSuffix(name, ".log") {
		return file
	}
	return &countingFile{file, f}
}

type countingFile struct {
	vfs.File
	fs *countingFS
}

func (f *countingFile) Sync() error     { f.fs.syncs.Add(1); return f.File.Sync() }
func (f *countingFile) SyncData() error { f.fs.syncs.Add(1); return f.File.SyncData() }
