package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/store/engine"
)

// A rig is an engine under test, spoken to in strings. An absent value is "".
type rig struct {
	*testing.T
	engine.Engine
	options Options
}

// try applies one batch, synced, and returns what Apply does.
func (r rig) try(build func(engine.Batch)) error {
	b := r.NewBatch()
	defer b.Close()
	build(b)
	return r.Apply(context.Background(), b, true)
}

// do applies one batch, which must succeed.
func (r rig) do(build func(engine.Batch)) {
	r.Helper()
	r.want(nil, r.try(build))
}

// set applies the pairs, given as "key=value", in one batch.
func (r rig) set(pairs ...string) {
	r.Helper()
	r.do(func(b engine.Batch) {
		for _, pair := range pairs {
			key, value, _ := strings.Cut(pair, "=")
			b.Set([]byte(key), []byte(value))
		}
	})
}

// wantValue asks from for key.
func (r rig) wantValue(from engine.Reader, key, want string) {
	r.Helper()
	got, err := value(from, []byte(key))
	r.want(nil, err)
	if got != want {
		r.Fatalf("%q is %.40q, want %.40q", key, got, want)
	}
}

// wantPage asks from for the range [start, end), written "key=value key=value".
func (r rig) wantPage(from engine.Reader, start, end, want string) {
	r.Helper()
	wanted := strings.Fields(want)
	for _, reverse := range []bool{false, true} {
		sink := &pageSink{}
		r.want(nil, from.Page(context.Background(), span(start, end, reverse), sink))
		if !slices.Equal(sink.pairs, wanted) {
			r.Fatalf("[%q, %q) reverse %v is %q, want %q", start, end, reverse, sink.pairs, wanted)
		}
		slices.Reverse(wanted)
	}
}

// want compares errors by errors.Is.
func (r rig) want(want, got error) {
	r.Helper()
	if !errors.Is(got, want) {
		r.Fatalf("error is %v, want %v", got, want)
	}
}

func value(from engine.Reader, key []byte) (string, error) {
	sink := &valueSink{}
	err := from.Get(context.Background(), key, sink)
	if errors.Is(err, engine.ErrNotFound) && sink.calls == 0 {
		return "", nil
	}
	if err == nil && sink.calls != 1 {
		err = fmt.Errorf("the sink of a Get was called %d times", sink.calls)
	}
	return string(sink.value), err
}

func span(start, end string, reverse bool) engine.Range {
	return engine.Range{Start: []byte(start), End: []byte(end), Reverse: reverse}
}

// A valueSink copies the value and returns err.
type valueSink struct {
	value []byte
	calls int
	err   error
}

func (s *valueSink) Value(value []byte) error {
	s.calls++
	s.value = bytes.Clone(value)
	return s.err
}

// A pageSink collects "key=value" pairs, at most max of them if max is not 0.
type pageSink struct {
	pairs []string
	max   int
	then  func() error // called after each entry if set
}

func (s *pageSink) Entry(key, value []byte) (more bool, err error) {
	s.pairs = append(s.pairs, string(key)+"="+string(value))
	if s.then != nil {
		err = s.then()
	}
	return len(s.pairs) != s.max, err
}
