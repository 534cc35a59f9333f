package keyfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/sealkv/sealkv/keys/root"
)

// maxLen is the longest key file in bytes, protected or not: several hundred versions.
const maxLen = 64 << 10

// A file is the text of a key file, taken apart. It keeps every line, so that a rewrite loses
// none of an operator's notes.
type file struct {
	root.Redacted
	lines      []line
	passphrase string // that protects the file; empty if none does
}

// A line is a key line or, if key is nil, a text: a comment, an empty line, the word disabled.
type line struct {
	key  *keyLine
	text string
}

// parse reads the text of a key file. It keeps no reference to text, and its errors quote none
// of it.
func parse(text []byte) (*file, error) {
	f := &file{}
	for n := 1; len(text) > 0; n++ {
		one, rest, ended := bytes.Cut(text, []byte("\n"))
		if !ended {
			return nil, fmt.Errorf("line %d: no newline at its end; is the file cut short?", n)
		}
		if err := f.parseLine(one); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		text = rest
	}
	if len(f.keys()) == 0 {
		return nil, errors.New("no line with a key")
	}
	return f, nil
}

func (f *file) parseLine(text []byte) error {
	switch {
	case bytes.ContainsRune(text, '\r'):
		return errors.New("a carriage return; lines end in a newline alone")
	case len(text) == 0 || text[0] == '#':
		f.lines = append(f.lines, line{text: string(text)})
		return nil
	case string(text) == disabledWord:
		return f.parseDisabled()
	case bytes.HasPrefix(text, []byte(lineFormat+" ")):
		return f.parseKey(text)
	}
	return errors.New("neither a comment (#) nor a key (" + lineFormat + ") nor the word disabled")
}

func (f *file) parseDisabled() error {
	if f.disabled() {
		return errors.New("the word disabled stands on an earlier line too")
	}
	f.lines = append(f.lines, line{text: disabledWord})
	return nil
}

func (f *file) parseKey(text []byte) error {
	k, err := parseKeyLine(text)
	if err != nil {
		return err
	}
	for _, earlier := range f.keys() {
		if earlier.ID == k.ID {
			return errors.New("the same key stands on an earlier line too")
		}
	}
	f.add(k)
	return nil
}

// append appends the text of f; what parse accepts comes out as it was.
func (f *file) append(b []byte) []byte {
	for _, l := range f.lines {
		if l.key != nil {
			b = l.key.append(b)
			continue
		}
		b = append(b, l.text...)
		b = append(b, '\n')
	}
	return b
}

// keys returns the key lines, the newest last.
func (f *file) keys() []*keyLine {
	var keys []*keyLine
	for _, l := range f.lines {
		if l.key != nil {
			keys = append(keys, l.key)
		}
	}
	return keys
}

// add makes k the newest key.
func (f *file) add(k *keyLine) { f.lines = append(f.lines, line{key: k}) }

func (f *file) disabled() bool { return f.disabledLine() >= 0 }

func (f *file) disabledLine() int {
	return slices.IndexFunc(f.lines, func(l line) bool { return l.text == disabledWord })
}

// setDisabled adds or removes the line "disabled" and tells whether that changed anything. It
// goes to the top, where a reader sees it first.
func (f *file) setDisabled(disabled bool) (changed bool) {
	at := f.disabledLine()
	switch {
	case disabled == (at >= 0):
		return false
	case disabled:
		f.lines = slices.Insert(f.lines, 0, line{text: disabledWord})
	default:
		f.lines = slices.Delete(f.lines, at, at+1)
	}
	return true
}

// wipe overwrites the keys; f is not used afterwards.
func (f *file) wipe() {
	for _, k := range f.keys() {
		clear(k.secret[:])
	}
}
