package store_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
)

// chunksOf are the engine keys and the bytes of a record's chunks.
func (s *scene) chunksOf(p planted) (keys, chunks [][]byte) {
	s.t.Helper()
	var e codec.Envelope
	if err := e.Parse(rawGet(s.t, s.engine, p.at)); err != nil || !e.Chunked {
		s.t.Fatalf("%s is not chunked: %v", p, err)
	}
	all, values := rawAll(s.t, s.engine, codec.KindChunk)
	for i, key := range all {
		if bytes.Contains(key, e.Blob.ID[:]) {
			keys, chunks = append(keys, key), append(chunks, values[i])
		}
	}
	return keys, chunks
}

// arrange writes chunks in the place of a blob's own; nil leaves one out.
func (s *scene) arrange(keys, chunks [][]byte) {
	s.t.Helper()
	for i, key := range keys {
		rawSet(s.t, s.engine, key, chunks[i])
	}
}

func with(chunks [][]byte, i int, chunk []byte) [][]byte {
	out := slices.Clone(chunks)
	out[i] = chunk
	return out
}

// Chunks truncated, extended, reordered, doubled, left out.
func TestTamperedChunks(t *testing.T) { eachSuite(t, testTamperedChunks) }

func testTamperedChunks(t *testing.T, s *scene) {
	for _, name := range []string{"jira/comments", "jira/attachments", "jira/attachment-metadata", "jira/cached-content"} {
		p := s.record("acme", name, "long")
		keys, chunks := s.chunksOf(p)
		if len(chunks) != 3 {
			t.Fatalf("%d chunks, want 3", len(chunks))
		}
		attempts := map[string][][]byte{
			"reversed": {chunks[2], chunks[1], chunks[0]}, "rotated": {chunks[1], chunks[2], chunks[0]},
			"swapped": {chunks[1], chunks[0], chunks[2]}, "none": {nil, nil, nil}, "only the first": {chunks[0], nil, nil},
			"the final one early": {chunks[0], chunks[2], nil}, "shifted": {nil, chunks[0], chunks[1]},
		}
		for i, c := range chunks {
			attempts[fmt.Sprint("without ", i)] = with(chunks, i, nil)
			attempts[fmt.Sprint("cut in ", i)] = with(chunks, i, c[:len(c)-1])
			attempts[fmt.Sprint("no tag in ", i)] = with(chunks, i, c[:len(c)-codec.TagLen])
			attempts[fmt.Sprint("first byte cut in ", i)] = with(chunks, i, c[1:])
			attempts[fmt.Sprint("tag alone in ", i)] = with(chunks, i, c[len(c)-codec.TagLen:])
			attempts[fmt.Sprint("a byte in ", i)] = with(chunks, i, []byte{1})
			attempts[fmt.Sprint("longer ", i)] = with(chunks, i, append(bytes.Clone(c), 0))
			attempts[fmt.Sprint("doubled ", i)] = with(chunks, i, append(bytes.Clone(c), c...))
			attempts[fmt.Sprint("the manifest as ", i)] = with(chunks, i, p.raw)
			for j := range chunks {
				if j != i {
					attempts[fmt.Sprintf("%d as %d", i, j)] = with(chunks, j, c)
				}
			}
		}
		for what, arranged := range attempts {
			s.arrange(keys, arranged)
			s.refusedAs(p, what, store.ErrAuthentication)
		}
		s.arrange(keys, chunks)
		s.restore(p)
	}
}

// What follows the final chunk is never looked at: the size is authenticated.
func TestChunksAfterTheFinalOne(t *testing.T) { eachSuite(t, testChunksAfterTheFinalOne) }

func testChunksAfterTheFinalOne(t *testing.T, s *scene) {
	p := s.record("acme", "jira/comments", "long")
	keys, chunks := s.chunksOf(p)
	after := bytes.Clone(keys[2])
	after[len(after)-1]++
	for _, chunk := range [][]byte{chunks[2], chunks[0], {1}} {
		rawSet(t, s.engine, after, chunk)
		wantValue(t, p.n, p.key, p.value)
	}
}

