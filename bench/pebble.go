package main

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"golang.org/x/crypto/chacha20poly1305"
)

// pebbles are Pebble by itself, with several options, and below sealkv's engine.
func pebbles() []kind {
	raw := kind{
		name: baseline, about: "Pebble with the options of sealkv's engine: the baseline",
		open: func(c config) (engine, error) { return openPebble(c, c.tuned().Tuned(), nil) },
	}
	snappy := kind{
		name: "raw-snappy", about: "the baseline with its blocks compressed by snappy",
		open: func(c config) (engine, error) {
			o := c.tuned().Tuned()
			o.ApplyCompressionSettings(func() pebble.DBCompressionSettings {
				return pebble.UniformDBCompressionSettings(block.SnappyCompression)
			})
			return openPebble(c, o, nil)
		},
	}
	asItComes := kind{
		name: "pebble", about: "Pebble as it comes, &pebble.Options{}: a cache of 8 MiB, snappy",
		open: func(c config) (engine, error) { return openPebble(c, &pebble.Options{}, nil) },
	}
	naive := kind{
		name: "pebble-xchacha", about: "the baseline, each value sealed by XChaCha20-Poly1305 in the simplest way", seals: true,
		open: func(c config) (engine, error) { return openPebble(c, c.tuned().Tuned(), newNaive()) },
	}
	engineAlone := kind{name: "engine", about: "sealkv's engine without the store above it, nothing sealed", short: true, open: openEngineOnly}
	all := []kind{engineAlone, raw, snappy, asItComes, naive}
	for i := range all {
		all[i].compact = compactPebble(all[i].open)
	}
	return all
}

// A naive sealer does what a service would write first: a cipher, a nonce and a new slice for
// each value.
type naive struct{ key []byte }

// newNaive has one key for all stores: a peer process opens its store again with the same.
func newNaive() *naive { return &naive{key: []byte("0123456789abcdef0123456789abcdef")} }

func (n *naive) aead() cipher.AEAD {
	aead, err := chacha20poly1305.NewX(n.key)
	if err != nil {
		panic(err) // impossible with 32 bytes
	}
	return aead
}

func (n *naive) seal(key, value []byte) []byte {
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce)
	return n.aead().Seal(nonce, nonce, value, key)
}

func (n *naive) unseal(key, sealed []byte) ([]byte, error) {
	if len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, errors.New("a sealed value is too short")
	}
	return n.aead().Open(nil, sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:], key)
}

type pebbleEngine struct {
	db    *pebble.DB
	c     config
	write *pebble.WriteOptions
	naive *naive // nil where nothing is sealed
}

func openPebble(c config, o *pebble.Options, n *naive) (engine, error) {
	o.Logger = quiet{}
	db, err := pebble.Open(filepath.Join(c.dir, "pebble"), o)
	if err != nil {
		return nil, err
	}
	e := &pebbleEngine{db: db, c: c, write: pebble.NoSync, naive: n}
	if c.sync {
		e.write = pebble.Sync
	}
	return e, nil
}

type compacter interface{ compactAll() error }

func compactPebble(open func(config) (engine, error)) func(config) error {
	return func(c config) error {
		e, err := open(c)
		if err != nil {
			return err
		}
		return errors.Join(e.(compacter).compactAll(), e.close())
	}
}

// quiet is a Pebble logger that says nothing but what is fatal.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, arguments ...any) {
	pebble.DefaultLogger.Fatalf(format, arguments...)
}

func (e *pebbleEngine) compactAll() error {
	return e.db.Compact(context.Background(), everything.Start, everything.End, false)
}

func (e *pebbleEngine) session() (session, error) {
	return &pebbleSession{pebbleEngine: e, keys: newPrefixed(e.c.spaces)}, nil
}

func (e *pebbleEngine) close() error {
	// Flushed like sealkv when it closes; otherwise the next opening would write the tables.
	return errors.Join(e.db.Flush(), e.db.Close())
}

type pebbleSession struct {
	*pebbleEngine
	keys prefixed
}

func (s *pebbleSession) get(at int, key, room []byte) ([]byte, bool, error) {
	full := s.keys.join(at, key)
	value, closer, err := s.db.Get(full)
	if errors.Is(err, pebble.ErrNotFound) {
		return room, false, nil
	}
	if err != nil {
		return room, false, err
	}
	defer closer.Close()
	if s.naive != nil {
		if value, err = s.naive.unseal(full, value); err != nil {
			return room, false, err
		}
	}
	return append(room, value...), true, nil
}

func (s *pebbleSession) scan(at int, from []byte, limit int, visit func(key, value []byte) error) (err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: s.keys.join(at, from), UpperBound: s.keys.ends[at]})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok && limit > 0; ok = it.Next() {
		limit--
		value, err := it.ValueAndErr()
		if err == nil && s.naive != nil {
			value, err = s.naive.unseal(it.Key(), value)
		}
		if err != nil {
			return err
		}
		if err := visit(s.keys.cut(at, it.Key()), value); err != nil {
			return err
		}
		if limit == 0 {
			break
		}
	}
	return nil
}

func (s *pebbleSession) put(at int, key, value []byte) error {
	full := s.keys.join(at, key)
	if s.naive != nil {
		value = s.naive.seal(full, value)
	}
	return s.db.Set(full, value, s.write)
}

func (s *pebbleSession) batch(records []record) error {
	b := s.db.NewBatch()
	for _, r := range records {
		full, value := s.keys.join(r.at, r.key), r.value
		if s.naive != nil {
			value = s.naive.seal(full, value)
		}
		if err := b.Set(full, value, nil); err != nil {
			return err
		}
	}
	return errors.Join(b.Commit(s.write), b.Close())
}

func (s *pebbleSession) close() error { return nil }
