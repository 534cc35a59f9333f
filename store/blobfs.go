package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sealkv/sealkv/codec"
)

// A NamespaceFS is a namespace as a file system for reading: a key such as a7/photo.jpg is a
// file photo.jpg in the folder a7. Only keys that are valid paths (fs.ValidPath) are there; a key
// that is also a folder, a beside a/b, is not. Listing needs no key of the tenant's, opening a
// file does. An open file is a *Reader too: it seeks, and reads what it was opened on.
//
// It is safe for concurrent use and shows the newest state at each call.
type NamespaceFS struct {
	n   *Namespace
	ctx context.Context // of FS: package fs passes none
}

var (
	_ fs.ReadDirFS = NamespaceFS{}
	_ fs.StatFS    = NamespaceFS{}
)

// FS returns the namespace as a file system. ctx holds for every use of it.
func (n *Namespace) FS(ctx context.Context) NamespaceFS { return NamespaceFS{n, ctx} }

// Open implements fs.FS.
func (f NamespaceFS) Open(name string) (fs.File, error) {
	info, err := f.info("open", name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return &openFolder{f: f, name: name, info: info}, nil
	}
	r, err := f.n.Open(f.ctx, []byte(name))
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &openFile{Reader: r, name: info.name}, nil
}

// Stat implements fs.StatFS. It reads the head of the record alone, which is not authenticated.
func (f NamespaceFS) Stat(name string) (fs.FileInfo, error) {
	info, err := f.info("stat", name)
	if err != nil {
		return nil, err
	}
	return info, nil
}

func pathError(op, name string, err error) error {
	if errors.Is(err, ErrNotFound) {
		err = fs.ErrNotExist
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// info finds out what a name stands for.
func (f NamespaceFS) info(op, name string) (fileInfo, error) {
	if !fs.ValidPath(name) {
		return fileInfo{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if len(name) > MaxKeyLen {
		return fileInfo{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	folder, err := f.isFolder(name)
	switch {
	case err != nil:
		return fileInfo{}, pathError(op, name, err)
	case folder:
		return fileInfo{name: path.Base(name), folder: true}, nil
	}
	info, err := f.file(name)
	if err != nil {
		return fileInfo{}, pathError(op, name, err)
	}
	return info, nil
}

// file is what the head of a record says.
func (f NamespaceFS) file(name string) (fileInfo, error) {
	raw, err := f.n.raw(f.ctx, []byte(name))
	if err != nil {
		return fileInfo{}, err
	}
	var e codec.Envelope
	if err := e.Parse(raw); err != nil {
		return fileInfo{}, f.n.recordError(0, err)
	}
	if f.n.expired(e.Written) {
		return fileInfo{}, ErrNotFound
	}
	return fileInfo{name: path.Base(name), size: int64(plainBytes(&e)), modified: modTime(e.Chunked, e.Blob, e.Written)}, nil
}

// isFolder reports whether a file lies beneath a name. The root is there always.
func (f NamespaceFS) isFolder(name string) (bool, error) {
	if name == "." {
		return true, nil
	}
	for _, err := range f.paths(name+"/", "") {
		return err == nil, err
	}
	return false, nil
}

// paths yields the keys with a prefix that are valid paths, from start on.
func (f NamespaceFS) paths(prefix, start string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		opts := &ScanOptions{KeysOnly: true, Prefix: []byte(prefix), Start: []byte(start)}
		for e, err := range f.n.Scan(f.ctx, opts) {
			if err == nil && (!fs.ValidPath(string(e.Key)) || bytes.Equal(e.Key, []byte("."))) {
				continue
			}
			if !yield(string(e.Key), err) {
				return
			}
		}
	}
}

// ReadDir implements fs.ReadDirFS: it lists a folder by name, passing over what lies deeper.
func (f NamespaceFS) ReadDir(name string) ([]fs.DirEntry, error) {
	info, err := f.info("readdir", name)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a folder")}
	}
	if err != nil {
		return nil, err
	}
	entries, err := f.list(name)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	return entries, nil
}

func (f NamespaceFS) list(folder string) (entries []fs.DirEntry, err error) {
	prefix := folder + "/"
	if folder == "." {
		prefix = ""
	}
	folders := map[string]bool{} // whether a name is one
	for start, more := prefix, true; more; {
		if start, more, err = f.listFrom(prefix, start, folders); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		entries = append(entries, dirEntry{f, prefix + name, folders[name]})
	}
	return entries, nil
}

// listFrom notes the names in a folder up to one that is a folder itself; next is what comes
// after all that lies in that one.
func (f NamespaceFS) listFrom(prefix, start string, folders map[string]bool) (next string, more bool, err error) {
	for key, err := range f.paths(prefix, start) {
		if err != nil {
			return "", false, err
		}
		name, _, deeper := strings.Cut(key[len(prefix):], "/")
		folders[name] = deeper || folders[name]
		if deeper {
			return prefix + name + string('/'+1), true, nil
		}
	}
	return "", false, nil
}

// A fileInfo is what there is to know of a file or a folder.
type fileInfo struct {
	name     string
	folder   bool
	size     int64
	modified time.Time
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) ModTime() time.Time { return i.modified }
func (i fileInfo) IsDir() bool        { return i.folder }
func (i fileInfo) Sys() any           { return nil }

func (i fileInfo) Mode() fs.FileMode {
	if i.folder {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

// A dirEntry looks at the record only when it is asked for more than its name.
type dirEntry struct {
	f      NamespaceFS
	path   string
	folder bool
}

func (d dirEntry) Name() string   { return path.Base(d.path) }
func (d dirEntry) IsDir() bool    { return d.folder }
func (d dirEntry) String() string { return fs.FormatDirEntry(d) }

func (d dirEntry) Type() fs.FileMode {
	if d.folder {
		return fs.ModeDir
	}
	return 0
}

func (d dirEntry) Info() (fs.FileInfo, error) { return d.f.Stat(d.path) }

// An openFile is a file of a NamespaceFS.
type openFile struct {
	*Reader
	name string
}

func (f *openFile) Stat() (fs.FileInfo, error) {
	return fileInfo{name: f.name, size: f.Size(), modified: f.ModTime()}, nil
}

// An openFolder lists a folder in parts.
type openFolder struct {
	f       NamespaceFS
	name    string // its path
	info    fileInfo
	entries []fs.DirEntry
	listed  bool
}

func (d *openFolder) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openFolder) Close() error               { return nil }

func (d *openFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errors.New("is a folder")}
}

// ReadDir implements fs.ReadDirFile.
func (d *openFolder) ReadDir(count int) (part []fs.DirEntry, err error) {
	if !d.listed {
		if d.entries, err = d.f.ReadDir(d.name); err != nil {
			return nil, err
		}
		d.listed = true
	}
	if count > 0 && len(d.entries) == 0 {
		return nil, io.EOF
	}
	if count <= 0 || count > len(d.entries) {
		count = len(d.entries)
	}
	part, d.entries = d.entries[:count], d.entries[count:]
	return part, nil
}