// A chunk of another blob with the same index: another key's, namespace's, tenant's, and that of
// this key's earlier value.
func TestSplicedChunks(t *testing.T) { eachSuite(t, testSplicedChunks) }

func testSplicedChunks(t *testing.T, s *scene) {
	p := s.record("acme", "jira/attachments", "long")
	s.plant(p.n, "other", 150_000)
	var donors []planted
	for _, d := range s.records {
		if d.raw != nil && (d.key == "long" || d.key == "other") && d.String() != p.String() {
			donors = append(donors, d)
		}
	}
	keys, chunks := s.chunksOf(p)
	for _, d := range donors {
		_, others := s.chunksOf(d)
		for i := range chunks {
			s.arrange(keys, with(chunks, i, others[i]))
			s.refusedAs(p, fmt.Sprintf("chunk %d of %s", i, d), store.ErrAuthentication)
		}
		s.arrange(keys, others)
		s.refusedAs(p, "all chunks of "+d.String(), store.ErrAuthentication)
	}
	s.arrange(keys, chunks)
	s.restore(p)

	old := p
	s.plant(p.n, "long", 150_001)
	p = s.records[len(s.records)-1]
	newKeys, newChunks := s.chunksOf(p)
	for i := range chunks {
		s.arrange(newKeys, with(newChunks, i, chunks[i]))
		s.refusedAs(p, fmt.Sprintf("chunk %d of its earlier value", i), store.ErrAuthentication)
		s.arrange(newKeys, newChunks)
		s.arrange(keys, with(chunks, i, newChunks[i]))
		s.put(p, old.raw)
		s.refusedAs(p, fmt.Sprintf("the earlier manifest and chunk %d of the later value", i), store.ErrAuthentication)
		s.restore(p)
	}
	s.arrange(keys, chunks)
	if err := s.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.put(p, old.raw)
	s.refusedAs(p, "the earlier manifest after a collection", store.ErrAuthentication)
	s.restore(p)
}

// Bits of chunks: all of the first and the last bytes, some in between.
func TestFlippedBitsOfChunks(t *testing.T) { eachSuite(t, testFlippedBitsOfChunks) }

func testFlippedBitsOfChunks(t *testing.T, s *scene) {
	step := 25_013
	if testing.Short() {
		step *= 20
	}
	for _, name := range []string{"jira/comments", "jira/attachments"} {
		p := s.record("acme", name, "long")
		keys, chunks := s.chunksOf(p)
		for i, chunk := range chunks {
			bits := 8 * len(chunk)
			for bit := 0; bit < bits; bit++ {
				if bit > 16 && bit < bits-8*codec.TagLen && bit%step != 0 {
					continue
				}
				flipped := bytes.Clone(chunk)
				flipped[bit/8] ^= 1 << (bit % 8)
				rawSet(t, s.engine, keys[i], flipped)
				if got, err := p.n.Get(t.Context(), []byte(p.key)); got != nil || !typed(err) {
					t.Fatalf("%s: chunk %d, bit %d: %d bytes, %v", p, i, bit, len(got), err)
				}
			}
			rawSet(t, s.engine, keys[i], chunk)
		}
		s.restore(p)
	}
}

// A journal that lies deletes no value that is in use.
func TestTamperedJournal(t *testing.T) { eachSuite(t, testTamperedJournal) }

func testTamperedJournal(t *testing.T, s *scene) {
	journal, entries := rawAll(t, s.engine, codec.KindJournal)
	lies := [][]byte{{0}, entries[0][:1], codec.EncodeRecord(codec.JournalEntry{State: 9, Key: []byte("long")})}
	for _, p := range s.records {
		lies = append(lies, p.raw)
	}
	for i, key := range journal {
		for _, lie := range lies {
			rawSet(t, s.engine, key, lie)
			if err := s.Collect(t.Context()); !typed(err) {
				t.Fatalf("collecting with a damaged journal: %v", err)
			}
		}
		rawSet(t, s.engine, key, entries[i])
	}
	if err := s.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range s.records {
		wantValue(t, p.n, p.key, p.value)
	}
}
