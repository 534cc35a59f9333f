package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
)

// An assault is an attack on the value of a scene, which has three chunks. What is left to read
// is the good prefix.
type assault struct {
	s            *scene
	p            planted
	keys, chunks [][]byte
}

// good fails the test unless a Reader gives exactly so many of the first bytes and then a typed
// error, each time anew, in every way to read.
func (a assault) good(what string, prefix int) {
	t := a.s.t
	t.Helper()
	r, err := a.p.n.Open(t.Context(), []byte(a.p.key))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer r.Close()
	for range 2 {
		got, err := io.ReadAll(r)
		if !bytes.Equal(got, []byte(a.p.value[:prefix])) || !typed(err) {
			t.Fatalf("%s: ReadAll: %d bytes of %d, %v", what, len(got), prefix, err)
		}
		if k, err := r.Read(make([]byte, 10)); k != 0 || !typed(err) {
			t.Fatalf("%s: reading on: %d bytes, %v", what, k, err)
		}
		var out bytes.Buffer
		r.Seek(0, io.SeekStart)
		if k, err := r.WriteTo(&out); k != int64(prefix) || out.String() != a.p.value[:prefix] || !typed(err) {
			t.Fatalf("%s: WriteTo: %d bytes of %d, %v", what, k, prefix, err)
		}
		all := make([]byte, len(a.p.value))
		if k, err := r.ReadAt(all, 0); k != prefix || !typed(err) || !bytes.Equal(all[prefix:], make([]byte, len(all)-prefix)) {
			t.Fatalf("%s: ReadAt: %d bytes of %d, %v", what, k, prefix, err)
		}
		r.Seek(0, io.SeekStart)
	}
	if got, err := a.p.n.Get(t.Context(), []byte(a.p.key)); got != nil || !typed(err) {
		t.Fatalf("%s: Get: %d bytes, %v", what, len(got), err)
	}
}

// shut fails the test if the value opens at all.
func (a assault) shut(what string) {
	a.s.t.Helper()
	if r, err := a.p.n.Open(a.s.t.Context(), []byte(a.p.key)); r != nil || !typed(err) {
		a.s.t.Fatalf("%s: opens: %v", what, err)
	}
}

// head puts a changed head in the value's place and expects that it does not open.
func (a assault) head(what string, change func(e *codec.Envelope)) {
	a.s.t.Helper()
	var e codec.Envelope
	if err := e.Parse(bytes.Clone(a.p.raw)); err != nil {
		a.s.t.Fatal(err)
	}
	change(&e)
	a.s.put(a.p, e.Append(nil))
	a.shut(what)
}

// chunksAs arranges chunks and expects the good prefix.
func (a assault) chunksAs(what string, prefix int, chunks ...[]byte) {
	a.s.t.Helper()
	a.s.arrange(a.keys, chunks)
	a.good(what, prefix)
	a.s.arrange(a.keys, a.chunks)
}

func flip(p []byte, at int) []byte {
	out := bytes.Clone(p)
	out[(at+len(out))%len(out)] ^= 1
	return out
}

