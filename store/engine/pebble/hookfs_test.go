package pebble_test

import (
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A hookFS calls hook before each operation that changes something on disk and fails with its
// error. Pebble's own errorfs lets recycled logs and Close through.
type hookFS struct {
	vfs.FS
	hook func(op, name string) error
}

func (h hookFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return h.file("create", name, func() (vfs.File, error) { return h.FS.Create(name, c) })
}

func (h hookFS) ReuseForWrite(oldname, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return h.file("reuse", name, func() (vfs.File, error) { return h.FS.ReuseForWrite(oldname, name, c) })
}

func (h hookFS) OpenDir(name string) (vfs.File, error) {
	return h.file("", name, func() (vfs.File, error) { return h.FS.OpenDir(name) })
}

func (h hookFS) file(op, name string, open func() (vfs.File, error)) (vfs.File, error) {
	if op != "" {
		if err := h.hook(op, name); err != nil {
			return nil, err
		}
	}
	file, err := open()
	if err != nil {
		return nil, err
	}
	return &hookFile{file, h, name}, nil
}

func (h hookFS) do(op, name string, run func() error) error {
	if err := h.hook(op, name); err != nil {
		return err
	}
	return run()
}

func (h hookFS) Rename(oldname, name string) error {
	return h.do("rename", name, func() error { return h.FS.Rename(oldname, name) })
}

func (h hookFS) Remove(name string) error {
	return h.do("remove", name, func() error { return h.FS.Remove(name) })
}

func (h hookFS) Link(oldname, name string) error {
	return h.do("link", name, func() error { return h.FS.Link(oldname, name) })
}

func (h hookFS) Unwrap() vfs.FS { return h.FS }

type hookFile struct {
	vfs.File
	fs   hookFS
	name string
}

func (f *hookFile) Write(p []byte) (n int, err error) {
	err = f.fs.do("write", f.name, func() error { n, err = f.File.Write(p); return err })
	return n, err
}

func (f *hookFile) Sync() error     { return f.fs.do("sync", f.name, f.File.Sync) }
func (f *hookFile) SyncData() error { return f.fs.do("sync", f.name, f.File.SyncData) }

// Close closes the file even if it fails, as the system does.
func (f *hookFile) Close() error {
	err := f.File.Close()
	if failed := f.fs.hook("close", f.name); failed != nil {
		return failed
	}
	return err
}
