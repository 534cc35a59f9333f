package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// packed is a rule's domain and compression, for policy.
func packed(domain, compression string) string { return domain + "\n  compression: " + compression }

// jsonRecord is a short record as issue trackers have them: keys repeat, values do not.
func jsonRecord(i int) string {
	r := rand.New(rand.NewPCG(uint64(i), 7))
	return fmt.Sprintf(`{"id":%d,"author":{"accountId":"%016x","displayName":"User %d","active":true},"created":"2026-%02d-%02dT10:%02d:00.000+0000","visibility":{"type":"role","value":"Developers"},"jsdPublic":true,"parent":%d}`,
		r.IntN(1e9), r.Uint64(), r.IntN(500), 1+r.IntN(12), 1+r.IntN(28), r.IntN(60), r.IntN(1e6))
}

// fillJSON writes so many records in batches.
func fillJSON(t *testing.T, n *store.Namespace, w *world, count int) {
	t.Helper()
	b := w.NewBatch()
	for i := range count {
		if err := b.Put(n, fmt.Appendf(nil, "k%05d", i), []byte(jsonRecord(i))); err != nil {
			t.Fatal(err)
		}
		if b.Len() == 50 || i == count-1 {
			if err := b.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.Reset()
		}
	}
}

func wantJSON(t *testing.T, n *store.Namespace, count int) {
	t.Helper()
	for i := range count {
		wantValue(t, n, fmt.Sprintf("k%05d", i), jsonRecord(i))
	}
}

func headOf(t *testing.T, w *world, key string) store.Head {
	t.Helper()
	h, err := w.Head(t.Context(), "acme", "jira/comments", []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func mustTrain(t *testing.T, n *store.Namespace) uint32 {
	t.Helper()
	d, err := n.TrainDictionary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d.Number
}

// dictionaries are the numbers of those of a namespace, the oldest first.
func dictionaries(t *testing.T, n *store.Namespace) (numbers []uint32) {
	t.Helper()
	list, err := n.Dictionaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		numbers = append(numbers, d.Number)
	}
	return numbers
}

func mustVerify(t *testing.T, w *world, opts *store.VerifyOptions) *store.Verification {
	t.Helper()
	v, err := w.Verify(t.Context(), opts)
	if err != nil || v.Bad() > 0 {
		t.Fatalf("%+v, %v", v, err)
	}
	return v
}

// Whatever the value, the compression, the suite and the domain: it reads as it was written, in every way
// of reading, and is never longer for it.
func TestCompressedRoundTrip(t *testing.T) {
	for _, domain := range []string{"tenant", "platform", "both"} {
		for _, compression := range []string{"none", "zstd", "zstd-dict"} {
			for _, suite := range suites {
				t.Run(domain+" "+compression+" "+suite.String(), func(t *testing.T) {
					w := policyWorld(t, packed(domain, compression)+"\n  suite: "+suite.String(), store.Options{NoSync: true, Engine: mem.New(), Inline: store.DefaultInline})
					n := w.ns("acme", "jira/comments")
					fillJSON(t, n, w, 200)
					if compression == "zstd-dict" {
						mustTrain(t, n)
					}
					rapid.Check(t, func(rt *rapid.T) { checkRoundTrip(t, rt, w, n) })
				})
			}
		}
	}
}

func values() *rapid.Generator[[]byte] {
	return rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 0, 300),
		rapid.Map(rapid.IntRange(0, 1e6), func(i int) []byte { return []byte(jsonRecord(i)) }),
		rapid.Custom(func(t *rapid.T) []byte {
			part := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "part")
			return bytes.Repeat(part, rapid.IntRange(1, store.DefaultInline/len(part)).Draw(t, "times"))
		}),
	)
}

