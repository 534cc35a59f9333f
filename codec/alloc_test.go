package codec_test

import (
	"testing"

	"github.com/sealkv/sealkv/codec"
)

// A sample is what one Get or Put of a record needs of package codec.
type sample struct {
	name     string
	envelope codec.Envelope
	encoded  []byte
}

var (
	sampleStore codec.StoreID
	sampleKey   = append(codec.AppendPrefix(nil, codec.KindRecord, "acme", "jira/comments"), "ABC-1/comment/10042"...)
)

func samples() []sample {
	wrap := make([]byte, codec.WrapLen)
	head := make([]byte, codec.MACLen)
	recipients := []codec.Recipient{{Number: 7, Wrap: wrap}, {Number: 300, Wrap: wrap}}
	out := []sample{
		{name: "direct", envelope: codec.Envelope{Suite: 1, Number: 70000, Written: 1763856000, Sealed: make([]byte, 1024+codec.SealOverhead)}},
		{name: "compressed", envelope: codec.Envelope{Suite: 1, Number: 70000, Flags: 3, Dictionary: 70000, Sealed: make([]byte, 300+codec.SealOverhead)}},
		{name: "content", envelope: codec.Envelope{Suite: 1, Recipients: recipients, HeadMAC: head, Sealed: make([]byte, 1024+codec.SealOverhead)}},
		{name: "blob", envelope: codec.Envelope{Suite: 1, Recipients: recipients[:1], HeadMAC: head, Chunked: true,
			Blob: codec.Blob{Size: 1 << 20, ChunkSize: 64 << 10}, Sealed: make([]byte, codec.SealOverhead)}},
	}
	for i := range out {
		out[i].encoded = out[i].envelope.Append(nil)
	}
	return out
}

// steps are the parts of the hot path; each is given enough room.
var steps = []struct {
	name string
	do   func(s *sample, room []byte)
}{
	{"Parse", func(s *sample, _ []byte) {
		if err := s.envelope.Parse(s.encoded); err != nil {
			panic(err)
		}
	}},
	{"AppendOpening", func(s *sample, room []byte) { s.envelope.AppendOpening(room, len(s.envelope.Sealed)) }},
	{"AppendSealAAD", func(s *sample, room []byte) { s.envelope.AppendSealAAD(room, &sampleStore, sampleKey) }},
	{"AppendWrapAAD", func(s *sample, room []byte) { s.envelope.AppendWrapAAD(room, &sampleStore, sampleKey, 7) }},
	{"AppendHeadMAC", func(s *sample, room []byte) { s.envelope.AppendHeadMAC(room, &sampleStore, sampleKey) }},
	{"AppendChunkAAD", func(s *sample, room []byte) {
		codec.AppendChunkAAD(room, &sampleStore, sampleKey, s.envelope.Blob.ID, 1)
	}},
}

func TestHotPathAllocatesNothing(t *testing.T) {
	room := make([]byte, 0, 4<<10)
	for _, s := range samples() {
		for _, step := range steps {
			if n := testing.AllocsPerRun(100, func() { step.do(&s, room) }); n != 0 {
				t.Errorf("%s of a %s envelope allocates %v times", step.name, s.name, n)
			}
		}
	}
}

func BenchmarkEnvelope(b *testing.B) {
	room := make([]byte, 0, 4<<10)
	for _, s := range samples() {
		for _, step := range steps {
			b.Run(step.name+"/"+s.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					step.do(&s, room)
				}
			})
		}
	}
}

// BenchmarkAppendKey makes the engine key of a record, as a handle does that keeps its prefix, and
// from the names.
func BenchmarkAppendKey(b *testing.B) {
	prefix, key, room := codec.AppendPrefix(nil, codec.KindRecord, "acme", "jira/comments"), []byte("ABC-1/comment/10042"), make([]byte, 0, 1<<10)
	b.Run("kept", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			room = append(append(room[:0], prefix...), key...)
		}
	})
	b.Run("made", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			room = append(codec.AppendPrefix(room[:0], codec.KindRecord, "acme", "jira/comments"), key...)
		}
	})
}

func BenchmarkParseKey(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.ParseKey(sampleKey); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	key := codec.DataKey{State: 1, Suite: 1, Created: 1763856000, Parent: 1, Commit: make([]byte, codec.MACLen), Wrap: make([]byte, codec.WrapLen)}
	encoded := codec.EncodeRecord(key)
	b.Run("Encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			codec.EncodeRecord(&key)
		}
	})
	b.Run("Decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := codec.DecodeRecord(encoded, &key); err != nil {
				b.Fatal(err)
			}
		}
	})
}
