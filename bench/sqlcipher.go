//go:build libsqlite3

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	_ "github.com/mattn/go-sqlite3"
)

// SQLCipher is the C library that the driver's tag libsqlite3 links the program with; see
// README.md.
var sqlcipherKind = kind{
	name: "sqlcipher", about: "SQLCipher (AES-256-CBC with HMAC-SHA512 for each page) through mattn/go-sqlite3, WAL mode", seals: true,
	open: openSqlcipher, compact: compactSqlcipher,
}

type sqlcipher struct {
	db *sql.DB
	c  config
}

func openSqlcipher(c config) (engine, error) {
	synchronous := "OFF"
	if c.sync {
		synchronous = "FULL"
	}
	// The key itself, not a passphrase; in the URI, since the driver reads the file before a PRAGMA
	// could set it.
	db, err := sql.Open("sqlite3", fmt.Sprintf("file:%s?key=x%%27%x%%27&_journal_mode=WAL&_synchronous=%s&_cache_size=-%d&_busy_timeout=60000",
		filepath.Join(c.dir, "sqlcipher.db"), newNaive().key, synchronous, c.cache>>10))
	if err != nil {
		return nil, err
	}
	var version string
	if err := db.QueryRow("PRAGMA cipher_version").Scan(&version); err != nil {
		return nil, errors.Join(fmt.Errorf("the library that the program is linked with is no SQLCipher: %w", err), db.Close())
	}
	if _, err := db.Exec("CREATE TABLE IF NOT EXISTS records (key BLOB PRIMARY KEY, value BLOB)"); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &sqlcipher{db, c}, nil
}

func compactSqlcipher(c config) error {
	e, err := openSqlcipher(c)
	if err != nil {
		return err
	}
	_, err = e.(*sqlcipher).db.Exec("VACUUM")
	return errors.Join(err, e.close())
}

func (e *sqlcipher) close() error { return e.db.Close() }

// session prepares its statements on a connection of its own, as a service's pool would have.
func (e *sqlcipher) session() (session, error) {
	ctx := context.Background()
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	s := &sqlcipherSession{conn: conn, keys: newPrefixed(e.c.spaces)}
	for text, into := range map[string]**sql.Stmt{
		"SELECT value FROM records WHERE key = ?":                                                  &s.one,
		"SELECT key, value FROM records WHERE key >= ? AND key < ? ORDER BY key LIMIT ?":           &s.many,
		"INSERT INTO records VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value": &s.set,
	} {
		if *into, err = conn.PrepareContext(ctx, text); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return s, nil
}

type sqlcipherSession struct {
	conn           *sql.Conn
	one, many, set *sql.Stmt
	keys           prefixed
	raw            sql.RawBytes
}

func (s *sqlcipherSession) get(at int, key, room []byte) ([]byte, bool, error) {
	rows, err := s.one.Query(s.keys.join(at, key))
	if err != nil {
		return room, false, err
	}
	found := rows.Next()
	if found {
		if err = rows.Scan(&s.raw); err == nil {
			room = append(room, s.raw...)
		}
	}
	err = errors.Join(err, rows.Err(), rows.Close())
	return room, found && err == nil, err
}

func (s *sqlcipherSession) scan(at int, from []byte, limit int, visit func(key, value []byte) error) (err error) {
	rows, err := s.many.Query(s.keys.join(at, from), s.keys.ends[at], limit)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Err(), rows.Close()) }()
	var key sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&key, &s.raw); err != nil {
			return err
		}
		if err := visit(s.keys.cut(at, key), s.raw); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqlcipherSession) put(at int, key, value []byte) error {
	_, err := s.set.Exec(s.keys.join(at, key), value)
	return err
}

func (s *sqlcipherSession) batch(records []record) error {
	tx, err := s.conn.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	set := tx.Stmt(s.set)
	for _, r := range records {
		if _, err := set.Exec(s.keys.join(r.at, r.key), r.value); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (s *sqlcipherSession) close() error {
	return errors.Join(s.one.Close(), s.many.Close(), s.set.Close(), s.conn.Close())
}
