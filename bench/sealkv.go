package main

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/root/keyfile"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
	engines "github.com/sealkv/sealkv/store/engine"
	enginepebble "github.com/sealkv/sealkv/store/engine/pebble"
)

// sealkvs are sealkv with each set of options that is worth a column.
func sealkvs() []kind {
	return []kind{
		sealkvKind("sealkv", "sealkv, suite 1 (XChaCha20-Poly1305)", "suite: xchacha20-poly1305", 0),
		sealkvKind("sealkv-cache", "the same with a third of its memory for opened values", "suite: xchacha20-poly1305", 3),
		sealkvKind("sealkv-xaes", "sealkv, suite 2 (XAES-256-GCM)", "suite: xaes-256-gcm", 0),
		sealkvDict(),
	}
}

// sealkvDict is sealkv with a dictionary for every namespace that may have one. Before it is compacted it is
// swept, so that what came before the dictionaries is compressed too.
func sealkvDict() kind {
	k := sealkvKind("sealkv-zstd-dict", "sealkv, suite 1, values compressed with dictionaries", "compression: zstd-dict", 0)
	k.compact = func(c config) error {
		return k.tidy(c, func(s *store.Store) error { return s.Sweep(context.Background(), &store.SweepOptions{Urgent: true}) })
	}
	return k
}

// tidy compacts a store in which first was done, and from which the chunks of replaced values were
// collected: otherwise that comes within the hour.
func (k *kind) tidy(c config, first func(s *store.Store) error) error {
	e, err := k.open(c)
	if err != nil {
		return err
	}
	s := e.(*sealkv).store
	return errors.Join(first(s), s.Collect(context.Background()), e.close(), compactSealkv(c))
}

// sealkvKind is sealkv with the default policy, a line that changes it, and one part in so many of
// its memory for opened values; 0 for none.
func sealkvKind(name, about, line string, part int64) kind {
	k := kind{
		name: name, about: about, seals: true,
		open: func(c config) (engine, error) {
			o := &store.Options{}
			if part > 0 {
				o.ValueCacheBytes = c.cache / part
			}
			source := bytes.Replace(scope.Default().Source(), []byte("\nrules:"), []byte("\n"+line+"\nrules:"), 1)
			source = bytes.ReplaceAll(source, []byte("max-age: 30d"), []byte("max-age: 30d\n    compression: none"))
			policy, err := scope.Parse(name, source)
			if err != nil {
				return nil, err
			}
			o.Policy = policy
			return openSealkv(c, o)
		},
	}
	k.compact = func(c config) error { return k.tidy(c, func(*store.Store) error { return nil }) }
	return k
}

type sealkv struct {
	store  *store.Store
	spaces []*store.Namespace
}

// openSealkv opens or creates a store whose root key lies beside it, which would protect nothing
// elsewhere than in a comparison.
func openSealkv(c config, o *store.Options) (_ engine, err error) {
	o.Roots, o.NoSync = &keyfile.Opener{}, !c.sync
	o.CacheBytes, o.MemTableBytes = c.cache, c.memTable
	dir, ctx := filepath.Join(c.dir, "store"), context.Background()
	if exists(c.dir, "store") {
		s, err := store.Open(ctx, dir, o)
		if err != nil {
			return nil, err
		}
		return newSealkv(s, c)
	}
	file := filepath.Join(c.dir, "root.key")
	if err := keyfile.Create(file, nil); err != nil {
		return nil, err
	}
	uri, err := keyfile.URI(file)
	if err != nil {
		return nil, err
	}
	s, err := store.Create(ctx, dir, uri, o)
	if err != nil {
		return nil, err
	}
	for _, space := range c.spaces {
		if _, err := s.AddTenant(ctx, space.Tenant, nil); err != nil && !errors.Is(err, store.ErrTenantExists) {
			return nil, errors.Join(err, s.Close())
		}
	}
	return newSealkv(s, c)
}

func newSealkv(s *store.Store, c config) (engine, error) {
	e := &sealkv{store: s}
	for _, space := range c.spaces {
		tenant, err := s.Tenant(space.Tenant)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		n, err := tenant.Namespace(space.Namespace)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		e.spaces = append(e.spaces, n)
	}
	return e, nil
}

// compactSealkv reaches for the engine, since the store has no compaction for callers. Chunks stay
// where the store has them.
func compactSealkv(c config) error {
	e, err := enginepebble.Open(filepath.Join(c.dir, "store", "records"), &enginepebble.Options{Apart: chunkKeys})
	if err != nil {
		return err
	}
	return errors.Join(e.Compact(context.Background(), everything), e.Close())
}

