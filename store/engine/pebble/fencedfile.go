package pebble

import (
	"io"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A fencedFile is a file, or the directory, that the fence guards. Its errors break the fence
// and are not returned; once the fence is broken it does nothing and reports success.
type fencedFile struct {
	vfs.File
	fence   *fence
	written atomic.Int64 // bytes, from the beginning
}

// Write implements vfs.File.
func (f *fencedFile) Write(p []byte) (int, error) {
	f.attempt("writing", func() error {
		n, err := f.File.Write(p)
		f.written.Add(int64(n))
		return err
	})
	return len(p), nil
}

// WriteAt implements vfs.File.
func (f *fencedFile) WriteAt(p []byte, offset int64) (int, error) {
	f.attempt("writing", func() error { _, err := f.File.WriteAt(p, offset); return err })
	return len(p), nil
}

// Sync implements vfs.File.
func (f *fencedFile) Sync() error {
	f.attempt("syncing", f.File.Sync)
	return nil
}

// SyncData implements vfs.File. It is how the log is synced.
func (f *fencedFile) SyncData() error {
	f.attempt("syncing", f.File.SyncData)
	return nil
}

// SyncTo implements vfs.File. It promises nothing unless fullSync.
func (f *fencedFile) SyncTo(length int64) (fullSync bool, err error) {
	f.attempt("syncing", func() error { fullSync, err = f.File.SyncTo(length); return err })
	return fullSync, nil
}

// Preallocate implements vfs.File. It is only a favour asked of the file system.
func (f *fencedFile) Preallocate(offset, length int64) error {
	if f.fence.broken() {
		return nil
	}
	return f.File.Preallocate(offset, length)
}

// Close implements vfs.File. It closes the file in any case.
func (f *fencedFile) Close() error {
	if err := f.File.Close(); err != nil {
		f.fence.sever("closing", err)
	}
	return nil
}

// attempt runs op unless the fence is broken, and breaks it if op fails.
func (f *fencedFile) attempt(what string, op func() error) {
	if f.fence.broken() {
		return
	}
	if err := op(); err != nil {
		f.fence.sever(what, err)
	}
}

// A prefix is the beginning of a file, for a reader that starts at it.
type prefix struct {
	vfs.File
	left int64 // bytes that may still be read
}

// Read implements vfs.File.
func (p *prefix) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n, err := p.File.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	return n, err
}
