package transfer

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sealkv/sealkv/store"
)

// A line that is too long is an error of its own, for whatever buffer it meets, and what follows
// is read.
func TestLongLines(t *testing.T) {
	for _, length := range []int{0, 1, 99, 100, 101, 300 << 10, 600 << 10} {
		for _, end := range []string{"\n", "\r\n", ""} {
			l := newLineReader(iotest.HalfReader(strings.NewReader("first\n\n" + strings.Repeat("x", length) + end)))
			l.max = 100
			if length > 300<<10 {
				l.max = 400 << 10
			}
			first, err := l.next()
			if string(first) != "first" || err != nil {
				t.Fatal(string(first), err)
			}
			line, err := l.next()
			switch {
			case length == 0:
				if err != io.EOF {
					t.Errorf("no line is %q, %v", line, err)
				}
				continue
			case length > l.max:
				if !errors.Is(err, store.ErrTooLarge) {
					t.Errorf("%d bytes: %d bytes, %v", length, len(line), err)
				}
			case len(line) != length || err != nil:
				t.Errorf("%d bytes: %d bytes, %v", length, len(line), err)
			}
			if l.line != 3 {
				t.Errorf("line %d", l.line)
			}
			if _, err := l.next(); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
		}
	}
}

func TestLinesAfterLongOne(t *testing.T) {
	l := newLineReader(strings.NewReader(strings.Repeat("x", 1<<20) + "\nsecond\n"))
	l.max = 1000
	var got []string
	for {
		line, err := l.next()
		if err == io.EOF {
			break
		}
		got = append(got, string(line)+map[bool]string{true: "too long"}[err != nil])
	}
	if !slices.Equal(got, []string{"too long", "second"}) || l.line != 2 {
		t.Errorf("%q, %d lines", got, l.line)
	}
	l = newLineReader(io.MultiReader(strings.NewReader("first\nhalf"), iotest.ErrReader(errors.New("torn"))))
	if _, err := l.next(); err != nil {
		t.Error(err)
	}
	if line, err := l.next(); err == nil || err == io.EOF {
		t.Errorf("half a line of a torn file: %q, %v", line, err)
	}
}