// assaults are by the flag of Wycheproof's chunked-encryption vectors that names them.
var assaults = map[string]func(a assault){
	"ChunkReordering": func(a assault) {
		c := a.chunks
		a.chunksAs("swapped", 0, c[1], c[0], c[2])
		a.chunksAs("the last two swapped", chunk, c[0], c[2], c[1])
		a.chunksAs("the first doubled", chunk, c[0], c[0], c[2])
		a.chunksAs("the last doubled", chunk, c[0], c[2], c[2])
	},
	"ModifiedCiphertext": func(a assault) {
		for i, c := range a.chunks {
			for _, at := range []int{0, len(c) / 2, -codec.TagLen - 1, -codec.TagLen, -1} {
				a.chunksAs(fmt.Sprintf("a bit of chunk %d at %d", i, at), i*chunk, with(a.chunks, i, flip(c, at))...)
			}
		}
		a.head("a bit of the commitment", func(e *codec.Envelope) { e.HeadMAC = flip(e.HeadMAC, 0) })
		a.head("a bit of the payload's nonce", func(e *codec.Envelope) { e.Sealed = flip(e.Sealed, 0) })
		a.head("a bit of the payload's tag", func(e *codec.Envelope) { e.Sealed = flip(e.Sealed, -1) })
	},
	"PartialPlaintext": func(a assault) {
		a.chunksAs("the second damaged", chunk, with(a.chunks, 1, flip(a.chunks[1], 9))...)
		a.chunksAs("the final one damaged", 2*chunk, with(a.chunks, 2, flip(a.chunks[2], 9))...)
	},
	"TrailingData": func(a assault) {
		for i, c := range a.chunks {
			a.chunksAs(fmt.Sprint("a byte after ", i), i*chunk, with(a.chunks, i, append(bytes.Clone(c), 0))...)
			a.chunksAs(fmt.Sprint("itself after ", i), i*chunk, with(a.chunks, i, append(bytes.Clone(c), c...))...)
		}
		a.head("a longer size", func(e *codec.Envelope) { e.Blob.Size++ })
	},
	"Truncation": func(a assault) {
		for i, c := range a.chunks {
			a.chunksAs(fmt.Sprint("without ", i), i*chunk, with(a.chunks, i, nil)...)
			for _, cut := range []int{1, codec.TagLen, len(c) - 1} {
				a.chunksAs(fmt.Sprintf("%d bytes of %d cut", cut, i), i*chunk, with(a.chunks, i, c[:len(c)-cut])...)
			}
		}
		a.chunksAs("no chunk", 0, nil, nil, nil)
		for _, size := range []uint64{0, 1, chunk, 2 * chunk, uint64(len(a.p.value)) - 1} {
			a.head(fmt.Sprint("size ", size), func(e *codec.Envelope) { e.Blob.Size = size })
		}
	},
	"ValidFinalChunk": func(a assault) {
		a.s.arrange(a.keys, with(a.chunks, 0, flip(a.chunks[0], 0)))
		a.good("the first damaged", 0)
		r, err := a.p.n.Open(a.s.t.Context(), []byte(a.p.key))
		if err != nil {
			a.s.t.Fatal(err)
		}
		defer r.Close()
		tail := make([]byte, 100)
		if k, err := r.ReadAt(tail, r.Size()-100); k != 100 || err != nil || !strings.HasSuffix(a.p.value, string(tail)) {
			a.s.t.Fatalf("the end of the value: %d bytes, %v", k, err)
		}
	},
	"HeaderFailure": func(a assault) {
		for _, cut := range []int{1, 40, len(a.p.raw) / 2, len(a.p.raw) - 1} {
			a.s.put(a.p, a.p.raw[:len(a.p.raw)-cut])
			a.shut(fmt.Sprintf("%d bytes of the head cut", cut))
		}
		a.head("another chunk size", func(e *codec.Envelope) { e.Blob.ChunkSize *= 2 })
		a.head("another blob", func(e *codec.Envelope) { e.Blob.ID[15] ^= 1 })
		a.head("another time", func(e *codec.Envelope) { e.Written++ })
		a.head("another recipient", func(e *codec.Envelope) { e.Recipients[0].Number += 1000 })
	},
	"InvalidKeySize": func(a assault) {
		a.head("a shorter wrap", func(e *codec.Envelope) {
			w := &e.Recipients[len(e.Recipients)-1].Wrap
			*w = (*w)[:len(*w)-1]
		})
		a.head("a longer wrap", func(e *codec.Envelope) {
			w := &e.Recipients[len(e.Recipients)-1].Wrap
			*w = append(bytes.Clone(*w), 0)
		})
	},
	"WrongKey": func(a assault) {
		for _, d := range a.s.records {
			if d.key != "long" || d.String() == a.p.String() {
				continue
			}
			_, others := a.s.chunksOf(d)
			a.chunksAs("the chunks of "+d.String(), 0, others...)
			a.chunksAs("the second chunk of "+d.String(), chunk, with(a.chunks, 1, others[1])...)
		}
	},
	"WrongContext": func(a assault) {
		for _, d := range a.s.records {
			if d.key == "long" && d.String() != a.p.String() {
				a.s.put(a.p, d.raw)
				a.shut("the manifest of " + d.String())
			}
		}
	},
	// A valid message, to begin with: the counter of its chunks goes beyond one byte.
	"CounterRollover": func(a assault) {
		if a.p.n.Name() != "jira/comments" {
			return // it is long
		}
		value := content(257*chunk+1, 1)
		mustCreate(a.s.t, a.p.n, "rollover", value)
		wantContent(a.s.t, a.p.n, "rollover", value)
		wantValue(a.s.t, a.p.n, "rollover", string(value))
		at := recordKey(a.p.n.Tenant(), a.p.n.Name(), "rollover")
		long := assault{s: a.s, p: planted{n: a.p.n, key: "rollover", value: string(value), at: at, raw: rawGet(a.s.t, a.s.engine, at)}}
		long.keys, long.chunks = a.s.chunksOf(long.p)
		c := long.chunks
		long.chunksAs("the one that rolls over as the first", 0, with(c, 0, c[256])...)
		long.chunksAs("the first as the one that rolls over", 256*chunk, with(c, 256, c[0])...)
		if err := errors.Join(a.p.n.Delete(a.s.t.Context(), []byte("rollover")), a.s.Collect(a.s.t.Context())); err != nil {
			a.s.t.Fatal(err)
		}
	},
}

