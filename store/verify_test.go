package store_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
)

func verify(t *testing.T, w *world, opts store.VerifyOptions) *store.Verification {
	t.Helper()
	v, err := w.Verify(t.Context(), &opts)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerify(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 1 << 10, Engine: newKept()}, "acme", "globex")
	settle(t, w, "acme")
	settle(t, w, "globex")
	check := func(w *world, opts store.VerifyOptions, rows int, opened, dark uint64) {
		t.Helper()
		v := verify(t, w, opts)
		if len(v.Rows) != rows || v.Bad() != 0 || v.Leftover != 0 {
			t.Fatalf("%+v", v)
		}
		var sum store.Verified
		for _, row := range v.Rows {
			sum.Records, sum.Blobs = sum.Records+row.Records, sum.Blobs+row.Blobs
			sum.Opened, sum.Dark = sum.Opened+row.Opened, sum.Dark+row.Dark
		}
		if want := uint64(2 * rows); sum.Records != want || sum.Blobs != want/2 || sum.Opened != opened || sum.Dark != dark {
			t.Fatalf("%+v", v)
		}
	}
	check(w, store.VerifyOptions{}, 6, 12, 0)
	check(w, store.VerifyOptions{HeadsOnly: true}, 6, 0, 0)
	check(w, store.VerifyOptions{Tenant: "acme"}, 3, 6, 0)
	check(w, store.VerifyOptions{Tenant: "acme", Namespace: "jira/comments"}, 1, 2, 0)
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(w, store.VerifyOptions{}, 6, 8, 4)
	for e := range w.Audit(0) {
		if e.Act == "tenant.fallback" {
			t.Error("to verify a revoked tenant's records the platform's key was used")
		}
	}
	w.Close()
	w.opts.Inspect = true
	w.reopen()
	check(w, store.VerifyOptions{}, 6, 0, 0)
}

// Everything that can be wrong with a record, and whether it shows without keys.
func TestVerifyFinds(t *testing.T) {
	for what, c := range map[string]struct {
		damage  func(t *testing.T, e engine.Engine, record, raw []byte)
		key     string
		keyless bool // it shows
	}{
		"a flipped bit": {func(t *testing.T, e engine.Engine, record, raw []byte) {
			raw[len(raw)-1] ^= 1
			rawSet(t, e, record, raw)
		}, "k", false},
		"no envelope": {func(t *testing.T, e engine.Engine, record, _ []byte) { rawSet(t, e, record, []byte("none")) }, "k", true},
		"another record's": {func(t *testing.T, e engine.Engine, record, raw []byte) {
			rawSet(t, e, append(bytes.Clone(record), '2'), raw)
		}, "k2", false},
		"another namespace's": {func(t *testing.T, e engine.Engine, record, _ []byte) {
			rawSet(t, e, record, rawGet(t, e, recordKey("acme", "jira/attachment-metadata", "k")))
		}, "k", true},
		"a chunk too few": {func(t *testing.T, e engine.Engine, _, _ []byte) {
			keys, _ := commentChunks(t, e)
			rawSet(t, e, keys[len(keys)-1], nil)
		}, "large", true},
		"a chunk too many": {func(t *testing.T, e engine.Engine, _, _ []byte) {
			keys, chunks := commentChunks(t, e)
			after := bytes.Clone(keys[len(keys)-1])
			after[len(after)-1]++
			rawSet(t, e, after, chunks[0])
		}, "large", true},
		"a short chunk": {func(t *testing.T, e engine.Engine, _, _ []byte) {
			keys, chunks := commentChunks(t, e)
			rawSet(t, e, keys[0], chunks[0][1:])
		}, "large", true},
		"a flipped bit of a chunk": {func(t *testing.T, e engine.Engine, _, _ []byte) {
			keys, chunks := commentChunks(t, e)
			chunks[1][77] ^= 1
			rawSet(t, e, keys[1], chunks[1])
		}, "large", false},
		"no entry in the journal": {func(t *testing.T, e engine.Engine, _, _ []byte) {
			keys, _ := rawAll(t, e, codec.KindJournal)
			for _, key := range keys {
				if bytes.Contains(key, []byte("jira/comments")) {
					rawSet(t, e, key, nil)
				}
			}
		}, "large", true},
	} {
		t.Run(what, func(t *testing.T) {
			e := newKept()
			w := newWorld(t, store.Options{Inline: 1 << 10, Engine: e}, "acme")
			settle(t, w, "acme")
			record := recordKey("acme", "jira/comments", "k")
			c.damage(t, e, record, rawGet(t, e, record))
			for _, headsOnly := range []bool{false, true} {
				var failed []string
				v := verify(t, w, store.VerifyOptions{HeadsOnly: headsOnly, Failed: func(tenant, namespace string, key []byte, err error) {
					failed = append(failed, fmt.Sprintf("%s %s %s", tenant, namespace, key))
				}})
				shows := !headsOnly || c.keyless
				if (v.Bad() > 0) != shows || shows && fmt.Sprint(failed) != "[acme jira/comments "+c.key+"]" {
					t.Errorf("heads only %v: %+v, failed %v", headsOnly, v, failed)
				}
			}
		})
	}
}

