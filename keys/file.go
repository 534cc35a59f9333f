package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/sealkv/sealkv/codec"
)

// Buckets of the keyring. On disk; must not change. Keys of the flat buckets begin with the
// tenant's id and a zero byte, so one tenant's rows lie together and are loaded alone.
var (
	bucketMeta       = []byte("meta")
	bucketTenants    = []byte("tenants")     // tenant → codec.Tenant
	bucketTenantKeys = []byte("tenant-keys") // codec.AppendTenantKeyRow → codec.TenantKey
	bucketDataKeys   = []byte("data-keys")   // codec.AppendDataKeyRow → codec.DataKey
	bucketRoots      = []byte("roots")       // URI of a tenant's own root → tenant
	bucketAudit      = []byte("audit")       // sequence number, big-endian → codec.Signed
)

// Keys of the bucket meta.
var (
	metaIdentity    = []byte("identity")    // codec.Identity
	metaCounters    = []byte("counters")    // codec.Counters
	metaPolicy      = []byte("policy")      // codec.Signed over codec.Policy
	metaBackups     = []byte("backups")     // codec.Signed over codec.Backups; none before the first
	metaCopy        = []byte("copy")        // in the keyring of a backup: its codec.BackupID
	metaInitialised = []byte("initialised") // there once the store is whole
)

// openTimeout is how long Open waits for another process to let go of the file; the store's own
// lock comes first, so nobody should hold it.
const openTimeout = 2 * time.Second

// A file is the bbolt database behind a keyring: transactions, counters, and the refusal to go
// on after a commit whose outcome is unknown.
type file struct {
	swap     sync.RWMutex // held exclusively while db is replaced
	db       *bolt.DB
	readOnly bool
	now      func() time.Time
	poisoned atomic.Bool
	acts     acts

	mu       sync.Mutex
	counters codec.Counters // as of the last commit
}

// createSuffix names a keyring of which the first transaction may not be durable yet. One that a
// crash left is removed by the next creation.
const createSuffix = ".create"

// createFile makes the file under another name, so that under its own there is never less than a
// keyring with its identity.
func createFile(path string, id codec.Identity, now func() time.Time) (*file, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("keys: creating the keyring: %w", os.ErrExist)
	}
	err := writeFirst(path+createSuffix, id)
	if err == nil {
		err = os.Rename(path+createSuffix, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path)) // bbolt does not make the new file's name durable
	}
	if err != nil {
		return nil, fmt.Errorf("keys: creating the keyring: %w", err)
	}
	f, err := openDB(path, false)
	if err != nil {
		return nil, err
	}
	f.now = now
	return f, nil
}

// writeFirst writes a keyring that has nothing but its identity, durably.
func writeFirst(path string, id codec.Identity) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := openDB(path, false)
	if err != nil {
		return err
	}
	err = f.db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketMeta, bucketTenants, bucketTenantKeys, bucketDataKeys, bucketRoots, bucketAudit} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		if err := tx.Bucket(bucketMeta).Put(metaIdentity, codec.EncodeRecord(id)); err != nil {
			return err
		}
		return tx.Bucket(bucketMeta).Put(metaCounters, codec.EncodeRecord(codec.Counters{}))
	})
	return errors.Join(err, f.db.Close())
}

func openFile(path string, readOnly bool, now func() time.Time) (*file, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("keys: opening the keyring: %w", err)
	}
	f, err := openDB(path, readOnly)
	if err != nil {
		return nil, err
	}
	f.now = now
	err = f.view(func(tx *bolt.Tx) (err error) {
		for _, name := range [][]byte{bucketMeta, bucketTenants, bucketTenantKeys, bucketDataKeys, bucketRoots, bucketAudit} {
			if tx.Bucket(name) == nil {
				return fmt.Errorf("%w: no bucket %q", ErrDamaged, name)
			}
		}
		f.counters, err = readCounters(tx)
		return err
	})
	if err != nil {
		f.db.Close()
		return nil, err
	}
	return f, nil
}

