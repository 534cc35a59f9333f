package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strings"

	"github.com/sealkv/sealkv/store"
)

// The types of the two namespaces of an attachment.
const (
	metadataType    = "attachment-metadata"
	attachmentsType = "attachments"
)

// DefaultAttachments is the namespace of attachments that no row of metadata names.
const DefaultAttachments = "jira/attachments"

// A metadata is what a row of attachment metadata says of the contents.
type metadata struct {
	ContentFile *string `json:"contentFile"` // nil where there are none
	Size        *int64  `json:"size"`
	SHA256      *string `json:"sha256"`
}

// parseMetadata reads a row's value; what is not an object of that shape says nothing of
// contents.
func parseMetadata(value []byte) (metadata, error) {
	var m metadata
	if len(value) == 0 || value[0] != '{' {
		return m, nil
	}
	if err := json.Unmarshal(value, &m); err != nil {
		return metadata{}, errors.New("contentFile, size and sha256 of the value are not text, a number and text")
	}
	return m, nil
}

func (m *metadata) checkSum(size int64, sum [sha256.Size]byte) error {
	if m.Size != nil && *m.Size != size {
		return fmt.Errorf("%d bytes, and the metadata says %d", size, *m.Size)
	}
	if m.SHA256 != nil && !strings.EqualFold(*m.SHA256, hex.EncodeToString(sum[:])) {
		return errors.New("another sha256 than the metadata says")
	}
	return nil
}

// checkContentFile refuses every path but one of a file that belongs to the tenant.
func checkContentFile(contentFile, tenant string) error {
	if !fs.ValidPath(contentFile) || !strings.HasPrefix(contentFile, contentsDir+"/"+tenant+"/") {
		return fmt.Errorf("the contentFile is not a path beneath %s/%s", contentsDir, tenant)
	}
	return nil
}

// A content is where an attachment's contents are.
type content struct {
	folder *folder
	file   *file
	says   metadata // zero where no row names it
}

// find looks a row's contents up in the folder.
func (f *folder) find(m metadata, tenant string) (*content, error) {
	if err := checkContentFile(*m.ContentFile, tenant); err != nil {
		return nil, err
	}
	found := f.contents[*m.ContentFile]
	if found == nil {
		return nil, fmt.Errorf("the contentFile %q is not in %s", *m.ContentFile, f.name)
	}
	found.named = true
	return &content{folder: f, file: found, says: m}, nil
}

// read returns the contents, if they are what the metadata says.
func (c *content) read() ([]byte, error) {
	in, err := c.open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	value := make([]byte, c.file.size)
	if _, err := io.ReadFull(in, value); err != nil {
		return nil, c.failed(err)
	}
	return value, in.check()
}

// long reports whether the contents are read in a stream.
func (c *content) long() bool { return c != nil && c.file.size > store.DefaultInline }

// A contentReader reads contents. It keeps to the size that was found before.
type contentReader struct {
	c    *content
	from io.ReadCloser
	left int64
	sum  hash.Hash
}

func (c *content) open() (*contentReader, error) {
	in, err := c.folder.root.Open(c.file.path)
	if err != nil {
		return nil, c.failed(unwrapPath(err))
	}
	return &contentReader{c: c, from: in, left: c.file.size, sum: sha256.New()}, nil
}

func (r *contentReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.from.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	r.sum.Write(p[:n])
	if err == io.EOF && r.left > 0 {
		err = r.c.failed(io.ErrUnexpectedEOF)
	} else if err != nil && err != io.EOF {
		err = r.c.failed(unwrapPath(err))
	}
	return n, err
}

func (r *contentReader) Close() error { return r.from.Close() }

// check returns an error unless all was read, and is what the metadata says.
func (r *contentReader) check() error {
	if n, _ := r.from.Read(make([]byte, 1)); n > 0 || r.left > 0 {
		return r.c.failed(errors.New("grew or shrank while it was read"))
	}
	if err := r.c.says.checkSum(r.c.file.size, [sha256.Size]byte(r.sum.Sum(nil))); err != nil {
		return r.c.failed(err)
	}
	return nil
}

func (c *content) failed(err error) error {
	return fmt.Errorf("%q: %w", c.folder.display(c.file.path), err)
}
