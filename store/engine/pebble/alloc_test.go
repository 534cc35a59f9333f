package pebble_test

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"testing"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// A nullSink takes a value and keeps nothing of it.
type nullSink struct{ bytes int }

func (s *nullSink) Value(value []byte) error { s.bytes += len(value); return nil }

// A firstSink takes the first n entries of a page.
type firstSink struct{ n, seen, bytes int }

func (s *firstSink) Entry(key, value []byte) (bool, error) {
	s.seen++
	s.bytes += len(key) + len(value)
	return s.seen < s.n, nil
}

func (s *firstSink) Value([]byte) error { return nil }

func numbered(i int) []byte { return binary.BigEndian.AppendUint64([]byte("key"), uint64(i)) }

// filled returns an engine with n values of 1 KiB, flushed.
func filled(t testing.TB, n int) *pebble.Engine {
	e, err := pebble.Create(filepath.Join(t.TempDir(), "records"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	b := e.NewBatch()
	defer b.Close()
	for i := range n {
		b.Set(numbered(i), make([]byte, 1024))
		if b.Len() == 1000 || i == n-1 {
			if err := e.Apply(context.Background(), b, false); err != nil {
				t.Fatal(err)
			}
			b.Reset()
		}
	}
	if err := e.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	return e
}

func put(e *pebble.Engine, key, value []byte, sync bool) error {
	b := e.NewBatch()
	defer b.Close()
	k, v := b.SetDeferred(len(key), len(value))
	copy(k, key)
	copy(v, value)
	return e.Apply(context.Background(), b, sync)
}

func rewrite(e *pebble.Engine, key, value []byte) error {
	b := e.NewBatch()
	defer b.Close()
	b.IfEquals(key, value)
	b.Set(key, value)
	return e.Apply(context.Background(), b, false)
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	const entries = 10_000
	e, ctx := filled(t, entries), context.Background()
	key, fresh, value := numbered(entries/2), numbered(entries+1), make([]byte, 1024)
	if err := put(e, fresh, value, true); err != nil {
		t.Fatal(err)
	}
	end := numbered(1 << 40)
	sink, ten := &nullSink{}, &firstSink{n: 10}
	for _, test := range []struct {
		name string
		want float64
		run  func() error
	}{
		// Pebble's own: 16 bytes for each table that its Get looks into.
		{"Get from a table", 1, func() error { return e.Get(ctx, key, sink) }},
		{"Get from a memtable", 0, func() error { return e.Get(ctx, fresh, sink) }},
		{"Apply", 0, func() error { return put(e, fresh, value, false) }},
		{"Apply with sync", 0, func() error { return put(e, fresh, value, true) }},
		{"conditional Apply", 0, func() error { return rewrite(e, fresh, value) }},
		{"Page of 10", 0, func() error { ten.seen = 0; return e.Page(ctx, engine.Range{Start: key, End: end}, ten) }},
	} {
		got := testing.AllocsPerRun(1000, func() {
			if err := test.run(); err != nil {
				t.Fatal(err)
			}
		})
		if got > test.want {
			t.Errorf("%s: %v allocations, want %v", test.name, got, test.want)
		}
	}
}
