package store

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// testCoders are one without a dictionary and one with.
func testCoders(t testing.TB) []*coder {
	t.Helper()
	var samples [][]byte
	for i := range 200 {
		samples = append(samples, fmt.Appendf(nil, `{"id":%d,"author":{"name":"user %d","active":true},"text":"comment %d on issue %d"}`, i*7919, i%13, i, i*31))
	}
	plain := made(newCoder(0, nil))
	dictionary, err := buildDictionary(70000, samples, plain)
	if err != nil {
		t.Fatal(err)
	}
	return []*coder{plain, made(newCoder(70000, dictionary))}
}

func (c *coder) sealedForm(value []byte) []byte {
	_, sealed, _ := c.compress(nil, value)
	return bytes.Clone(sealed)
}

func (c *coder) open(dst, sealed []byte) ([]byte, error) {
	return c.decompress(dst, append(make([]byte, c.skip()), sealed...))
}

// What says that it is longer than a record's value can be, or does not say how long it is, is refused
// before there is room for it; also if it is a whole frame that any other decoder takes.
func TestFramesThatAreRefused(t *testing.T) {
	for _, c := range testCoders(t) {
		largest := bytes.Repeat([]byte("a"), DefaultInline)
		if out, err := c.open(nil, c.sealedForm(largest)); err != nil || !bytes.Equal(out, largest) {
			t.Fatalf("the largest: %d bytes, %v", len(out), err)
		}
		bomb := made(zstd.NewWriter(nil, zstd.WithSingleSegment(true), zstd.WithEncoderCRC(false)))
		stream := made(zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithSingleSegment(false)))
		checked := made(zstd.NewWriter(nil, zstd.WithSingleSegment(true)))
		for what, sealed := range map[string][]byte{
			"a byte too long":  c.sealedForm(append(largest, 'a')),
			"a gigabyte":       bomb.EncodeAll(make([]byte, 1<<30), nil)[4:],
			"without its size": stream.EncodeAll([]byte("a value of some length"), nil)[4:],
			"with a checksum":  checked.EncodeAll(bytes.Repeat([]byte("checked "), 9), nil)[4:],
			"nothing":          nil,
			"a descriptor":     {1 << 5},
			"half a size":      {3<<6 | 1<<5, 1, 0},
			"cut":              c.sealedForm(largest)[:8],
			"twice":            append(c.sealedForm([]byte("a value of some length")), bomb.EncodeAll([]byte("another"), nil)...),
			"padded":           append(c.sealedForm([]byte("a value of some length")), 0),
		} {
			before := []byte("before")
			if out, err := c.open(before, sealed); !errors.Is(err, ErrMalformed) || string(out) != "before" {
				t.Errorf("%d: %s: %d bytes, %v", c.number, what, len(out), err)
			}
			if got := testing.AllocsPerRun(1, func() { c.open(nil, sealed[:min(len(sealed), 20)]) }); got > 100 {
				t.Errorf("%s: %v allocations", what, got)
			}
		}
	}
}

// Whatever was sealed, and authenticated, decompresses to at most a record's value, or is refused; what was
// compressed comes back after whatever was there before it.
func FuzzDecompress(f *testing.F) {
	coders := testCoders(f)
	for _, c := range coders {
		f.Add(c.sealedForm([]byte(`{"id":1,"author":{"name":"user 1","active":true}}`)), c.number != 0)
	}
	f.Add([]byte{1 << 5, 5, 1, 0, 0}, false)
	f.Fuzz(func(t *testing.T, b []byte, with bool) {
		c := coders[0]
		if with {
			c = coders[1]
		}
		before := []byte("what was there before")
		out, err := c.open(bytes.Clone(before), b)
		if !bytes.HasPrefix(out, before) || len(out) > len(before)+DefaultInline || err != nil && (len(out) != len(before) || !errors.Is(err, ErrMalformed)) {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
		if len(b) == 0 || len(b) > DefaultInline {
			return
		}
		if again, err := c.open(bytes.Clone(before), c.sealedForm(b)); err != nil || !bytes.Equal(again, append(before, b...)) {
			t.Fatalf("%d bytes as %d, %v", len(b), len(again), err)
		}
	})
}

// What the library makes of the samples is checked before it is used; over what it panics, it is an error.
func TestDictionariesThatAreRefused(t *testing.T) {
	plain := testCoders(t)[0]
	for what, samples := range map[string][][]byte{
		"none": nil, "one": {bytes.Repeat([]byte("x"), 10_000)}, "empty ones": make([][]byte, 100),
		"the same": {[]byte("the same text"), []byte("the same text"), []byte("the same text"), []byte("the same text")},
		"zeros":    {make([]byte, 4096), make([]byte, 4096), make([]byte, 4096), make([]byte, 4096), make([]byte, 4096)},
	} {
		if _, err := buildDictionary(70000, samples, plain); !errors.Is(err, ErrNoGain) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, dictionary := range map[string][]byte{"nothing": nil, "noise": []byte("37a430ec and more"), "no dictionary": make([]byte, 100)} {
		if _, err := newCoder(70000, dictionary); err == nil {
			t.Errorf("%s is taken for a dictionary", what)
		}
	}
	if _, err := learned(1, [][]byte{nil}, -1); err == nil {
		t.Error("a dictionary of less than no bytes")
	}
}

// What compressing and decompressing cost, and what they leave of a value.
func BenchmarkCoder(b *testing.B) {
	record := `{"id":%d,"author":{"name":"user %d","active":true},"text":"comment %d on issue %d"}`
	for _, c := range testCoders(b) {
		for _, size := range []int{226, 1 << 10} {
			var value []byte
			for i := 1; len(value) < size; i++ {
				value = fmt.Appendf(value, record, i*104729, i%17, i*31, i*7)
			}
			value = value[:size]
			room, sealed, _ := c.compress(nil, value)
			name := fmt.Sprintf("dictionary=%v/%d", c.number != 0, size)
			b.Run("Compress/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					room, _, _ = c.compress(room[:0], value)
				}
				b.ReportMetric(float64(len(sealed))/float64(size), "ratio")
			})
			frame := append(make([]byte, c.skip()), c.sealedForm(value)...)
			into := make([]byte, 0, size)
			b.Run("Decompress/"+name, func(b *testing.B) {
				b.ReportAllocs()
				again := bytes.Clone(frame)
				for b.Loop() {
					copy(again, frame)
					if _, err := c.decompress(into, again); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
