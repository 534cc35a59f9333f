package transfer

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/sealkv/sealkv/store"
)

// MaxLineLen is the longest line, in bytes: enough for the longest value of a store in base64,
// with a key all of escapes.
const MaxLineLen = 96 << 20

// A lineReader splits what it reads into lines. Its memory is bounded by the longest line.
type lineReader struct {
	from *bufio.Reader
	line int // number of the last line, from 1
	long []byte
	max  int
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{from: bufio.NewReaderSize(r, 256<<10), max: MaxLineLen}
}

// next returns the next line that is not blank, without its end; it is valid until the next
// call. A line that is too long is an errLongLine, and the one after it can be read.
func (l *lineReader) next() ([]byte, error) {
	for {
		line, err := l.read()
		if err != nil {
			return nil, err
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) > l.max {
			return nil, errLongLine
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return line, nil
		}
	}
}

// read returns the next line with its end. Of one that is too long it returns enough to tell.
func (l *lineReader) read() ([]byte, error) {
	part, err := l.from.ReadSlice('\n')
	if err == io.EOF && len(part) == 0 {
		return nil, io.EOF
	}
	l.line++
	if err == nil || err == io.EOF {
		return part, nil
	}
	l.long = append(reused(l.long).room(), part...)
	for err == bufio.ErrBufferFull {
		part, err = l.from.ReadSlice('\n')
		if len(l.long) <= l.max+len("\r\n") {
			l.long = append(l.long, part...)
		}
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	return l.long, nil
}

var errLongLine = fmt.Errorf("%w: a line of more than %d bytes", store.ErrTooLarge, MaxLineLen)

// reused is memory for one thing after another. It does not keep that of a long one.
type reused []byte

const keptLen = 1 << 20

func (b reused) room() []byte {
	if cap(b) > keptLen {
		return nil
	}
	return b[:0]
}