func checkRoundTrip(t *testing.T, rt *rapid.T, w *world, n *store.Namespace) {
	ctx, key := t.Context(), []byte("drawn")
	value, before := values().Draw(rt, "value"), values().Draw(rt, "before")
	if rapid.Bool().Draw(rt, "in a batch") {
		b := w.NewBatch()
		if err := errors.Join(b.Put(n, key, value), b.Commit(ctx)); err != nil {
			rt.Fatal(err)
		}
	} else if err := n.Put(ctx, key, value); err != nil {
		rt.Fatal(err)
	}
	got, err := n.GetInto(ctx, key, bytes.Clone(before))
	if err != nil || !bytes.Equal(got, append(before, value...)) {
		rt.Fatalf("GetInto: %d bytes, %v", len(got), err)
	}
	for e, err := range n.Scan(ctx, &store.ScanOptions{Prefix: key}) {
		if got, failed := e.Value(); err != nil || failed != nil || !bytes.Equal(got, value) {
			rt.Fatalf("Scan: %d bytes, %v, %v", len(got), err, failed)
		}
	}
	r, err := n.Open(ctx, key)
	if err != nil {
		rt.Fatal(err)
	}
	defer r.Close()
	if read := make([]byte, len(value)); r.Size() != int64(len(value)) {
		rt.Fatalf("Open: %d bytes", r.Size())
	} else if _, err := r.ReadAt(read, 0); err != nil || !bytes.Equal(read, value) {
		rt.Fatalf("ReadAt: %v", err)
	}
	if h := headOf(t, w, string(key)); h.Bytes > uint64(len(value)) || len(h.Envelope) > len(value)+maxOverhead && !h.Content {
		rt.Fatalf("a value of %d bytes has an envelope of %d", len(value), len(h.Envelope))
	}
	if err := n.CompareAndSwap(ctx, key, value, before); err != nil {
		rt.Fatal(err)
	}
	if got, err := n.Get(ctx, key); err != nil || !bytes.Equal(got, before) {
		rt.Fatalf("after the swap: %d bytes, %v", len(got), err)
	}
}

// A dictionary's life: what is written after it was trained names it, what was is moved when it is read
// and the rest by a sweep; a newer one takes its place, and the sweep drops it once nobody names it.
func TestDictionaryLife(t *testing.T) {
	for _, domain := range []string{"tenant", "platform", "both"} {
		t.Run(domain, func(t *testing.T) { testDictionaryLife(t, domain) })
	}
}

