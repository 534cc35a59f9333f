package store

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// A keySink keeps the keys of one worker.
type keySink struct{ keys []string }

func (k *keySink) head(key, _ []byte) {
	k.keys = append(k.keys, string(key))
	runtime.Gosched() // so that the others come to wait for a part
}

// However keys are spread, and however often a part is split, every record of the range is read
// once, and by more than one worker where there are enough.
func TestHeadScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := mem.New()
		defer e.Close()
		keys := rapid.SliceOfNDistinct(rapid.OneOf(
			rapid.SliceOfN(rapid.Byte(), 1, 12),
			rapid.Map(rapid.IntRange(0, 500), func(i int) []byte { return fmt.Appendf(nil, "the same beginning %05d", i) }),
			rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]byte{0x00, 0xff}), 0, 12), func(b []byte) []byte { return append([]byte("edge"), b...) }),
		), 0, 120, func(b []byte) string { return string(b) }).Draw(t, "keys")
		r := engine.Range{Start: []byte{1}, End: []byte{0xf0}}
		var want []string
		for _, key := range keys {
			b := e.NewBatch()
			b.Set(key, []byte("value"))
			if err := e.Apply(t.Context(), b, false); err != nil {
				t.Fatal(err)
			}
			b.Close()
			if bytes.Compare(key, r.Start) >= 0 && bytes.Compare(key, r.End) < 0 {
				want = append(want, string(key))
			}
		}
		sinks := make([]headSink, rapid.IntRange(1, 6).Draw(t, "workers"))
		for i := range sinks {
			sinks[i] = &keySink{}
		}
		h := headScan{from: e, page: rapid.Uint64Range(1, 100).Draw(t, "page"), pace: newPace(0, 0, nil)}
		if err := h.run(t.Context(), r, sinks); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, sink := range sinks {
			got = append(got, sink.(*keySink).keys...)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || h.records.Load() != uint64(len(want)) {
			t.Fatalf("read %q, want %q", got, want)
		}
	})
}

// An engine that fails ends the scan for all workers, with its error.
func TestHeadScanFails(t *testing.T) {
	e := mem.New()
	e.Close()
	h := headScan{from: e, page: 1, pace: newPace(0, 0, nil)}
	if err := h.run(t.Context(), engine.Range{Start: []byte{1}, End: []byte{2}}, []headSink{nothing{}, nothing{}}); !errors.Is(err, engine.ErrUnavailable) {
		t.Fatal(err)
	}
}

func TestBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(rapid.Byte()).Draw(t, "a"), rapid.SliceOf(rapid.Byte()).Draw(t, "b")
		middle := between(a, b)
		if middle != nil && (bytes.Compare(a, middle) >= 0 || bytes.Compare(middle, b) >= 0) {
			t.Fatalf("%x is not between %x and %x", middle, a, b)
		}
	})
	if between([]byte("k100"), []byte("k900")) == nil {
		t.Fatal("nothing between k100 and k900")
	}
}
