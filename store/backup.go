package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store/engine"
)

// Errors of backups.
var (
	ErrTooManyBackups = keys.ErrTooManyBackups
	ErrNoBackup       = keys.ErrNoBackup // no backup with that id is registered
	ErrIsBackup       = keys.ErrIsBackup // a backup is only read, and restored into a directory of its own
)

// A BackupInfo is a registered backup. While it is registered, no data key that it may need is
// retired without force, for what the keyring has destroyed no restored store opens.
type BackupInfo struct {
	ID       string    `json:"id"`
	Began    time.Time `json:"began"`
	Complete bool      `json:"complete"` // false while it is being made, and of one that was cut short
	Place    string    `json:"place"`    // where it was written to
	Highest  uint32    `json:"highest"`  // the highest number of a data key that it can hold
}

func newBackupInfo(b codec.Backup) BackupInfo {
	return BackupInfo{
		ID: hex.EncodeToString(b.ID[:]), Began: time.Unix(int64(b.Began), 0).UTC(),
		Complete: b.State == codec.BackupComplete, Place: b.Place, Highest: b.Highest,
	}
}

// Backup copies the store, as it is at one moment, into dir, which does not exist yet or is
// empty. Readers and writers go on. The copy is a store that opens for reading and for inspection
// alone; Restore makes one of it that can be written. On the file system of the store it shares
// the files that never change, so it is quick and no second copy until it is copied elsewhere.
//
// It is registered in the keyring from before the first byte until ForgetBackup. An error removes
// what it wrote; one that a crash cut short stays registered.
func (s *Store) Backup(ctx context.Context, dir string) (BackupInfo, error) {
	if s.opts.ReadOnly {
		return BackupInfo{}, ErrReadOnly
	}
	from, ok := s.engine.(engine.Checkpointer)
	if !ok {
		return BackupInfo{}, errors.New("store: this engine cannot be backed up")
	}
	if err := s.backups.Acquire(ctx, 1); err != nil {
		return BackupInfo{}, err
	}
	defer s.backups.Release(1)
	dir, err := s.emptyDir(dir)
	if err != nil {
		return BackupInfo{}, fmt.Errorf("store: backing up: %w", err)
	}
	b := codec.Backup{Place: strings.ToValidUTF8(dir, "?")}
	rand.Read(b.ID[:])
	if err = s.keys.BeginBackup(ctx, b); err == nil {
		err = s.copyInto(ctx, from, dir, b.ID)
	}
	if err != nil {
		err = errors.Join(err, clearCopy(dir), s.unregister(context.WithoutCancel(ctx), b.ID))
		return BackupInfo{}, fmt.Errorf("store: backing up: %w", translated(err))
	}
	return s.backup(b.ID)
}

// unregister forgets a backup that failed, if it was registered: also an error of BeginBackup may come
// after that, from the mirror.
func (s *Store) unregister(ctx context.Context, id codec.BackupID) error {
	list, err := s.keys.Backups()
	if err != nil || !slices.ContainsFunc(list, func(b codec.Backup) bool { return b.ID == id }) {
		return err
	}
	return s.keys.ForgetBackup(ctx, id)
}

// copyInto copies the engine first and the keyring second, so that the copy knows every key that
// its records name.
func (s *Store) copyInto(ctx context.Context, from engine.Checkpointer, dir string, id codec.BackupID) error {
	if err := from.Checkpoint(ctx, filepath.Join(dir, recordsName)); err != nil {
		return err
	}
	if err := s.keys.CopyTo(filepath.Join(dir, keyringName), &id); err != nil {
		return err
	}
	if err := writeLock(dir); err != nil {
		return err
	}
	return s.keys.CompleteBackup(ctx, id)
}

// writeLock makes the file that readers lock, and everything in dir durable by name.
func writeLock(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, lockName), nil, 0o600); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

func clearCopy(dir string) error {
	var errs []error
	for _, name := range []string{lockName, keyringName, recordsName} {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, name)))
	}
	return errors.Join(errs...)
}

// emptyDir makes a directory, or takes an empty one, that does not lie in the store.
func (s *Store) emptyDir(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	dir, err := resolve(dir)
	if err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(s.dir, dir); err == nil && filepath.IsLocal(rel) {
		return "", fmt.Errorf("%s lies in the store; choose a place outside", dir)
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty: %w", dir, fs.ErrExist)
	}
	return dir, err
}

// Backups lists the registered backups, in the order in which they began.
func (s *Store) Backups() ([]BackupInfo, error) {
	list, err := s.keys.Backups()
	var out []BackupInfo
	for _, b := range list {
		out = append(out, newBackupInfo(b))
	}
	return out, translated(err)
}

func (s *Store) backup(id codec.BackupID) (BackupInfo, error) {
	list, err := s.keys.Backups()
	for _, b := range list {
		if b.ID == id {
			return newBackupInfo(b), nil
		}
	}
	return BackupInfo{}, errors.Join(ErrNoBackup, translated(err))
}

// ForgetBackup ends the registration of a backup, durably: keys that it alone needed can be
// retired from then on. The caller has deleted it, with all copies of it.
func (s *Store) ForgetBackup(ctx context.Context, id string) error {
	var b codec.BackupID
	raw, err := hex.DecodeString(id)
	if err != nil || copy(b[:], raw) != len(b) || len(raw) != len(b) {
		return fmt.Errorf("%w: an id has %d hex digits", ErrNoBackup, 2*len(b))
	}
	return translated(s.keys.ForgetBackup(ctx, b))
}

// Backups and what destroys keys keep each other off: a backup takes one of allBackups, and what
// destroys keys takes them all, so that it sees each backup registered, with its highest number.
const allBackups = math.MaxInt64

// neededByBackup returns the first registered backup that may have records under a data key. One that
// began after a sweep had found nothing under a key that drained does not.
func (s *Store) neededByBackup(key keys.KeyInfo, census *Census) (string, error) {
	list, err := s.keys.Backups()
	if err != nil {
		return "", err
	}
	for _, b := range list {
		switch backup := newBackupInfo(b); {
		case !backup.Complete:
			return fmt.Sprintf("backup %s is being made, or was cut short", backup.ID), nil
		case key.Number > b.Highest:
		case census.Done && census.Epoch >= key.Since && census.Updated.Before(backup.Began):
		default:
			return fmt.Sprintf("backup %s of %s may have records under it", backup.ID, backup.Began.Format(time.DateTime)), nil
		}
	}
	return "", nil
}
