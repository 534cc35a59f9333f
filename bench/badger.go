package main

import (
	"errors"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
)

var badgerKind = kind{
	name: "badger", about: "Badger v4 with encryption (AES-256-CTR, unauthenticated), blocks compressed by snappy", seals: true,
	open: openBadger, compact: compactBadger,
}

type badgerEngine struct {
	db *badger.DB
	c  config
}

// openBadger gives Badger as much memory: what its write buffers leave of the cache goes to
// blocks, and a sixth to the indexes of tables, which encryption keeps from being mapped.
func openBadger(c config) (engine, error) {
	o := badger.DefaultOptions(filepath.Join(c.dir, "badger")).
		WithLogger(nil).
		WithSyncWrites(c.sync).
		WithEncryptionKey([]byte("0123456789abcdef0123456789abcdef")).
		WithMemTableSize(max(int64(c.memTable), 8<<20)).
		WithNumMemtables(2).
		WithIndexCacheSize(c.cache / 6).
		WithBlockCacheSize(max(c.cache/2, 8<<20))
	db, err := badger.Open(o)
	if err != nil {
		return nil, err
	}
	return &badgerEngine{db: db, c: c}, nil
}

// compactBadger merges all levels and rewrites value logs until none has garbage to give back.
func compactBadger(c config) error {
	e, err := openBadger(c)
	if err != nil {
		return err
	}
	db := e.(*badgerEngine).db
	err = db.Flatten(2)
	for err == nil {
		err = db.RunValueLogGC(0.1)
	}
	if errors.Is(err, badger.ErrNoRewrite) {
		err = nil
	}
	return errors.Join(err, db.Close())
}

func (e *badgerEngine) close() error { return e.db.Close() }

func (e *badgerEngine) session() (session, error) {
	return &badgerSession{badgerEngine: e, keys: newPrefixed(e.c.spaces)}, nil
}

type badgerSession struct {
	*badgerEngine
	keys prefixed
}

func (s *badgerSession) get(at int, key, room []byte) (value []byte, found bool, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(s.keys.join(at, key))
		if err != nil {
			return err
		}
		return item.Value(func(v []byte) error {
			value = append(room, v...)
			return nil
		})
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return room, false, nil
	}
	return value, err == nil, err
}

func (s *badgerSession) scan(at int, from []byte, limit int, visit func(key, value []byte) error) error {
	return s.db.View(func(txn *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.Prefix = s.keys.prefixes[at]
		o.PrefetchSize = min(limit, o.PrefetchSize)
		it := txn.NewIterator(o)
		defer it.Close()
		for it.Seek(s.keys.join(at, from)); it.Valid() && limit > 0; it.Next() {
			item := it.Item()
			err := item.Value(func(v []byte) error { return visit(s.keys.cut(at, item.Key()), v) })
			if limit--; err != nil || limit == 0 {
				return err
			}
		}
		return nil
	})
}

func (s *badgerSession) put(at int, key, value []byte) error {
	return s.db.Update(func(txn *badger.Txn) error { return txn.Set(s.keys.join(at, key), value) })
}

func (s *badgerSession) batch(records []record) error {
	txn := s.db.NewTransaction(true)
	defer func() { txn.Discard() }()
	for _, r := range records {
		full := s.keys.fresh(r.at, r.key)
		err := txn.Set(full, r.value)
		if errors.Is(err, badger.ErrTxnTooBig) { // its limit is a part of the write buffer
			if err = txn.Commit(); err == nil {
				txn = s.db.NewTransaction(true)
				err = txn.Set(full, r.value)
			}
		}
		if err != nil {
			return err
		}
	}
	return txn.Commit()
}

func (s *badgerSession) close() error { return nil }
