package codec_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sealkv/sealkv/codec"
)

// What is encoded is what FORMAT.md says, decodes to the same fields, and encodes to the same
// bytes again.
func TestEnvelopeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := envelopes().Draw(t, "envelope")
		b := e.Append(nil)
		if want := specEnvelope(e); !bytes.Equal(b, want) {
			t.Fatalf("encoded as %s, not %s", notation(b), notation(want))
		}
		var again codec.Envelope
		if err := again.Parse(b); err != nil {
			t.Fatal(err)
		}
		if got, want := printFields(&again), printFields(e); got != want {
			t.Fatalf("decoded as\n%s", got)
		}
		if !bytes.Equal(again.Append(nil), b) {
			t.Fatal("encoded again as other bytes")
		}
	})
}

func TestOpeningLen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := envelopes().Draw(t, "envelope")
		n := int(uints(codec.SealOverhead, 1<<32).Draw(t, "length of sealed"))
		opening := e.AppendOpening([]byte("before"), n)
		if got := len(opening) - len("before"); got != e.OpeningLen(n) {
			t.Fatalf("%d bytes, OpeningLen is %d", got, e.OpeningLen(n))
		}
		e.Sealed = make([]byte, codec.SealOverhead)
		whole := append(e.AppendOpening(nil, codec.SealOverhead), e.Sealed...)
		if !bytes.Equal(whole, e.Append(nil)) {
			t.Fatal("opening and sealed are not the envelope")
		}
	})
}

// FORMAT.md gives the overhead of a direct envelope: 58 bytes until 2106, 62 at the latest time
// that can be told, and never more than the 64 that were allowed for. A value of 64 MiB is the
// longest that is put in one piece.
func TestDirectOverhead(t *testing.T) {
	for _, c := range []struct {
		written uint64
		want    int
	}{{0, 54}, {1<<32 - 1, 58}, {largestWritten, 62}} {
		e := codec.Envelope{Suite: codec.SuiteXChaCha, Number: 1<<32 - 1, Written: c.written}
		longest := 64<<20 + codec.SealOverhead
		if got := e.OpeningLen(longest) + codec.SealOverhead; got != c.want {
			t.Errorf("at most %d bytes longer than the value when written at %d, not %d", got, c.written, c.want)
		}
	}
}

func TestKeyRoundTrip(t *testing.T) {
	roundTrip(t, "engine-key", rapid.Map(engineKeys(), func(k *engineKey) any { return k }))
}

func TestRowRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := keyRows().Draw(t, "row")
		form := forms["data-key-row"]
		if row.Namespace == "" {
			form = forms["tenant-key-row"]
		}
		checkRoundTrip(t, form, &row)
	})
}

func TestRecordRoundTrip(t *testing.T) {
	for name, generator := range records {
		t.Run(name, func(t *testing.T) { roundTrip(t, name, generator) })
	}
	for name := range forms {
		if records[name] == nil && !strings.HasSuffix(name, "-row") && name != "envelope" && name != "engine-key" {
			t.Errorf("no generator of records of form %s", name)
		}
	}
}

func roundTrip(t *testing.T, name string, generator *rapid.Generator[any]) {
	rapid.Check(t, func(t *rapid.T) { checkRoundTrip(t, forms[name], generator.Draw(t, name)) })
}

func checkRoundTrip(t *rapid.T, form form, v any) {
	b := form.encode(v)
	again := form.new()
	if err := form.decode(b, again); err != nil {
		t.Fatalf("%s: %v", notation(b), err)
	}
	if got, want := printFields(again), printFields(v); got != want {
		t.Fatalf("decoded as\n%snot\n%s", got, want)
	}
	if !bytes.Equal(form.encode(again), b) {
		t.Fatal("encoded again as other bytes")
	}
}

// Chunks counts what the size asks for: all but the last are full, the last is not empty unless
// it is the only one.
func TestChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := blobs().Draw(t, "blob")
		n, size := b.Chunks(), uint64(b.ChunkSize)
		switch {
		case b.Size == 0 && n != 1,
			b.Size > 0 && (n-1)*size >= b.Size,
			n*size < b.Size,
			n > 1<<32:
			t.Fatal(fmt.Sprint(n, " chunks"))
		}
	})
}
