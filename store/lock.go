package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// lockName is the file that a process holds while it has the store open. It is taken before
// everything else and never replaced: a second file of that name would be a second lock.
const lockName = "lock"

// acquireLock takes the store's lock or returns a *HeldError. A writer is alone and leaves its
// process's id in the file; readers share the lock and leave the file as it is.
func acquireLock(dir string, write bool) (*flock.Flock, error) {
	path := filepath.Join(dir, lockName)
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR | os.O_CREATE
	}
	lock := flock.New(path, flock.SetFlag(flag), flock.SetPermissions(0o600))
	try := lock.TryRLock
	if write {
		try = lock.TryLock
	}
	held, err := try()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s", ErrNoStore, dir)
	case err != nil:
		return nil, fmt.Errorf("store: locking %s: %w", dir, err)
	case !held:
		return nil, &HeldError{Dir: dir, PID: holder(path)}
	}
	if write {
		if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
			lock.Unlock()
			return nil, fmt.Errorf("store: locking %s: %w", dir, err)
		}
	}
	return lock, nil
}

// unlock lets go of the store's lock. A writer takes its process's id out first: who meets a
// reader's lock must not be told of a process that is gone.
func (s *Store) unlock() error {
	var err error
	if !s.opts.ReadOnly {
		err = os.Truncate(s.lock.Path(), 0)
	}
	return errors.Join(err, s.lock.Unlock())
}

func holder(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}
