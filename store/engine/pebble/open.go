package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
)

// Create makes an engine in dir and opens it. The parent of dir must exist. An engine that is
// there already is opened as it is, so that a creation that a crash cut short is finished by
// calling Create again. It is durable, its directory entry included, when Create returns.
//
// The first log of a new database is written in an old format in which one flipped bit loses
// acknowledged writes without a word; from the second opening on the format is the new one.
// Therefore Create opens, closes and opens.
func Create(dir string, opts *Options) (*Engine, error) {
	o := opts.withDefaults()
	if o.ReadOnly {
		return nil, engine.ErrReadOnly
	}
	path, err := resolve(dir, o.FS)
	if err != nil {
		return nil, fmt.Errorf("engine: creating: %w", err)
	}
	if err := o.FS.MkdirAll(path, 0o700); err != nil {
		return nil, translate("creating", err)
	}
	first, err := open(path, o)
	if err != nil {
		return nil, err
	}
	if err := first.Close(); err != nil {
		return nil, err
	}
	return open(path, o)
}

// Open opens the engine in dir. If there is none the error is fs.ErrNotExist and nothing is
// made. Of one engine one opening that writes may live at a time, and another such is refused with
// ErrUnavailable; or several that are ReadOnly: nobody else is noticed by those, so keeping a writer
// out is for the caller.
func Open(dir string, opts *Options) (*Engine, error) {
	o := opts.withDefaults()
	path, err := resolve(dir, o.FS)
	if err != nil {
		return nil, fmt.Errorf("engine: opening: %w", err)
	}
	switch found, err := pebble.Peek(path, o.FS); {
	case errors.Is(err, fs.ErrNotExist), err == nil && !found.Exists:
		return nil, fmt.Errorf("engine: opening: no engine there: %w", fs.ErrNotExist)
	case err != nil:
		return nil, translate("opening", err)
	}
	return open(path, o)
}

// open opens, or creates, the database at path, which is resolved.
func open(path string, o Options) (*Engine, error) {
	e := newEngine(path, o)
	lock, err := pebble.LockDirectory(path, e.fence)
	if err != nil {
		return nil, translate("locking", err)
	}
	e.lock = lock // from here on nobody else writes what is read
	if err = verify(o.FS, path); err == nil {
		e.health.opening.Store(true)
		e.db, err = pebble.Open(path, e.pebbleOptions(&o))
		e.health.opening.Store(false)
	}
	if err != nil {
		_ = e.release()
		return nil, translate("opening", err)
	}
	// Pebble was told that all is well even if it was not; see fence.
	if cause := e.fence.cause(); cause != nil {
		_ = e.Close()
		return nil, cause
	}
	return e, nil
}

// resolve returns the one name of dir: Pebble's lock goes by name, and by two names it would
// open one directory twice. dir itself need not exist.
func resolve(dir string, files vfs.FS) (string, error) {
	if files != vfs.Default {
		return filepath.Clean(dir), nil
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, filepath.Base(path)), nil
}
