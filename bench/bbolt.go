package main

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	"golang.org/x/crypto/chacha20poly1305"
)

var bboltKind = kind{
	name: "bbolt", about: "bbolt with XChaCha20-Poly1305 for each value; it maps its file, so its cache is the system's and has no limit", seals: true,
	open: openBbolt, compact: compactBbolt,
}

var bucket = []byte("records")

type bboltEngine struct {
	db   *bbolt.DB
	aead cipher.AEAD
	c    config
}

func openBbolt(c config) (engine, error) {
	db, err := bbolt.Open(filepath.Join(c.dir, "bbolt.db"), 0o600, &bbolt.Options{NoSync: !c.sync, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &bboltEngine{db: db, aead: newNaive().aead(), c: c}, nil
}

func compactBbolt(c config) error {
	from, err := bbolt.Open(filepath.Join(c.dir, "bbolt.db"), 0o600, nil)
	if err != nil {
		return err
	}
	path := filepath.Join(c.dir, "compact.db")
	to, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return errors.Join(err, from.Close())
	}
	if err := errors.Join(bbolt.Compact(to, from, 1<<20), to.Close(), from.Close()); err != nil {
		return err
	}
	return os.Rename(path, filepath.Join(c.dir, "bbolt.db"))
}

func (e *bboltEngine) close() error { return errors.Join(e.db.Sync(), e.db.Close()) }

func (e *bboltEngine) session() (session, error) {
	return &bboltSession{bboltEngine: e, keys: newPrefixed(e.c.spaces)}, nil
}

type bboltSession struct {
	*bboltEngine
	keys  prefixed
	plain []byte
	arena []byte // of the values of a batch
}

func (s *bboltSession) get(at int, key, room []byte) (value []byte, found bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		full := s.keys.join(at, key)
		sealed := tx.Bucket(bucket).Get(full)
		if sealed == nil {
			return nil
		}
		found = true
		value, err = s.unseal(room, full, sealed)
		return err
	})
	return value, found && err == nil, err
}

func (s *bboltSession) scan(at int, from []byte, limit int, visit func(key, value []byte) error) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucket).Cursor()
		for k, v := c.Seek(s.keys.join(at, from)); limit > 0 && bytes.HasPrefix(k, s.keys.prefixes[at]); k, v = c.Next() {
			value, err := s.unseal(s.plain[:0], k, v)
			if err != nil {
				return err
			}
			s.plain = value
			if err := visit(s.keys.cut(at, k), value); err != nil {
				return err
			}
			if limit--; limit == 0 {
				return nil
			}
		}
		return nil
	})
}

func (s *bboltSession) put(at int, key, value []byte) error {
	return s.batch([]record{{at, key, value}})
}

func (s *bboltSession) batch(records []record) error {
	s.arena = s.arena[:0]
	return s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		for _, r := range records {
			full := s.keys.join(r.at, r.key)
			if err := b.Put(full, s.seal(full, r.value)); err != nil {
				return err
			}
		}
		return nil
	})
}

// seal returns memory that is not used again before the transaction has ended; bbolt keeps it
// until then.
func (s *bboltSession) seal(key, value []byte) []byte {
	from := len(s.arena)
	s.arena = append(s.arena, make([]byte, chacha20poly1305.NonceSizeX)...)
	nonce := s.arena[from:]
	rand.Read(nonce)
	s.arena = s.aead.Seal(s.arena, nonce, value, key)
	return s.arena[from:len(s.arena):len(s.arena)]
}

func (s *bboltSession) unseal(room, key, sealed []byte) ([]byte, error) {
	if len(sealed) < chacha20poly1305.NonceSizeX {
		return room, errors.New("a sealed value is too short")
	}
	return s.aead.Open(room, sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:], key)
}

func (s *bboltSession) close() error { return nil }
