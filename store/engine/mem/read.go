package mem

import (
	"bytes"
	"context"

	"github.com/RaduBerinde/btreemap"

	"github.com/sealkv/sealkv/store/engine"
)

func get(s *state, key []byte, sink engine.Sink) error {
	_, value, ok := s.Get(key)
	if !ok {
		return engine.ErrNotFound
	}
	lent := bytes.Clone(value)
	defer takeBack(lent, value)
	return sink.Value(lent)
}

func page(ctx context.Context, s *state, r engine.Range, sink engine.PageSink) error {
	if r.Empty() {
		return nil
	}
	entries := s.Ascend(btreemap.GE(r.Start), btreemap.LT(r.End))
	if r.Reverse {
		entries = s.Descend(btreemap.LT(r.End), btreemap.GE(r.Start))
	}
	for key, value := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if more, err := lendEntry(key, value, sink); err != nil || !more {
			return err
		}
	}
	return nil
}

func lendEntry(key, value []byte, sink engine.PageSink) (more bool, err error) {
	k, v := bytes.Clone(key), bytes.Clone(value)
	defer takeBack(k, key)
	defer takeBack(v, value)
	return sink.Entry(k, v)
}

// takeBack ends the loan of a copy of original: whoever kept it finds no value in it.
func takeBack(lent, original []byte) {
	if !bytes.Equal(lent, original) {
		panic("mem: a sink wrote into a slice that belongs to the engine")
	}
	wipe(lent)
}

// wipe fills b with a byte that no test expects.
func wipe(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}
