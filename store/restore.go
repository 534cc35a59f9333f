package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store/engine"
)

// ErrNotBackup says that a directory holds a store and no backup of one.
var ErrNotBackup = errors.New("store: not a backup; a store that nobody has open is copied with all its files")

// A Restored says what Restore made.
type Restored struct {
	Backup BackupInfo `json:"backup"`
	// Newer reports whether a newer keyring than the backup's was given.
	Newer bool `json:"newer_keyring"`
	// Records came back. What is under keys that were destroyed since the backup is not among them.
	Records uint64 `json:"records"`
	// Destroyed counts, by namespace and keys, the records that stay gone for that reason.
	Destroyed []Usage `json:"destroyed"`
}

// Restore makes a store in dir, which does not exist yet or is empty, of the backup in from. The
// backup is only read.
//
// newest is the newest keyring there is of the store: its directory, that of a later backup, or the
// keyring's file; nothing may have it open for writing. What it says of keys holds: what was rotated,
// revoked, retired or shredded since the backup stays so. Empty means the backup's own keyring: what
// was shredded since then comes back, so leave it empty only when nothing newer is left.
//
// Restore first checks that the keyring has every key number that the records name. It builds the
// store beside dir and renames it at the end; cut short it leaves dir.restoring, which the next one
// removes. opts are those of Open; the platform's root must answer, tenants' roots need not.
func Restore(ctx context.Context, from, dir, newest string, opts *Options) (*Restored, error) {
	r := &restoring{from: from, dir: filepath.Clean(dir), newest: newest, opts: opts.withDefaults(), out: &Restored{}}
	err := r.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("store: restoring: %w", translated(err))
	}
	return r.out, nil
}

// A restoring is one Restore at work.
type restoring struct {
	from, dir, newest string
	opts              Options
	out               *Restored

	backup *Store        // open for inspection
	keys   *keys.Keyring // newest, or the backup's own
	id     codec.BackupID
	tmp    string // where the store is built
}

func (r *restoring) run(ctx context.Context) (err error) {
	if r.opts.ReadOnly || r.opts.Engine != nil || r.opts.Roots == nil {
		return errors.New("it needs Options.Roots, and takes neither ReadOnly, Inspect nor Engine")
	}
	if err := r.checkTarget(); err != nil {
		return err
	}
	if r.backup, err = Open(ctx, r.from, &Options{Inspect: true, Now: r.opts.Now, CacheBytes: r.opts.CacheBytes}); err != nil {
		return err
	}
	defer r.backup.Close()
	if err := r.findKeyring(); err != nil {
		return err
	}
	if r.keys != r.backup.keys {
		defer r.keys.Close()
	}
	if err := r.checkNumbers(ctx); err != nil {
		return err
	}
	if err := r.copy(); err != nil {
		return err
	}
	if err := r.resume(ctx); err != nil {
		return err
	}
	if err := os.Rename(r.tmp, r.dir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(r.dir))
}

// checkTarget refuses a directory with something in it, and removes an empty one.
func (r *restoring) checkTarget() error {
	r.tmp = r.dir + ".restoring"
	if info, err := os.Lstat(r.dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is no directory: %w", r.dir, fs.ErrExist) // Remove would take a file too
	}
	err := os.Remove(r.dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(filepath.Dir(r.dir), 0o700)
	}
	return fmt.Errorf("%s is there and is no empty directory: %w", r.dir, fs.ErrExist)
}

// findKeyring opens the newest keyring, which must be the backup's at the same or a later moment.
func (r *restoring) findKeyring() (err error) {
	own := r.backup.keys
	var is bool
	if r.id, is, err = own.BackupID(); err != nil {
		return err
	} else if !is {
		return fmt.Errorf("%w: %s", ErrNotBackup, r.from)
	}
	if r.out.Backup, err = r.backup.backup(r.id); err != nil {
		return err
	}
	if r.keys = own; r.newest == "" {
		return nil
	}
	path := r.newest
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, keyringName)
	}
	newest, err := keys.Open(path, nil, nil)
	if err != nil {
		return err
	}
	if err := newest.Continues(own); err != nil {
		newest.Close()
		return fmt.Errorf("the keyring in %s does not continue the backup's: %w", r.newest, err)
	}
	r.keys, r.out.Newer = newest, newest.Counters().Revision > own.Counters().Revision
	return nil
}

