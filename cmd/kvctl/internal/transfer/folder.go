package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/sealkv/sealkv/store"
)

// ExportFolder is Export to a folder that Import reads: PRODUCT/TYPE.jsonl.zst with the values of
// each namespace, by tenant and key, and the contents of attachments as files of their own, where
// a row of metadata says their name, size and sha256. An attachment that no row describes is a
// file attachments/TENANT/KEY where its tenant exports no metadata and its key can be a path, else
// a line. dir does not exist yet or is empty; only its owner can read what is in it.
func ExportFolder(ctx context.Context, st *store.Store, dir string, opts *ExportOptions) (*Exported, error) {
	f := &folderExport{}
	if opts == nil {
		opts = &ExportOptions{}
	}
	ext, found := map[string]string{"": extZstd, "zst": extZstd, "gz": extGzip, "none": extPlain}[opts.Compress]
	if !found {
		return &Exported{}, fmt.Errorf("transfer: no such compression: %q; there are zst, gz and none", opts.Compress)
	}
	f.ext = ext
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &Exported{}, err
	}
	if names, err := os.ReadDir(dir); err != nil {
		return &Exported{}, err
	} else if len(names) > 0 {
		return &Exported{}, fmt.Errorf("%s: the folder is not empty: %w", dir, fs.ErrExist)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &Exported{}, err
	}
	defer root.Close()
	f.root = root
	out, err := export(ctx, st, opts, func(e *exporter) error {
		f.exporter = e
		err := f.write(ctx)
		return errors.Join(err, f.close())
	})
	out.Files = f.files
	return out, err
}

// A folderExport writes a folder.
type folderExport struct {
	*exporter
	root  *os.Root
	ext   string
	open  map[string]*outFile // by namespace; those of one product
	files int

	space     map[spaceID]*store.Namespace
	described map[string]bool // tenants that export metadata
}

type spaceID struct{ tenant, name string }