func testDictionaryLife(t *testing.T, domain string) {
	w := policyWorld(t, packed(domain, "zstd-dict"), store.Options{Rewrap: store.RewrapInline})
	n := w.ns("acme", "jira/comments")
	const count = 300
	fillJSON(t, n, w, count)
	mustPut(t, n, "long", strings.Repeat("in chunks ", 10_000))
	if h := headOf(t, w, "k00000"); h.Dictionary != 0 || len(dictionaries(t, n)) != 0 {
		t.Fatalf("%+v before a dictionary was trained", h)
	}
	first := mustTrain(t, n)
	mustPut(t, n, "new", jsonRecord(5))
	if h := headOf(t, w, "new"); h.Dictionary != first || h.Bytes*2 > uint64(len(jsonRecord(5))) {
		t.Fatalf("written with dictionary %d: %+v", first, h)
	}
	sweep(t, w, nil)
	stored := uint64(0)
	for i := range count {
		h := headOf(t, w, fmt.Sprintf("k%05d", i))
		stored += h.Bytes
		if h.Dictionary != first {
			t.Fatalf("after the sweep: %+v", h)
		}
	}
	t.Logf("%d bytes of values of %d", stored, count*len(jsonRecord(0)))
	wantJSON(t, n, count)

	second := mustTrain(t, n)
	if got := dictionaries(t, n); len(got) != 2 || got[0] != first || got[1] != second {
		t.Fatalf("dictionaries %v, want %d and %d", got, first, second)
	}
	snapshot, err := w.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	reader, err := n.Open(t.Context(), []byte("k00001"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	wantValue(t, n, "k00007", jsonRecord(7))
	if h := headOf(t, w, "k00007"); h.Dictionary != second {
		t.Fatalf("read, and not moved: %+v", h)
	}
	if h := headOf(t, w, "k00008"); h.Dictionary != first {
		t.Fatalf("moved, and not read: %+v", h)
	}
	w.tenant("acme").RotateDataKeys(t.Context())
	done := sweep(t, w, nil)
	if got := dictionaries(t, n); len(got) != 1 || got[0] != second {
		t.Fatalf("dictionaries %v after the sweep, want %d alone", got, second)
	}
	records, counted := uint64(0), uint64(0)
	for _, c := range done[0].Counts {
		counted += c.Records
	}
	if records = done[0].Records; counted != (records+1)*map[string]uint64{"tenant": 1, "platform": 1, "both": 2}[domain] {
		t.Fatalf("%d records and a dictionary are counted as %+v", records, done[0].Counts)
	}
	wantJSON(t, n, count)

	// What read before the sweep still reads, though its dictionary is gone.
	got, err := snapshot.Get(t.Context(), n, []byte("k00008"))
	if err != nil || string(got) != jsonRecord(8) {
		t.Fatalf("from the snapshot: %q, %v", got, err)
	}
	read := make([]byte, reader.Size())
	if _, err := reader.ReadAt(read, 0); err != nil || string(read) != jsonRecord(1) {
		t.Fatalf("from the reader: %q, %v", read, err)
	}
	snapshot.Close()
	reader.Close()

	w.reopen()
	n = w.ns("acme", "jira/comments")
	wantJSON(t, n, count)
	rows, _ := covering(t, w.Store, store.CoverageOptions{Exact: true})
	t.Log(rows)
	for _, c := range coverage(t, w) {
		if c.State == "draining" && c.Namespace == "jira/comments" {
			if err := w.tenant("acme").RetireDataKey(t.Context(), c.Namespace, c.Number, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.reopen()
	n = w.ns("acme", "jira/comments")
	wantJSON(t, n, count)
	if v := mustVerify(t, w, nil); v.Rows[0].Dictionaries != 1 || v.Rows[0].Records != count+2 {
		t.Fatalf("%+v", v.Rows)
	}
	usage, err := w.Usage(t.Context(), "acme")
	if err != nil || len(usage) != 1 || usage[0].Dictionaries != 1 || usage[0].Records != count+2 {
		t.Fatalf("%+v, %v", usage, err)
	}

	apply(t, w, 2, packed(domain, "none"), false)
	sweep(t, w, nil)
	if got := dictionaries(t, n); len(got) != 0 {
		t.Fatalf("dictionaries %v, and the policy wants none", got)
	}
	if h := headOf(t, w, "k00003"); h.Flags != 0 {
		t.Fatalf("compressed, and the policy wants none: %+v", h)
	}
	wantJSON(t, n, count)
}

// A key is not retired while a dictionary is under it, though no record is.
func TestDictionaryHoldsItsKey(t *testing.T) {
	kept := newKept()
	w := policyWorld(t, packed("tenant", "zstd-dict"), store.Options{Rewrap: store.RewrapOff, Engine: kept})
	n := w.ns("acme", "jira/comments")
	fillJSON(t, n, w, 100)
	number := mustTrain(t, n)
	sweep(t, w, nil)
	key := codec.AppendDictionaryKey(nil, codec.AppendPrefix(nil, codec.KindDictionary, "acme", "jira/comments"), number)
	old := rawGet(t, kept, key)
	rotated := rotateAcme(t, w)
	sweep(t, w, nil)
	rawSet(t, kept, key, old) // as it was, under the old key
	rows, _ := covering(t, w.Store, store.CoverageOptions{Exact: true})
	if text := strings.Join(rows, "\n"); !strings.Contains(text, "1 records are under it") {
		t.Fatalf("coverage does not know of the dictionary:\n%s", text)
	}
	done := sweep(t, w, &store.SweepOptions{Again: true})
	if got := done[0].Counts; len(got) != 1 || got[0].Key != rotated[0].To {
		t.Fatalf("the sweep has left %+v", got)
	}
	if bytes.Equal(rawGet(t, kept, key), old) {
		t.Fatal("the dictionary is where it was")
	}
	if err := w.tenant("acme").RetireDataKey(t.Context(), "jira/comments", rotated[0].From, false); err != nil {
		t.Fatal(err)
	}
	wantJSON(t, n, 100)
}

// A sweep trains the first dictionary and compresses what was written before the policy wanted that; of a
// namespace with little in it, it trains none.
func TestSweepTrains(t *testing.T) {
	w := policyWorld(t, "tenant", store.Options{})
	n := w.ns("acme", "jira/comments")
	fillJSON(t, n, w, 10)
	apply(t, w, 2, packed("tenant", "zstd-dict"), false)
	sweep(t, w, nil)
	if got := dictionaries(t, n); len(got) != 0 {
		t.Fatalf("dictionaries %v of ten values", got)
	}
	fillJSON(t, n, w, 200)
	done := sweep(t, w, &store.SweepOptions{Again: true})
	number := dictionaries(t, n)
	if len(number) != 1 || done[0].Rewrapped != 200 || done[0].Dictionary != number[0] {
		t.Fatalf("dictionaries %v, %+v", number, done[0])
	}
	if h := headOf(t, w, "k00003"); h.Dictionary != number[0] {
		t.Fatalf("%+v", h)
	}
	wantJSON(t, n, 200)
	if done := sweep(t, w, nil); !done[0].Kept {
		t.Fatalf("swept again for nothing: %+v", done[0])
	}
	mustTrain(t, n)
	if done := sweep(t, w, nil); done[0].Kept || done[0].Rewrapped != 200 {
		t.Fatalf("a newer dictionary is no reason to sweep: %+v", done[0])
	}
}

// Once enough was written without one, a dictionary is trained in the background.
func TestTrainedInTheBackground(t *testing.T) {
	w := policyWorld(t, packed("tenant", "zstd-dict"), store.Options{NoSync: true})
	n := w.ns("acme", "jira/comments")
	fillJSON(t, n, w, 1100)
	until(t, "a dictionary is trained", func() bool { return len(dictionaries(t, n)) == 1 })
	until(t, "it is used", func() bool {
		mustPut(t, n, "new", jsonRecord(1))
		return headOf(t, w, "new").Dictionary != 0
	})
	wantJSON(t, n, 1100)
}

func TestTrainIsRefused(t *testing.T) {
	w := policyWorld(t, packed("tenant", "zstd"), store.Options{})
	n := w.ns("acme", "jira/comments")
	if _, err := n.TrainDictionary(t.Context()); !errors.Is(err, store.ErrNotCompressed) {
		t.Fatalf("without a policy that wants one: %v", err)
	}
	apply(t, w, 2, packed("tenant", "zstd-dict"), false)
	if _, err := n.TrainDictionary(t.Context()); !errors.Is(err, store.ErrNoGain) {
		t.Fatalf("of nothing: %v", err)
	}
	noise := rand.NewChaCha8([32]byte{})
	for i := range 100 {
		value := make([]byte, 400)
		noise.Read(value)
		mustPut(t, n, fmt.Sprint(i), string(value))
	}
	if _, err := n.TrainDictionary(t.Context()); !errors.Is(err, store.ErrNoGain) {
		t.Fatalf("of noise: %v", err)
	}
	mustPut(t, n, "text", strings.Repeat("again and ", 90))
	if h := headOf(t, w, "text"); h.Flags != codec.FlagZstd || h.Dictionary != 0 {
		t.Fatalf("a compressible value, without a dictionary: %+v", h)
	}
	if h := headOf(t, w, "7"); h.Flags != 0 {
		t.Fatalf("noise: %+v", h)
	}
	for key, tenant := range map[string]string{"read-only": "acme"} {
		w.opts.ReadOnly = true
		w.reopen()
		if _, err := w.ns(tenant, "jira/comments").TrainDictionary(t.Context()); !errors.Is(err, store.ErrReadOnly) {
			t.Fatalf("%s: %v", key, err)
		}
	}
}

// Puts and Gets of compressed values allocate nothing.
func TestCompressingAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, compression := range []string{"zstd", "zstd-dict"} {
		t.Run(compression, func(t *testing.T) {
			w := policyWorld(t, packed("tenant", compression), store.Options{NoSync: true, Rewrap: store.RewrapOff})
			n := w.ns("acme", "jira/comments")
			fillJSON(t, n, w, 200)
			if compression == "zstd-dict" {
				mustTrain(t, n)
			}
			key, value, room := []byte("k"), []byte(jsonRecord(1)+jsonRecord(2)+jsonRecord(1)), make([]byte, 0, 4<<10)
			put := func() {
				if err := n.Put(t.Context(), key, value); err != nil {
					t.Fatal(err)
				}
			}
			put()
			if h := headOf(t, w, "k"); h.Flags == 0 {
				t.Fatalf("not compressed: %+v", h)
			}
			get := func() {
				if got, err := n.GetInto(t.Context(), key, room); err != nil || len(got) != len(value) {
					t.Fatal(err)
				}
			}
			if got := testing.AllocsPerRun(2000, put); got != 0 {
				t.Errorf("Put allocates %v times", got)
			}
			if got := testing.AllocsPerRun(2000, get); got != 0 {
				t.Errorf("Get allocates %v times", got)
			}
		})
	}
}