var (
	everything = engines.Range{Start: []byte{0}, End: []byte{0xff}}
	chunkKeys  = engines.Range{Start: []byte{byte(codec.KindChunk)}, End: []byte{byte(codec.KindChunk) + 1}}
)

func (e *sealkv) session() (session, error) {
	return &sealkvSession{sealkv: e, batches: e.store.NewBatch()}, nil
}
func (e *sealkv) close() error { return e.store.Close() }

type sealkvSession struct {
	*sealkv
	batches *store.Batch
}

func (s *sealkvSession) get(at int, key, room []byte) ([]byte, bool, error) {
	value, err := s.spaces[at].GetInto(context.Background(), key, room)
	if errors.Is(err, store.ErrNotFound) {
		return room, false, nil
	}
	return value, err == nil, err
}

func (s *sealkvSession) scan(at int, from []byte, limit int, visit func(key, value []byte) error) error {
	for e, err := range s.spaces[at].Scan(context.Background(), &store.ScanOptions{Start: from, Limit: limit, Reuse: true}) {
		if err != nil {
			return err
		}
		value, err := e.Value()
		if err != nil {
			return err
		}
		if err := visit(e.Key, value); err != nil {
			return err
		}
	}
	return nil
}

func (s *sealkvSession) put(at int, key, value []byte) error {
	return s.spaces[at].Put(context.Background(), key, value)
}

func (s *sealkvSession) batch(records []record) error {
	s.batches.Reset()
	for _, r := range records {
		if err := s.batches.Put(s.spaces[r.at], r.key, r.value); err != nil {
			return err
		}
	}
	return s.batches.Commit(context.Background())
}

func (s *sealkvSession) close() error { return nil }

// engineOnly is sealkv's engine without the store above it: what conditions, the fence and
// admission cost, and what they do not.
type engineOnly struct {
	*enginepebble.Engine
	c config
}

func openEngineOnly(c config) (engine, error) {
	dir, open := filepath.Join(c.dir, "records"), enginepebble.Create
	if exists(c.dir, "records") {
		open = enginepebble.Open
	}
	e, err := open(dir, c.tuned())
	if err != nil {
		return nil, err
	}
	return &engineOnly{e, c}, nil
}

// tuned are the options of sealkv's engine.
func (c config) tuned() *enginepebble.Options {
	return &enginepebble.Options{CacheBytes: c.cache, MemTableBytes: c.memTable}
}

func (e *engineOnly) close() error { return e.Close() }

func (e *engineOnly) compactAll() error { return e.Compact(context.Background(), everything) }

func (e *engineOnly) session() (session, error) {
	return &engineSession{engineOnly: e, keys: newPrefixed(e.c.spaces)}, nil
}

type engineSession struct {
	*engineOnly
	keys prefixed
	sink valueSink
	page pageSink
}

type valueSink struct{ value []byte }

func (s *valueSink) Value(value []byte) error {
	s.value = append(s.value, value...)
	return nil
}

type pageSink struct {
	left, cut int
	visit     func(key, value []byte) error
}

func (s *pageSink) Entry(key, value []byte) (bool, error) {
	s.left--
	return s.left > 0, s.visit(key[s.cut:], value)
}

func (s *engineSession) get(at int, key, room []byte) ([]byte, bool, error) {
	s.sink.value = room
	err := s.Get(context.Background(), s.keys.join(at, key), &s.sink)
	if errors.Is(err, engines.ErrNotFound) {
		return room, false, nil
	}
	return s.sink.value, err == nil, err
}

func (s *engineSession) scan(at int, from []byte, limit int, visit func(key, value []byte) error) error {
	s.page = pageSink{left: limit, cut: len(s.keys.prefixes[at]), visit: visit}
	return s.Page(context.Background(), engines.Range{Start: s.keys.join(at, from), End: s.keys.ends[at]}, &s.page)
}

func (s *engineSession) put(at int, key, value []byte) error {
	return s.batch([]record{{at, key, value}})
}

func (s *engineSession) batch(records []record) error {
	b := s.NewBatch()
	defer b.Close()
	for _, r := range records {
		b.Set(s.keys.join(r.at, r.key), r.value)
	}
	return s.Apply(context.Background(), b, s.c.sync)
}

func (s *engineSession) close() error { return nil }