// checkNumbers refuses records under keys that the keyring does not have, and notes those of which
// all keys are destroyed.
func (r *restoring) checkNumbers(ctx context.Context) error {
	rows, err := r.backup.Usage(ctx, "")
	if err != nil {
		return err
	}
	for _, row := range rows {
		known, err := r.keys.DataKeys(row.Tenant)
		if err != nil {
			return err
		}
		states := map[uint32]string{}
		for _, k := range known {
			if k.Namespace == row.Namespace {
				states[k.Number] = k.State
			}
		}
		dead := row.Keys[0] != 0 // what is no envelope is kept as it is
		for _, number := range row.Keys {
			if state, found := states[number]; !found && number != 0 {
				return fmt.Errorf("%w: %d records of %s in %s are under data key %d, which the keyring does not have; give a newer one",
					ErrKeyMismatch, row.Records, row.Tenant, row.Namespace, number)
			} else if state != codec.StateRetired.String() {
				dead = false
			}
		}
		if dead {
			row.State = codec.StateRetired.String()
			r.out.Destroyed = append(r.out.Destroyed, row)
		} else {
			r.out.Records += row.Records
		}
	}
	return nil
}

// copy lays out the store beside its place, whole but for its resuming.
func (r *restoring) copy() error {
	if err := os.RemoveAll(r.tmp); err != nil {
		return err
	}
	if err := os.Mkdir(r.tmp, 0o700); err != nil {
		return err
	}
	if err := r.keys.CopyTo(filepath.Join(r.tmp, keyringName), nil); err != nil {
		return err
	}
	if err := copyTree(filepath.Join(r.tmp, recordsName), r.backup.path(recordsName)); err != nil {
		return err
	}
	return writeLock(r.tmp)
}

// copyTree copies a directory of plain files, durably. Nothing is shared with what it was copied
// from.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if !d.IsDir() {
			return copyFile(target, path)
		}
		if err := os.Mkdir(target, 0o700); err != nil {
			return err
		}
		return syncDir(filepath.Dir(target))
	})
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// resume opens the store for the first time, has the audit log tell of it, and deletes what is
// under destroyed keys. What a policy has moved since the backup needs nothing: the policy record
// lists every namespace that ever left a domain whose keys are still there.
func (r *restoring) resume(ctx context.Context) (err error) {
	opts := r.opts
	opts.Rewrap, opts.CollectEvery = RewrapOff, -1
	s, err := Open(ctx, r.tmp, &opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	detail := "of " + r.out.Backup.Began.Format(time.RFC3339)
	if !r.out.Newer {
		detail += ", without a newer keyring"
	}
	if err := s.keys.Resume(ctx, r.id, detail); err != nil {
		return err
	}
	r.out.Backup.Complete, r.out.Backup.Highest = true, r.backup.keys.Counters().Highest
	if len(r.out.Destroyed) > 0 {
		if err := s.deleteDestroyed(ctx); err != nil {
			return err
		}
		if err := s.collectWhatReads(ctx); err != nil {
			return err
		}
	}
	return s.Sync(ctx)
}

// deleteDestroyed deletes the records, and dictionaries, of which every key is destroyed.
func (s *Store) deleteDestroyed(ctx context.Context) error {
	v := verifier{s: s, report: &Verification{}}
	b := s.newBatch()
	defer b.Close()
	var err error
	for _, kind := range sealedKinds {
		err = errors.Join(err, s.deleteDestroyedOf(ctx, kind, &v, b))
	}
	if err != nil || b.Len() == 0 {
		return err
	}
	return s.applyBatch(ctx, b, false)
}

// deleteDestroyedOf does so with one kind, but for what it leaves in the batch.
func (s *Store) deleteDestroyedOf(ctx context.Context, kind codec.Kind, v *verifier, b engine.Batch) error {
	limits := s.engine.Limits()
	return v.pages(ctx, kind, true, func(k codec.Key, key, raw []byte) ([]byte, error) {
		if err := v.enter(ctx, string(k.Tenant), string(k.Namespace)); err != nil {
			return nil, err
		}
		if _, err := v.head(raw); !errors.Is(err, ErrKeyDestroyed) {
			return nil, nil
		}
		if b.Len() == limits.MaxBatchOps || b.Size()+len(key) > limits.MaxBatchBytes {
			if err := s.applyBatch(ctx, b, false); err != nil {
				return nil, err
			}
			b.Reset()
		}
		b.Delete(key)
		return nil, nil
	})
}
