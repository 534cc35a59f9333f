package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sealkv/sealkv/keys/root"
)

// createFile writes raw to a new file at path, durable on return.
func createFile(path string, raw []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(path)
		}
	}()
	if err := writeSynced(f, raw); err != nil {
		return err
	}
	return syncDir(path)
}

// A rewrite replaces the file at path as a whole. What it writes lies beside it, in a file with
// the ending .lock whose existence keeps a second rewrite from beginning (or the keys that one
// of them adds would be lost).
type rewrite struct {
	path string
	next *os.File
	done bool
}

// beginRewrite waits for nothing: root.ErrUnavailable says that another rewrite is under way.
func beginRewrite(path string) (*rewrite, error) {
	next, err := os.OpenFile(path+".lock", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("another change is under way, or was cut short and left %s.lock: "+
			"if that is a whole key file rename it to finish the change, else remove it: %w", path, root.ErrUnavailable)
	}
	if err != nil {
		return nil, err
	}
	return &rewrite{path: path, next: next}, nil
}

// commit makes raw the content of the file, durable on return. Owner and mode stay.
func (r *rewrite) commit(raw []byte) error {
	if len(raw) > maxLen {
		return fmt.Errorf("it would be longer than %d bytes; remove comments or old keys: %w", maxLen, root.ErrInvalid)
	}
	info, err := os.Stat(r.path)
	if err != nil {
		return err
	}
	if err := copyOwner(r.next, info); err != nil {
		return err
	}
	if err := r.next.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if err := writeSynced(r.next, raw); err != nil {
		return err
	}
	// A running service may wrap under a new key as soon as the file is renamed. The first sync
	// of the directory makes sure that no crash can take that key: at worst it is in .lock.
	if err := syncDir(r.path); err != nil {
		return err
	}
	if err := os.Rename(r.next.Name(), r.path); err != nil {
		return err
	}
	r.done = true
	if err := syncDir(r.path); err != nil {
		return fmt.Errorf("changed, but a crash may undo that: %w", err)
	}
	return nil
}

// end gives up a rewrite that was not committed.
func (r *rewrite) end() {
	if r.done {
		return
	}
	r.next.Close()
	os.Remove(r.next.Name())
}

// writeSynced writes raw, syncs and closes f.
func writeSynced(f *os.File, raw []byte) error {
	_, err := f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes the name of the file at path durable.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
