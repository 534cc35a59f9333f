package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"weak"

	"golang.org/x/sync/semaphore"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// Names in a store's directory. On disk; must not change.
const (
	keyringName = "keyring.db"
	recordsName = "records"
)

// Create makes a store in dir, which does not exist yet or is empty, with its platform key under
// the root that uri names (keyfile.URI makes one of a path), and opens it. If it is cut short,
// creating the store again starts anew; a store that is whole is never touched: fs.ErrExist, as for a directory with other files.
func Create(ctx context.Context, dir, uri string, opts *Options) (*Store, error) {
	s := newStore(opts)
	if err := s.checkOptions(); err != nil {
		return nil, err
	}
	if s.opts.ReadOnly {
		return nil, fmt.Errorf("store: creating a store: %w", ErrReadOnly)
	}
	if err := s.prepareDir(dir); err != nil {
		return nil, err
	}
	err := s.take()
	if err == nil {
		err = s.create(ctx, uri)
	}
	if err != nil {
		return nil, s.abandon(err)
	}
	s.begin()
	return s, nil
}

// create follows an order in which every crash leaves either nothing that counts as a store, or
// a whole one: keyring with identity, engine, identity in the engine, and the mark last.
func (s *Store) create(ctx context.Context, uri string) (err error) {
	if err := s.clearRemains(ctx); err != nil {
		return err
	}
	id := codec.Identity{Format: codec.Format}
	rand.Read(id.Store[:])
	if s.keys, err = keys.Create(ctx, s.path(keyringName), id, uri, s.opts.Policy.Source(), s.opts.Roots, s.keyOptions()); err != nil {
		return err
	}
	if err := s.openEngine(pebble.Create); err != nil {
		return err
	}
	b := s.newBatch()
	defer b.Close()
	b.Set(codec.MetaIdentity, codec.EncodeRecord(id))
	b.IfAbsent(codec.MetaIdentity)
	if err := s.applyBatch(ctx, b, true); err != nil {
		return fmt.Errorf("store: writing the identity: %w", translated(err))
	}
	if err := s.keys.Unlock(ctx, anchor{s.engine}, true); err != nil {
		return err
	}
	s.id = id.Store
	if err := s.readPolicy(); err != nil {
		return err
	}
	return s.keys.MarkInitialised(ctx)
}

// clearRemains removes what an earlier Create left when it was cut short: a keyring without its
// mark, beside an engine that holds no record. Anything else is somebody's data.
func (s *Store) clearRemains(ctx context.Context) error {
	_, err := os.Stat(s.path(keyringName))
	if errors.Is(err, fs.ErrNotExist) {
		return s.checkNoRecords()
	} else if err != nil {
		return err
	}
	k, err := keys.Open(s.path(keyringName), nil, nil)
	if err != nil {
		return err
	}
	whole, err := k.Initialised()
	id := k.Identity()
	if err = errors.Join(err, k.Close()); err != nil {
		return err
	}
	if whole {
		return fmt.Errorf("store: creating a store in %s: %w", s.dir, fs.ErrExist)
	}
	if err := s.checkOnlyMeta(ctx); err != nil {
		return err
	}
	if s.opts.Engine != nil {
		err = s.clearGiven(ctx, id)
	}
	if err != nil {
		return err
	}
	if err := os.RemoveAll(s.path(recordsName)); err != nil {
		return fmt.Errorf("store: clearing what an earlier creation left: %w", err)
	}
	if err := os.Remove(s.path(keyringName)); err != nil {
		return fmt.Errorf("store: clearing what an earlier creation left: %w", err)
	}
	return nil
}

func (s *Store) checkNoRecords() error {
	if _, err := os.Stat(s.path(recordsName)); err == nil && s.opts.Engine == nil {
		return fmt.Errorf("%w: %s has records and no keyring; restore its keyring", ErrIdentity, s.dir)
	}
	return nil
}

// checkOnlyMeta refuses an engine that holds anything but the store's own records.
func (s *Store) checkOnlyMeta(ctx context.Context) error {
	if s.opts.Engine != nil {
		return s.checkHoldsMeta(ctx, s.opts.Engine)
	}
	if _, err := os.Stat(s.path(recordsName)); err != nil {
		return nil
	}
	e, err := pebble.Open(s.path(recordsName), &pebble.Options{ReadOnly: true})
	if err != nil {
		return nil // it was cut short before it could be opened: there is no record in it
	}
	defer e.Close()
	return s.checkHoldsMeta(ctx, e)
}

