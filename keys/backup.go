package keys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
)

// MaxBackups is how many backups may be registered at a time: they are one record, which every
// retirement reads.
const MaxBackups = 1000

var (
	// ErrTooManyBackups says that MaxBackups are registered.
	ErrTooManyBackups = fmt.Errorf("keys: %d backups are registered; delete old ones and forget them", MaxBackups)
	// ErrNoBackup says that no backup with such an id is registered.
	ErrNoBackup = errors.New("keys: no such backup is registered")
	// ErrIsBackup says that the keyring is a backup's, which is never written.
	ErrIsBackup = errors.New("keys: this is a backup, which is only read; restore it into a directory of its own")
)

// Backups are the registered backups, in the order in which they began. The list was verified if
// the keyring is unlocked.
func (k *Keyring) Backups() ([]codec.Backup, error) {
	_, list, err := k.signedBackups()
	return list.List, err
}

func (k *Keyring) signedBackups() (signed codec.Signed, list codec.Backups, err error) {
	err = k.file.view(func(tx *bolt.Tx) error {
		signed, list, err = readBackups(tx)
		return err
	})
	return signed, list, err
}

func readBackups(tx *bolt.Tx) (signed codec.Signed, list codec.Backups, err error) {
	raw := tx.Bucket(bucketMeta).Get(metaBackups)
	if raw == nil {
		return signed, list, nil
	}
	if err = codec.DecodeRecord(raw, &signed); err == nil {
		err = codec.DecodeRecord(signed.Body, &list)
	}
	if err != nil {
		err = damaged("list of backups", err)
	}
	return signed, list, err
}

func (k *Keyring) verifyBackups(platform *parent) error {
	signed, list, err := k.signedBackups()
	if err != nil || list.Revision == 0 {
		return err // without a list the mirror must know of none
	}
	if err := platform.verify(codec.LabelBackups, nil, &signed); err != nil {
		return fmt.Errorf("keys: the list of backups in the keyring: %w", err)
	}
	return nil
}

// BeginBackup registers a backup, durably: from then on no key that it may need is retired
// without force. It stays registered until ForgetBackup, whether it is completed or not.
func (k *Keyring) BeginBackup(ctx context.Context, b codec.Backup) error {
	return k.editBackups(ctx, ActBackupBegin, b.ID, "in "+b.Place, func(c *change, list *codec.Backups) error {
		if len(list.List) >= MaxBackups {
			return ErrTooManyBackups
		}
		b.State, b.Began = codec.BackupPending, c.now
		list.List = append(list.List, b)
		return nil
	})
}

// CompleteBackup records that a backup is whole, and has no record under a number above the
// keyring's present highest.
func (k *Keyring) CompleteBackup(ctx context.Context, id codec.BackupID) error {
	return k.editBackups(ctx, ActBackupEnd, id, "", func(c *change, list *codec.Backups) error {
		at := indexBackup(list, id)
		if at < 0 {
			return ErrNoBackup
		}
		list.List[at].State, list.List[at].Highest = codec.BackupComplete, c.counters.Highest
		return nil
	})
}

// ForgetBackup ends the registration of a backup, durably. The caller has deleted it.
func (k *Keyring) ForgetBackup(ctx context.Context, id codec.BackupID) error {
	return k.editBackups(ctx, ActBackupForget, id, "", func(_ *change, list *codec.Backups) error {
		at := indexBackup(list, id)
		if at < 0 {
			return ErrNoBackup
		}
		list.List = slices.Delete(list.List, at, at+1)
		return nil
	})
}

func indexBackup(list *codec.Backups, id codec.BackupID) int {
	return slices.IndexFunc(list.List, func(b codec.Backup) bool { return b.ID == id })
}

func (k *Keyring) editBackups(ctx context.Context, act string, id codec.BackupID, about string, edit func(*change, *codec.Backups) error) error {
	platform, err := k.platformKey(ctx)
	if err != nil {
		return err
	}
	defer platform.release()
	after, err := k.file.update(ctx, func(c *change) error {
		signed, list, err := readBackups(c.tx)
		if err != nil {
			return err
		}
		if list.Revision != 0 {
			if err := platform.verify(codec.LabelBackups, nil, &signed); err != nil {
				return err
			}
		}
		if err := edit(c, &list); err != nil {
			return err
		}
		detail := fmt.Sprintf("%x", id)
		if about != "" {
			detail += " " + about
		}
		list.Revision, c.counters.Backups = c.counters.Revision, c.counters.Revision
		if err := c.put(bucketMeta, metaBackups, platform.sign(codec.LabelBackups, nil, codec.EncodeRecord(list))); err != nil {
			return err
		}
		return c.audit(platform, codec.AuditEntry{Act: act, Detail: detail})
	})
	if err != nil {
		return err
	}
	return k.advance(ctx, after.Revision)
}

// CopyTo writes a durable copy of the keyring to path, where no file is, without the pages of
// what is no longer alive. With an id it is marked as the keyring of that backup (BackupID), which the
// caller opens for reading only.
func (k *Keyring) CopyTo(path string, id *codec.BackupID) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keys: copying the keyring: %w", err)
		}
	}()
	if _, err := os.Lstat(path); err == nil {
		return os.ErrExist
	}
	if err := k.file.copyTo(path, id); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func (f *file) copyTo(path string, id *codec.BackupID) error {
	f.swap.RLock()
	defer f.swap.RUnlock()
	if f.poisoned.Load() {
		return ErrPoisoned
	}
	part := path + createSuffix // a part of it would pass for a keyring
	err := f.copyAlive(part)
	if err == nil {
		err = markCopy(part, id)
	}
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		os.Remove(part)
	}
	return err
}

func markCopy(path string, id *codec.BackupID) error {
	next, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	err = next.Update(func(tx *bolt.Tx) error {
		if id == nil {
			return tx.Bucket(bucketMeta).Delete(metaCopy)
		}
		return tx.Bucket(bucketMeta).Put(metaCopy, id[:])
	})
	return errors.Join(err, next.Close())
}

// BackupID is the id of the backup that the keyring belongs to; false for that of a store.
func (k *Keyring) BackupID() (id codec.BackupID, is bool, err error) {
	err = k.file.view(func(tx *bolt.Tx) error {
		raw := tx.Bucket(bucketMeta).Get(metaCopy)
		if is = raw != nil; is && copy(id[:], raw) != len(id) {
			return damaged("id of the backup", codec.ErrMalformed)
		}
		return nil
	})
	return id, is, err
}

// Continues returns nil if the keyring is the one that older is a copy of, at the same or a later
// moment: it has the same identity, and the audit log of older is the beginning of its own.
func (k *Keyring) Continues(older *Keyring) error {
	if k.identity != older.identity {
		return fmt.Errorf("%w: it is another store's", ErrRollback)
	}
	return k.compareMirror(older.Counters())
}

// Resume is the first act on a keyring whose store comes out of a backup: the audit log says so,
// and the backup is complete, whatever the keyring, which was copied while it was made, says of it.
func (k *Keyring) Resume(ctx context.Context, id codec.BackupID, detail string) error {
	return k.editBackups(ctx, ActRestore, id, detail, func(c *change, list *codec.Backups) error {
		if at := indexBackup(list, id); at >= 0 && list.List[at].State == codec.BackupPending {
			list.List[at].State, list.List[at].Highest = codec.BackupComplete, c.counters.Highest
		}
		return nil
	})
}