func commentChunks(t *testing.T, e engine.Reader) (keys, chunks [][]byte) {
	t.Helper()
	all, values := rawAll(t, e, codec.KindChunk)
	for i, key := range all {
		if bytes.Contains(key, []byte("jira/comments")) {
			keys, chunks = append(keys, key), append(chunks, values[i])
		}
	}
	return keys, chunks
}

// Blobs that no value needs, those that nothing will collect, and what is no key of a store.
func TestVerifyCountsWhatIsLeftOver(t *testing.T) {
	e := newKept()
	w := newWorld(t, store.Options{Inline: 1 << 10, Engine: e}, "acme")
	n := w.ns("acme", "jira/comments")
	for i := range 3 {
		mustPut(t, n, fmt.Sprint("large", i), string(make([]byte, 200_000)))
	}
	if err := n.Delete(t.Context(), []byte("large0")); err != nil {
		t.Fatal(err)
	}
	mustPut(t, n, "large1", "small now")
	journal, _ := rawAll(t, e, codec.KindJournal)
	if v := verify(t, w, store.VerifyOptions{}); v.Leftover != uint64(len(journal)-1) || v.Leftover == 0 || v.Bad() != 0 {
		t.Errorf("%+v", v)
	}
	rawSet(t, e, journal[0], nil)
	rawSet(t, e, []byte("\x10no key"), []byte("x"))
	if v := verify(t, w, store.VerifyOptions{}); v.Stray != 1 || v.Unread != 1 || v.Bad() < 2 {
		t.Errorf("%+v", v)
	}
}

// A root that revoked, and has vouched again since, is asked: what it was last seen to say makes nothing dark.
func TestVerifyAsksTheRoot(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	verify := func(opened, dark uint64) {
		t.Helper()
		v, err := w.Verify(t.Context(), nil)
		if err != nil || v.Rows[0].Opened != opened || v.Rows[0].Dark != dark {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	w.roots["test://acme"].SetError(root.ErrRevoked)
	w.reopen()
	wantError(t, w.ns("acme", "jira/comments"), "k", store.ErrKeyRevoked)
	verify(0, 1)
	w.roots["test://acme"].SetError(nil)
	w.reopen()
	verify(1, 0)
}

// Verify is no user: what it opens is not counted as opened by one, and moves nothing; and it takes more
// than a page of long values, and of chunks.
func TestVerifyIsNoUser(t *testing.T) {
	e := newKept()
	w := newWorld(t, store.Options{Engine: e, Rewrap: store.RewrapInline}, "acme")
	n := w.ns("acme", "jira/comments")
	const chunked, records = 257 * chunk, 20
	mustCreate(t, n, "k", content(chunked, 1))
	for i := range records {
		mustPut(t, n, fmt.Sprint("inline ", i), string(content(200_000, uint64(i))))
	}
	rotate(t, w)
	before, manifest := w.Stats().Operations, rawGet(t, e, recordKey("acme", "jira/comments", "k"))
	report, err := w.Verify(t.Context(), nil)
	if err != nil || len(report.Rows) != 1 || report.Bad() != 0 || report.Rows[0].Opened != records+1 || report.Rows[0].Blobs != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	if !bytes.Equal(rawGet(t, e, recordKey("acme", "jira/comments", "k")), manifest) {
		t.Error("it was brought under other keys")
	}
	for op, stats := range w.Stats().Operations {
		if !slices.Equal(stats.Outcomes, before[op].Outcomes) {
			t.Errorf("%v: %v, there were %v", store.Operation(op), stats.Outcomes, before[op].Outcomes)
		}
	}
}