// Every attack that Wycheproof's vectors for chunked encryption are of, on values of every kind
// of namespace: a typed error, and no byte beyond the good prefix.
func TestTamperedStreams(t *testing.T) {
	var flags []string
	for flag := range wycheproofFlags(t) {
		if assaults[flag] == nil {
			t.Errorf("no attack for Wycheproof's %s", flag)
		}
		flags = append(flags, flag)
	}
	if len(flags) != len(assaults) {
		t.Errorf("attacks %v, flags %v", slices.Sorted(maps.Keys(assaults)), flags)
	}
	eachSuite(t, func(t *testing.T, s *scene) { s.tamperedStreams(flags) })
}

func (s *scene) tamperedStreams(flags []string) {
	for _, flag := range flags {
		s.t.Run(flag, func(t *testing.T) {
			s := *s
			s.world = &world{t: t, dir: s.dir, roots: s.roots, opts: s.opts, Store: s.Store}
			for _, name := range []string{"jira/comments", "jira/attachments", "jira/cached-content"} {
				p := s.record("acme", name, "long")
				keys, chunks := s.chunksOf(p)
				assaults[flag](assault{&s, p, keys, chunks})
				s.arrange(keys, chunks)
				s.restore(p)
				wantContent(t, p.n, p.key, []byte(p.value))
			}
		})
	}
}

// wycheproofFlags are the flags of all vectors for chunked encryption.
func wycheproofFlags(t *testing.T) map[string]bool {
	files, err := fs.Glob(wycheproof.TestVectors, "*chunked_encryption*.json")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	flags := map[string]bool{}
	for _, file := range files {
		raw, err := fs.ReadFile(wycheproof.TestVectors, file)
		if err != nil {
			t.Fatal(err)
		}
		var vectors struct {
			TestGroups []struct{ Tests []struct{ Flags []string } }
		}
		if err := json.Unmarshal(raw, &vectors); err != nil {
			t.Fatal(err)
		}
		for _, group := range vectors.TestGroups {
			for _, test := range group.Tests {
				for _, flag := range test.Flags {
					flags[flag] = true
				}
			}
		}
	}
	if len(flags) == 0 {
		t.Fatal("no vectors")
	}
	return flags
}

