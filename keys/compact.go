package keys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// compactSuffix names the copy that a compaction makes beside the keyring. One that a crash left
// is removed by the next.
const compactSuffix = ".compact"

// compactBatch is how many bytes of rows a transaction of a copy writes, all of which it holds in memory.
const compactBatch = 1 << 20

// compact replaces the file by a copy that holds only what is alive: bbolt leaves deleted bytes
// in free pages. The new file is durable under the old name before compact returns. The store's
// own lock keeps other processes out while there are two files.
func (f *file) compact() error {
	f.swap.Lock()
	defer f.swap.Unlock()
	if f.poisoned.Load() {
		return ErrPoisoned
	}
	path := f.db.Path()
	if err := f.copyAlive(path + compactSuffix); err != nil {
		return fmt.Errorf("keys: compacting the keyring: %w", err)
	}
	if err := os.Rename(path+compactSuffix, path); err != nil {
		return fmt.Errorf("keys: compacting the keyring: %w", err)
	}
	// From here on the open database is a file without a name: whatever fails, it must not be
	// written any more.
	next, err := f.reopened(path)
	if err != nil {
		f.poisoned.Store(true)
		return fmt.Errorf("%w: %w", ErrPoisoned, err)
	}
	old := f.db
	f.db = next
	return old.Close()
}

// copyAlive writes a durable copy to path.
func (f *file) copyAlive(path string) (err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	next, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true}) // once, at the end
	if err != nil {
		return err
	}
	return errors.Join(bolt.Compact(next, f.db, compactBatch), next.Sync(), next.Close())
}

func (f *file) reopened(path string) (*bolt.DB, error) {
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	next, err := openDB(path, false)
	if err != nil {
		return nil, err
	}
	return next.db, nil
}