func (s *Store) checkHoldsMeta(ctx context.Context, e engine.Reader) error {
	var first keyCatcher
	err := e.Page(ctx, engine.Range{Start: []byte{byte(codec.KindMeta) + 1}, End: []byte{0xff}}, &first)
	if err == nil && first.found {
		return fmt.Errorf("%w: %s has records, and a keyring that was never finished", ErrIdentity, s.dir)
	}
	return translated(err)
}

// clearGiven takes the identity of an earlier Create, and its mirror, out of the engine of
// Options.Engine. Another's identity stays: create meets it.
func (s *Store) clearGiven(ctx context.Context, id codec.Identity) error {
	b := s.opts.Engine.NewBatch()
	defer b.Close()
	b.Delete(codec.MetaIdentity)
	b.Delete(codec.MetaMirror)
	b.IfEquals(codec.MetaIdentity, codec.EncodeRecord(id))
	err := s.opts.Engine.Apply(ctx, b, true)
	if errors.Is(err, engine.ErrConflict) {
		return nil
	}
	return translated(err)
}

type keyCatcher struct{ found bool }

func (c *keyCatcher) Entry(_, _ []byte) (bool, error) { c.found = true; return false, nil }

// Open opens the store in dir, and asks the platform's root for the platform key; tenants' roots are
// asked when their keys are needed. One process has a store open for writing, or several for
// reading: else the error is a *HeldError. It is ErrNoStore where there is none, ErrIncomplete if
// its creation was cut short, ErrIsBackup for a backup without ReadOnly or Inspect, ErrKeyRevoked or
// ErrKeyUnavailable if the root does not open the key, root.ErrInvalid if the root key or its
// passphrase is the wrong one, ErrRollback, ErrIdentity, ErrDamaged or
// ErrCorrupt if the files are not as this store left them. The caller closes the Store.
func Open(ctx context.Context, dir string, opts *Options) (*Store, error) {
	s := newStore(opts)
	if err := s.checkOptions(); err != nil {
		return nil, err
	}
	var err error
	if s.dir, err = resolve(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoStore, dir)
	} else if err != nil {
		return nil, fmt.Errorf("store: opening %s: %w", dir, err)
	}
	if _, err := os.Stat(s.path(keyringName)); errors.Is(err, fs.ErrNotExist) {
		if err := s.checkNoRecords(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %s", ErrNoStore, s.dir)
	}
	if err = s.take(); err == nil {
		err = s.open(ctx)
	}
	if err != nil {
		return nil, s.abandon(err)
	}
	s.begin()
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if s.keys, err = keys.Open(s.path(keyringName), s.opts.Roots, s.keyOptions()); err != nil {
		return err
	}
	whole, err := s.keys.Initialised()
	if err != nil {
		return err
	}
	if !whole {
		return fmt.Errorf("%w: %s", ErrIncomplete, s.dir)
	}
	if _, is, err := s.keys.BackupID(); err != nil {
		return err
	} else if is && !s.opts.ReadOnly {
		return fmt.Errorf("%w: %s", ErrIsBackup, s.dir)
	}
	if _, err := os.Stat(s.path(recordsName)); err != nil && s.opts.Engine == nil {
		return fmt.Errorf("%w: %s has a keyring and no records; restore its records", ErrIdentity, s.dir)
	}
	if err := s.openEngine(pebble.Open); err != nil {
		return err
	}
	if err := s.checkIdentity(ctx); err != nil {
		return err
	}
	if !s.opts.Inspect {
		if err := s.keys.Unlock(ctx, anchor{s.engine}, false); err != nil {
			return err
		}
	}
	return s.readPolicy()
}

// checkIdentity compares the engine's identity with the keyring's.
func (s *Store) checkIdentity(ctx context.Context) error {
	var got catcher
	if err := s.engine.Get(ctx, codec.MetaIdentity, &got); errors.Is(err, engine.ErrNotFound) {
		return fmt.Errorf("%w: the records in %s have no identity", ErrIdentity, s.dir)
	} else if err != nil {
		return translated(err)
	}
	id := s.keys.Identity()
	if !bytes.Equal(got.value, codec.EncodeRecord(id)) {
		return fmt.Errorf("%w: the records in %s are another store's than the keyring; put the right one back", ErrIdentity, s.dir)
	}
	s.id = id.Store
	return nil
}

func newStore(opts *Options) *Store {
	s := &Store{
		opts: opts.withDefaults(), namespaces: map[namespaceID]weak.Pointer[Namespace]{},
		foreground: newForeground(), backups: semaphore.NewWeighted(allBackups),
	}
	s.ops.New = func() any { return new(op) }
	s.plain = made(newCoder(0, nil))
	return s
}

