package main

import (
	"os"
	"path/filepath"
)

// An engine is one of the stores that are compared, open.
type engine interface {
	// session returns what one goroutine works with.
	session() (session, error)
	close() error
}

// A session is used by one goroutine. It keeps no slice that it is given, and what it passes to a
// visit is valid during the visit alone.
type session interface {
	// get appends the value to room; found is false if there is none.
	get(at int, key, room []byte) (value []byte, found bool, err error)
	// scan visits up to limit records of a space in the order of their keys, from one key on.
	scan(at int, from []byte, limit int, visit func(key, value []byte) error) error
	put(at int, key, value []byte) error
	// batch puts all records or none.
	batch(records []record) error
	close() error
}

// A space is a tenant's namespace. Sessions are given its index in config.spaces. An engine that
// knows nothing of tenants has one order of all keys, and its keys begin with prefix.
type space struct{ Tenant, Namespace string }

func (s space) prefix() []byte { return []byte(s.Tenant + "\x00" + s.Namespace + "\x00") }

type record struct {
	at         int
	key, value []byte
}

// A config is what an engine is opened with.
type config struct {
	dir    string
	spaces []space
	sync   bool // writes return when they are durable
	// cache is the memory in bytes for what is cached and for write buffers together, memTable
	// that of one write buffer.
	cache    int64
	memTable int
}

// A kind is a store with one set of options.
type kind struct {
	name  string
	about string
	seals bool // its files must not hold plaintext
	short bool // takes no value of more than 512 KiB, so no real records
	open  func(c config) (engine, error)
	// compact makes the files of a closed store as small as they get.
	compact func(c config) error
	absent  string // why it cannot be had in this program; empty if it can
}

// baseline is the engine of which every ratio is one.
const baseline = "raw"

// kinds are all engines in the order of the report.
func kinds() []kind {
	return append(append(sealkvs(), pebbles()...), badgerKind, bboltKind, sqlcipherKind)
}

func find(name string) (kind, bool) {
	for _, k := range append(kinds(), turned()...) {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// prefixed joins a space's prefix and keys in memory of its own: the key of an engine that knows
// nothing of tenants.
type prefixed struct {
	prefixes [][]byte
	ends     [][]byte // the first key after those of a space
	room     []byte
}

func newPrefixed(spaces []space) prefixed {
	p := prefixed{}
	for _, s := range spaces {
		p.prefixes = append(p.prefixes, s.prefix())
		end := s.prefix()
		end[len(end)-1]++ // prefixes end in 0
		p.ends = append(p.ends, end)
	}
	return p
}

// join is valid until the next call.
func (p *prefixed) join(at int, key []byte) []byte {
	p.room = append(append(p.room[:0], p.prefixes[at]...), key...)
	return p.room
}

// fresh is join in new memory.
func (p *prefixed) fresh(at int, key []byte) []byte {
	return append(append(make([]byte, 0, len(p.prefixes[at])+len(key)), p.prefixes[at]...), key...)
}

func (p *prefixed) cut(at int, key []byte) []byte { return key[len(p.prefixes[at]):] }

// exists reports whether a store was made in the directory.
func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}
