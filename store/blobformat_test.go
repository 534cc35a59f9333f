package store_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/sealkv/sealkv/codec"
)

// The chunks of a value open from FORMAT.md alone: content key, nonce, and every byte that the
// tag covers, spelled out here once more.
func TestChunkFormat(t *testing.T) { eachSuite(t, testChunkFormat) }

func testChunkFormat(t *testing.T, s *scene) {
	b := rob(t, s.dir+"/keyring.db", s.roots)
	for _, p := range s.records {
		if p.key != "long" {
			continue
		}
		var e codec.Envelope
		b.must(e.Parse(p.raw))
		r := e.Recipients[0]
		content, err := b.aead(s.suite, b.data[r.Number].bytes, codec.LabelWrap, func(a aead) ([]byte, error) {
			return a.Open(nil, r.Wrap[:codec.NonceLen], r.Wrap[codec.NonceLen:], e.AppendWrapAAD(nil, &b.store, p.at, r.Number))
		})
		b.must(err)
		keys, chunks := s.chunksOf(p)
		var got []byte
		for i, chunk := range chunks {
			index := binary.BigEndian.AppendUint32(nil, uint32(i))
			if !bytes.HasSuffix(keys[i], append(e.Blob.ID[:], index...)) {
				t.Fatalf("%s: chunk %d is elsewhere", p, i)
			}
			nonce := append(make([]byte, 12+7), index...)
			nonce = append(nonce, 0)
			if i == len(chunks)-1 {
				nonce[23] = 1
			}
			aad := append([]byte{15}, "sealkv/1 chunks"...)
			aad = append(aad, b.store[:]...)
			aad = binary.BigEndian.AppendUint16(aad, uint16(len(p.at)))
			aad = append(append(append(aad, p.at...), e.Blob.ID[:]...), index...)
			opened, err := b.aead(s.suite, content, codec.LabelChunks, func(a aead) ([]byte, error) { return a.Open(nil, nonce, chunk, aad) })
			if err != nil {
				t.Fatalf("%s: chunk %d: %v", p, i, err)
			}
			got = append(got, opened...)
		}
		if string(got) != p.value {
			t.Fatalf("%s: %d bytes, want %d", p, len(got), len(p.value))
		}
	}
}
