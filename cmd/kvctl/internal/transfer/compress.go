package transfer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// What a compressed file may do to the machine that reads it.
const (
	maxWindow = 128 << 20 // of zstd, as its own command takes without being asked: memory
	// A file whose contents are more than maxRatio times its size is refused, beyond freeBytes.
	maxRatio  = 2000
	freeBytes = 64 << 20
)

var errRatio = errors.New("decompresses to more than 2,000 times its size; if that is right, decompress it and import the result")

// decompress reads r through the decompressor that its first bytes ask for.
func decompress(r io.Reader) (io.ReadCloser, error) {
	counted := &counter{from: r}
	in := bufio.NewReaderSize(counted, 64<<10)
	first, err := in.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case isZstd(first):
		d, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return &inflated{Reader: d, compressed: counted, close: d.Close}, nil
	case bytes.HasPrefix(first, []byte{0x1f, 0x8b}):
		d, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		return &inflated{Reader: d, compressed: counted, close: func() { d.Close() }}, nil
	}
	return io.NopCloser(in), nil
}

// isZstd knows the magic number of a frame, and those of the skippable frames that parallel
// compressors begin with (RFC 8878 section 3.1).
func isZstd(first []byte) bool {
	return bytes.HasPrefix(first, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		len(first) == 4 && first[0]&0xf0 == 0x50 && bytes.Equal(first[1:], []byte{0x2a, 0x4d, 0x18})
}

type counter struct {
	from io.Reader
	n    int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	return n, err
}

// inflated is decompressed data that ends with an error where there is absurdly much of it.
type inflated struct {
	io.Reader
	compressed *counter
	n          int64
	close      func()
}

func (i *inflated) Read(p []byte) (int, error) {
	n, err := i.Reader.Read(p)
	if i.n += int64(n); i.n > freeBytes && i.n/maxRatio > i.compressed.n {
		return 0, errRatio
	}
	return n, err
}

func (i *inflated) Close() error {
	i.close()
	return nil
}

// Extensions of files of JSON lines.
const (
	extPlain = ".jsonl"
	extZstd  = ".jsonl.zst"
	extGzip  = ".jsonl.gz"
)

func isLines(name string) bool {
	return strings.HasSuffix(name, extPlain) || strings.HasSuffix(name, extZstd) || strings.HasSuffix(name, extGzip)
}

// compress writes to w as the name of a file says: zstd for .zst, gzip for .gz, else as it is.
// Close completes what was written and leaves w open.
func compress(w io.Writer, name string) (io.WriteCloser, error) {
	switch {
	case strings.HasSuffix(name, ".zst"):
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	case strings.HasSuffix(name, ".gz"):
		return gzip.NewWriter(w), nil
	}
	return nopCloser{w}, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