// write goes through the namespaces product by product, and those of attachments together with
// their metadata.
func (f *folderExport) write(ctx context.Context) error {
	f.index()
	slices.SortStableFunc(f.spaces, byNamespace)
	var last string
	for _, n := range f.spaces {
		product, typ := splitNamespace(n.Name())
		if product != last {
			if err := f.close(); err != nil {
				return err
			}
		}
		last = product
		var err error
		switch typ {
		case metadataType:
			err = f.metadata(ctx, n, f.space[spaceID{n.Tenant(), product + "/" + attachmentsType}])
		case attachmentsType:
			if f.space[spaceID{n.Tenant(), product + "/" + metadataType}] == nil {
				err = f.attachments(ctx, n)
			}
		default:
			err = f.each(ctx, n, func(*Record) error { return nil })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *folderExport) index() {
	f.space, f.described = map[spaceID]*store.Namespace{}, map[string]bool{}
	for _, n := range f.spaces {
		f.space[spaceID{n.Tenant(), n.Name()}] = n
		if _, typ := splitNamespace(n.Name()); typ == metadataType {
			f.described[n.Tenant()] = true
		}
	}
}

// each writes the lines of a namespace, as change makes them.
func (f *folderExport) each(ctx context.Context, n *store.Namespace, change func(*Record) error) error {
	for r, err := range f.records(ctx, n) {
		if err == nil {
			err = change(&r)
		}
		if err == nil {
			err = f.put(n, &r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// metadata writes a tenant's rows of metadata and, in step with them, the attachments, which have
// the same keys in the same order. contents may be nil.
func (f *folderExport) metadata(ctx context.Context, rows, contents *store.Namespace) error {
	a := &attachmentsAhead{}
	if contents != nil {
		var stop func()
		a.next, stop = iter.Pull2(f.contents(ctx, contents))
		defer stop()
	}
	err := f.each(ctx, rows, func(row *Record) error {
		attachment, err := a.upTo(row.Key, f.asLine)
		if err != nil {
			return err
		}
		var asFile bool
		asFile, row.Apart, err = f.place(row, attachment)
		switch {
		case err != nil:
			row.Apart = true
			return f.unread(attachment, err)
		case asFile:
			f.exported(contents, attachment.size())
		case attachment != nil:
			return f.asLine(attachment)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = a.upTo(nil, f.asLine)
	return err
}

// asLine writes an attachment as a line.
func (f *folderExport) asLine(a *attachment) error {
	if err := a.load(); err != nil {
		return f.unread(a, err)
	}
	return f.put(a.n, &a.Record)
}

// unread counts an attachment that could not be exported because of itself; any other error is
// returned.
func (f *folderExport) unread(a *attachment, err error) error {
	var record *store.RecordError
	if a == nil || !errors.As(err, &record) && !errors.Is(err, store.ErrTooLarge) {
		return err
	}
	f.skipped(a.n, err)
	return nil
}

// place writes the attachment, which may be nil, into the file that its row names. apart says
// that the row names a file, or may name one, which is not there.
func (f *folderExport) place(row *Record, a *attachment) (asFile, apart bool, err error) {
	says, err := parseMetadata(row.Value)
	if err != nil {
		return false, true, nil
	}
	if says.ContentFile == nil {
		return false, false, nil
	}
	if a == nil || checkContentFile(*says.ContentFile, row.Tenant) != nil {
		return false, true, nil
	}
	if right, err := a.are(&says); err != nil || !right {
		return false, true, err
	}
	asFile, err = f.file(*says.ContentFile, a)
	return asFile, !asFile, err
}

// attachments writes attachments whose product exports no metadata.
func (f *folderExport) attachments(ctx context.Context, n *store.Namespace) error {
	asFiles := n.Name() == DefaultAttachments && !f.described[n.Tenant()]
	for a, err := range f.contents(ctx, n) {
		if err != nil {
			return err
		}
		if err := f.attachment(a, asFiles); err != nil {
			return err
		}
	}
	return nil
}

func (f *folderExport) attachment(a *attachment, asFile bool) error {
	name := contentsDir + "/" + a.Tenant + "/" + string(a.Key)
	if asFile && checkContentFile(name, a.Tenant) == nil && !strings.Contains(name, "/.") {
		switch done, err := f.file(name, a); {
		case err != nil:
			return f.unread(a, err)
		case done:
			f.exported(a.n, a.size())
			return nil
		}
	}
	return f.asLine(a)
}

// attachmentsAhead goes through attachments in step with their metadata.
type attachmentsAhead struct {
	next func() (*attachment, error, bool) // nil where there are none
	have *attachment
}

// upTo returns the attachment with the key, or nil, and calls line for those before it, or for
// all that are left if key is nil.
func (a *attachmentsAhead) upTo(key []byte, line func(*attachment) error) (*attachment, error) {
	for a.next != nil {
		if a.have == nil {
			r, err, ok := a.next()
			if !ok || err != nil {
				a.next = nil
				return nil, err
			}
			a.have = r
		}
		have := a.have
		if key != nil {
			switch bytes.Compare(have.Key, key) {
			case 0:
				a.have = nil
				return have, nil
			case 1:
				return nil, nil
			}
		}
		a.have = nil
		if err := line(have); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// file writes one attachment. It reports false where the name cannot be had: it is taken by other
// contents, or is none for this file system.
func (f *folderExport) file(name string, a *attachment) (done bool, err error) {
	if err = f.root.MkdirAll(path.Dir(name), 0o700); err == nil {
		err = f.create(name, a)
	}
	switch {
	case err == nil:
		f.files++
		return true, nil
	case errors.Is(err, fs.ErrExist):
		return f.isThere(name, a)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.EINVAL):
		return false, nil
	}
	return false, err
}

// isThere reports whether a file has an attachment's contents.
func (f *folderExport) isThere(name string, a *attachment) (bool, error) {
	have, err := f.root.Open(name)
	if err != nil {
		return false, nil
	}
	defer have.Close()
	if info, err := have.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() != a.size() {
		return false, nil
	}
	from, err := a.reader()
	if err != nil {
		return false, err
	}
	return equal(have, from)
}

// create writes a file, or none.
func (f *folderExport) create(name string, a *attachment) error {
	from, err := a.reader()
	if err != nil {
		return err
	}
	out, err := f.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, f.root.Remove(name))
	}
	return nil
}

// put writes a line into the file of its namespace.
func (f *folderExport) put(n *store.Namespace, r *Record) error {
	w := f.open[n.Name()]
	if w == nil {
		var err error
		if w, err = f.createLines(n.Name()); err != nil {
			return err
		}
	}
	return f.line(n, r, &w.lineWriter)
}

// An outFile is a file of lines that is being written.
type outFile struct {
	lineWriter
	buffer *bufio.Writer
	packed io.Closer
	file   *os.File
}

func (f *folderExport) createLines(namespace string) (*outFile, error) {
	if err := f.root.MkdirAll(path.Dir(namespace), 0o700); err != nil {
		return nil, err
	}
	out, err := f.root.OpenFile(namespace+f.ext, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	packed, err := compress(out, f.ext)
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	w := &outFile{buffer: bufio.NewWriterSize(packed, 64<<10), packed: packed, file: out}
	w.to = w.buffer
	if f.open == nil {
		f.open = map[string]*outFile{}
	}
	f.open[namespace] = w
	f.files++
	return w, nil
}

// close completes the files of lines that are open.
func (f *folderExport) close() (err error) {
	for _, w := range f.open {
		err = errors.Join(err, w.buffer.Flush(), w.packed.Close(), w.file.Close())
	}
	clear(f.open)
	return err
}