// checkOptions refuses what cannot be meant.
func (s *Store) checkOptions() error {
	if s.opts.Roots == nil && !s.opts.Inspect {
		return errors.New("store: Options.Roots is required: it finds the root keys")
	}
	if part := s.opts.ValueCacheBytes; part != 0 && (part < 0 || part >= s.opts.CacheBytes) {
		return fmt.Errorf("store: Options.ValueCacheBytes is %d: it is a part of CacheBytes, which is %d", part, s.opts.CacheBytes)
	}
	return nil
}

// take locks the directory, and makes the cache of values if there is to be one. From here on an error
// abandons.
func (s *Store) take() (err error) {
	if s.lock, err = acquireLock(s.dir, !s.opts.ReadOnly); err == nil && s.opts.ValueCacheBytes > 0 {
		s.values, err = newValueCache(s.opts.ValueCacheBytes)
	}
	return err
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Store) keyOptions() *keys.Options {
	o := &keys.Options{
		KeyTTL: s.opts.KeyTTL, RootTimeout: s.opts.RootTimeout, ReadOnly: s.opts.ReadOnly, Logger: s.opts.Logger, Now: s.opts.Now,
	}
	if s.values != nil {
		o.LeaseEnded = s.values.leaseEnded
	}
	return o
}

func (s *Store) openEngine(open func(dir string, opts *pebble.Options) (*pebble.Engine, error)) error {
	if s.engine = s.opts.Engine; s.engine != nil {
		if _, ok := s.engine.(engine.Exclusive); !ok && s.values != nil {
			return errors.New("store: Options.ValueCacheBytes: other processes may write to this engine, so no values can be kept")
		}
		return nil
	}
	e, err := open(s.path(recordsName), &pebble.Options{
		CacheBytes: s.opts.CacheBytes - s.opts.ValueCacheBytes, MemTableBytes: s.opts.MemTableBytes,
		ReadOnly: s.opts.ReadOnly, Logger: s.opts.Logger, Apart: chunkKeys,
	})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s has a keyring and no records; restore its records", ErrIdentity, s.dir)
	} else if err != nil {
		return fmt.Errorf("store: opening the records: %w", err)
	}
	s.engine = e
	return nil
}

// begin starts the work in the background.
func (s *Store) begin() {
	if s.opts.ReadOnly {
		return
	}
	if s.opts.Rewrap == RewrapQueued {
		s.rewrapper = newRewrapper(s)
	}
	if s.opts.CollectEvery > 0 {
		s.collector = newCollector(s)
	}
}

// abandon releases what an Open or Create that failed had got so far. An engine of Options.Engine stays
// the caller's.
func (s *Store) abandon(err error) error {
	if s.keys != nil {
		s.keys.Close()
	}
	if s.engine != nil && s.opts.Engine == nil {
		s.engine.Close()
	}
	if s.lock != nil {
		s.unlock()
	}
	s.values.close()
	return err
}

// prepareDir makes dir, durably, and resolves it: engines and locks go by the path, and a
// symbolic link must not open the same store twice.
func (s *Store) prepareDir(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("store: creating %s: %w", dir, err)
	}
	if s.dir, err = resolve(dir); err != nil {
		return fmt.Errorf("store: creating %s: %w", dir, err)
	}
	if err := checkVacant(s.dir); err != nil {
		return fmt.Errorf("store: creating %s: %w", s.dir, err)
	}
	if err := syncDir(filepath.Dir(s.dir)); err != nil {
		return fmt.Errorf("store: creating %s: %w", s.dir, err)
	}
	return nil
}

// checkVacant refuses a directory with files that are no store's. Where there is a lock, a store was
// begun.
func checkVacant(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(dir, lockName)); err == nil {
		return nil
	}
	for _, entry := range entries {
		if name := entry.Name(); !strings.HasPrefix(name, keyringName) && name != recordsName {
			return fmt.Errorf("%s lies there: %w", name, fs.ErrExist)
		}
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func resolve(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// anchor keeps the keyring's mirror in the engine.
type anchor struct{ engine engine.Engine }

func (a anchor) LoadMirror(ctx context.Context) ([]byte, error) {
	var got catcher
	if err := a.engine.Get(ctx, codec.MetaMirror, &got); errors.Is(err, engine.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, translated(err)
	}
	return got.value, nil
}

func (a anchor) StoreMirror(ctx context.Context, mirror []byte) error {
	b := a.engine.NewBatch()
	defer b.Close()
	b.Set(codec.MetaMirror, mirror)
	return translated(a.engine.Apply(ctx, b, true))
}

// A catcher copies one value.
type catcher struct{ value []byte }

func (c *catcher) Value(value []byte) error {
	c.value = append(c.value[:0], value...)
	return nil
}