// Around every seam of sizes: the good prefix ends where the first chunk is another one, and no head
// that says another size opens.
func TestTamperedSizes(t *testing.T) {
	e := newKept()
	s := &scene{engine: e, world: newWorld(t, store.Options{Engine: e, Inline: -1, Rewrap: store.RewrapOff}, "acme")}
	n := s.ns("acme", "jira/attachments")
	for _, size := range []int{1, chunk - 1, chunk, chunk + 1, 2*chunk - 1, 2 * chunk, 2*chunk + 1, 3*chunk - 1, 3 * chunk, 3*chunk + 1} {
		value, at := content(size, 1), recordKey("acme", n.Name(), "k")
		mustCreate(t, n, "k", value)
		a := assault{s: s, p: planted{n: n, key: "k", value: string(value), at: at, raw: rawGet(t, e, at)}}
		a.keys, a.chunks = s.chunksOf(a.p)
		last := len(a.chunks) - 1
		if last != (size-1)/chunk {
			t.Fatalf("%d bytes in %d chunks", size, last+1)
		}
		for i, c := range a.chunks {
			what := fmt.Sprintf("chunk %d of %d bytes ", i, size)
			a.chunksAs(what+"missing", i*chunk, with(a.chunks, i, nil)...)
			a.chunksAs(what+"cut", i*chunk, with(a.chunks, i, c[:len(c)-1])...)
			a.chunksAs(what+"without a byte before its tag", i*chunk, with(a.chunks, i, slices.Delete(bytes.Clone(c), len(c)-17, len(c)-16))...)
			a.chunksAs(what+"extended", i*chunk, with(a.chunks, i, append(bytes.Clone(c), 0))...)
			if i < last {
				a.chunksAs(what+"doubled", (i+1)*chunk, with(a.chunks, i+1, c)...)
				a.chunksAs(what+"swapped", i*chunk, with(with(a.chunks, i, a.chunks[i+1]), i+1, c)...)
			}
		}
		after := bytes.Clone(a.keys[last])
		after[len(after)-1]++
		rawSet(t, e, after, a.chunks[last])
		wantContent(t, n, "k", value) // the size says where it ends
		for _, other := range []int{0, size - 1, size + 1, size - chunk, size + chunk, last * chunk, (last + 1) * chunk, (last+1)*chunk + 1, (last + 2) * chunk} {
			if other >= 0 && other != size {
				a.head(fmt.Sprintf("%d bytes as %d", size, other), func(e *codec.Envelope) { e.Blob.Size = uint64(other) })
			}
		}
		s.put(a.p, a.p.raw)
		wantContent(t, n, "k", value)
		if err := errors.Join(n.Delete(t.Context(), []byte("k")), s.Collect(t.Context())); err != nil {
			t.Fatal(err)
		}
		wantNoChunks(t, e)
	}
}

// The empty value has one chunk, and is not read without it.
func TestTamperedEmptyStream(t *testing.T) {
	e := newKept()
	w := newWorld(t, store.Options{Engine: e, Inline: -1, Rewrap: store.RewrapOff}, "acme")
	n := w.ns("acme", "jira/attachments")
	mustCreate(t, n, "empty", nil)
	keys, chunks := rawAll(t, e, codec.KindChunk)
	mustCreate(t, n, "other", nil)
	_, both := rawAll(t, e, codec.KindChunk)
	if len(keys) != 1 || len(chunks[0]) != codec.TagLen || len(both) != 2 {
		t.Fatalf("%d chunks, then %d", len(keys), len(both))
	}
	others := slices.DeleteFunc(both, func(c []byte) bool { return bytes.Equal(c, chunks[0]) })[0]
	for what, lie := range map[string][]byte{
		"missing": nil, "another's": others, "cut": chunks[0][1:], "longer": append(bytes.Clone(chunks[0]), 0), "flipped": flip(chunks[0], 3),
	} {
		rawSet(t, e, keys[0], lie)
		r := mustOpen(t, n, "empty")
		for range 2 {
			if k, err := r.Read(make([]byte, 10)); k != 0 || !typed(err) || errors.Is(err, io.EOF) {
				t.Fatalf("%s: %d bytes, %v", what, k, err)
			}
		}
		if k, err := r.WriteTo(io.Discard); k != 0 || !typed(err) {
			t.Fatalf("%s: WriteTo: %d bytes, %v", what, k, err)
		}
		if k, err := r.ReadAt(make([]byte, 10), 0); k != 0 || !typed(err) {
			t.Fatalf("%s: ReadAt: %d bytes, %v", what, k, err)
		}
		wantError(t, n, "empty", store.ErrAuthentication)
		rawSet(t, e, keys[0], chunks[0])
	}
	wantContent(t, n, "empty", nil)
}

// An earlier content of the same key: its chunks in the place of the later ones', and the other
// way round.
func TestSplicedEarlierContent(t *testing.T) { eachSuite(t, testSplicedEarlierContent) }

func testSplicedEarlierContent(t *testing.T, s *scene) {
	p := s.record("acme", "jira/attachments", "long")
	earlierKeys, earlier := s.chunksOf(p)
	s.plant(p.n, "long", 150_001)
	a := assault{s: s, p: s.records[len(s.records)-1]}
	a.keys, a.chunks = s.chunksOf(a.p)
	for i := range earlier {
		a.chunksAs(fmt.Sprintf("chunk %d of the earlier content", i), i*chunk, with(a.chunks, i, earlier[i])...)
	}
	s.arrange(earlierKeys, a.chunks)
	a.p.value = p.value
	s.put(a.p, p.raw)
	a.good("the earlier manifest with the later chunks", 0)
}
