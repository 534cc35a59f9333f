package pebble

import (
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
)

// flushCategory is what Pebble calls the writes of a flush.
const flushCategory vfs.DiskWriteCategory = "pebble-memtable-flush"

// Create implements vfs.FS.
func (f *fence) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	switch {
	case f.isMarker(name):
		f.syncDir()
	case f.inside(name) && isTable(name):
		f.beforeTable()
		if b := f.breach.Load(); b != nil && category == flushCategory {
			return b.ghost.Create(name, category)
		}
	}
	return f.file("creating", name, func() (vfs.File, error) { return f.FS.Create(name, category) })
}

// Open implements vfs.FS. A log that is being written is read as far as it has been written by
// now. Checkpoint copies logs while writers go on: behind that, in a recycled file, old blocks
// and new ones would alternate as chance has it, and the copy would count as damaged.
func (f *fence) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if b := f.breach.Load(); b != nil {
		if file, err := b.ghost.Open(name, opts...); err == nil {
			return file, nil
		}
	}
	file, err := f.FS.Open(name, opts...)
	if written, ok := f.logs.Load(name); ok && err == nil {
		return &prefix{File: file, left: written.(*fencedFile).written.Load()}, nil
	}
	return file, err
}

// OpenReadWrite implements vfs.FS.
func (f *fence) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.file("opening", name, func() (vfs.File, error) { return f.FS.OpenReadWrite(name, category, opts...) })
}

// ReuseForWrite implements vfs.FS.
func (f *fence) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f.logs.Delete(oldname)
	return f.file("reusing", newname, func() (vfs.File, error) { return f.FS.ReuseForWrite(oldname, newname, category) })
}

// file opens a file for writing. If that breaks the fence, or it is broken, the file is one that
// exists nowhere.
func (f *fence) file(doing, name string, open func() (vfs.File, error)) (vfs.File, error) {
	if f.readOnly {
		return nil, engine.ErrReadOnly
	}
	if !f.guards(name) {
		return open()
	}
	if !f.broken() {
		opened, err := open()
		if err == nil {
			file := &fencedFile{File: opened, fence: f}
			if isLog(name) {
				f.logs.Store(name, file)
			}
			return file, nil
		}
		f.sever(doing, err)
	}
	nowhere, err := f.breach.Load().ghost.Create(name, vfs.WriteCategoryUnspecified)
	return &fencedFile{File: nowhere, fence: f}, err
}

// OpenDir implements vfs.FS.
func (f *fence) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if err != nil || name != f.dir {
		return file, err
	}
	return &fencedFile{File: file, fence: f}, nil
}

// syncDir makes what was done to the directory durable. Pebble does so once it has moved a
// marker; the fence does so before each half of the move too, since a file system may keep
// entries in any order: a marker without its MANIFEST, or an old one removed with no new one.
func (f *fence) syncDir() {
	if f.readOnly || f.broken() {
		return
	}
	dir, err := f.OpenDir(f.dir)
	if err != nil {
		f.sever("opening the directory", err)
		return
	}
	_ = dir.Sync() // a fencedFile, which does not fail
	_ = dir.Close()
}

// Rename implements vfs.FS.
func (f *fence) Rename(oldname, newname string) error {
	switch {
	case f.readOnly:
		return engine.ErrReadOnly
	case !f.guards(newname):
		return f.FS.Rename(oldname, newname)
	case f.broken():
		return nil
	}
	if err := f.FS.Rename(oldname, newname); err != nil {
		f.sever("renaming", err)
	}
	return nil
}

// Remove implements vfs.FS. To fail at it is harmless.
func (f *fence) Remove(name string) error {
	if f.readOnly {
		return engine.ErrReadOnly
	}
	if f.isMarker(name) {
		f.syncDir()
	}
	if f.inside(name) && f.broken() {
		return nil
	}
	f.logs.Delete(name)
	return f.FS.Remove(name)
}

// RemoveAll implements vfs.FS.
func (f *fence) RemoveAll(name string) error {
	if f.readOnly {
		return engine.ErrReadOnly
	}
	return f.FS.RemoveAll(name)
}

// Link implements vfs.FS.
func (f *fence) Link(oldname, newname string) error {
	if f.readOnly {
		return engine.ErrReadOnly
	}
	return f.FS.Link(oldname, newname)
}

// MkdirAll implements vfs.FS.
func (f *fence) MkdirAll(dir string, perm os.FileMode) error {
	if f.readOnly {
		return engine.ErrReadOnly
	}
	return f.FS.MkdirAll(dir, perm)
}

// Lock implements vfs.FS. A reader takes no lock: it would create the file, and to close it
// would drop the lock of a writer in this process.
func (f *fence) Lock(name string) (io.Closer, error) {
	if f.readOnly {
		return io.NopCloser(nil), nil
	}
	return f.FS.Lock(name)
}

// Unwrap implements vfs.FS.
func (f *fence) Unwrap() vfs.FS { return f.FS }