func openDB(path string, readOnly bool) (*file, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: openTimeout, ReadOnly: readOnly})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("keys: the keyring is held open by another process: %w", err)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, damaged("opening", err)
	case err != nil:
		return nil, fmt.Errorf("keys: opening the keyring: %w", err)
	}
	return &file{db: db, readOnly: readOnly, acts: newActs()}, nil
}

func (f *file) close() error {
	f.swap.RLock()
	defer f.swap.RUnlock()
	if err := f.db.Close(); err != nil {
		return fmt.Errorf("keys: closing the keyring: %w", err)
	}
	return nil
}

// view runs fn on one state of the file. What fn reads is valid until it returns.
func (f *file) view(fn func(tx *bolt.Tx) error) error {
	f.swap.RLock()
	defer f.swap.RUnlock()
	if f.poisoned.Load() { // not before: a compaction that held swap may have failed
		return ErrPoisoned
	}
	err := f.db.View(fn)
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// A change is one atomic act on the keyring: rows, audit entries and counters together.
type change struct {
	tx       *bolt.Tx
	counters codec.Counters
	now      uint64 // Unix seconds
}

// update applies fn as one durable act and returns the counters after it. Acts that come at the
// same time may share a transaction, so fn may run more than once. An error of fn leaves
// everything as it was; any other error leaves the outcome unknown and poisons the file.
func (f *file) update(ctx context.Context, fn func(c *change) error) (codec.Counters, error) {
	f.swap.RLock()
	defer f.swap.RUnlock()
	if err := f.writable(ctx); err != nil { // not before: a compaction that held swap may have failed
		return codec.Counters{}, err
	}
	a := f.commit(fn)
	switch {
	case a.failed != nil:
		return codec.Counters{}, a.failed
	case errors.Is(a.err, bolterrors.ErrDatabaseNotOpen):
		return codec.Counters{}, ErrClosed
	case a.err != nil:
		return codec.Counters{}, fmt.Errorf("%w: %w", ErrPoisoned, a.err)
	}
	f.committed(a.after)
	return a.after, nil
}

func (f *file) writable(ctx context.Context) error {
	switch {
	case f.readOnly:
		return ErrReadOnly
	case f.poisoned.Load():
		return ErrPoisoned
	}
	return ctx.Err()
}

func (f *file) apply(tx *bolt.Tx, fn func(c *change) error) (codec.Counters, error) {
	counters, err := readCounters(tx)
	if err != nil {
		return counters, err
	}
	c := &change{tx: tx, counters: counters, now: uint64(f.now().Unix())}
	c.counters.Revision++
	if err := fn(c); err != nil {
		return c.counters, err
	}
	return c.counters, c.put(bucketMeta, metaCounters, c.counters)
}

// committed remembers the newest counters; acts may come back in another order than they were
// applied.
func (f *file) committed(after codec.Counters) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if after.Revision > f.counters.Revision {
		f.counters = after
	}
}

// stored are the counters as the file has them.
func (f *file) stored() (counters codec.Counters, err error) {
	err = f.view(func(tx *bolt.Tx) error {
		counters, err = readCounters(tx)
		return err
	})
	return counters, err
}

func readCounters(tx *bolt.Tx) (counters codec.Counters, err error) {
	if err = codec.DecodeRecord(tx.Bucket(bucketMeta).Get(metaCounters), &counters); err != nil {
		err = damaged("counters", err)
	}
	return counters, err
}

func (f *file) latest() codec.Counters {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counters
}

func (c *change) put(bucket, key []byte, record any) error {
	return c.tx.Bucket(bucket).Put(key, codec.EncodeRecord(record))
}

// rows calls fn for each row of bucket whose key begins with prefix.
func rows(tx *bolt.Tx, bucket, prefix []byte, fn func(key, value []byte) error) error {
	cursor := tx.Bucket(bucket).Cursor()
	for k, v := cursor.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = cursor.Next() {
		if err := fn(k, v); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
