package store_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// A haul is what somebody knows who had a store's keys: data keys, and the content keys that they
// unwrapped of what was in the engine.
type haul struct {
	*burglar
	contents [][]byte
}

func (w *world) haul(e engine.Engine) haul {
	w.t.Helper()
	h := haul{burglar: rob(w.t, filepath.Join(w.dir, "keyring.db"), w.roots)}
	h.eachRecord(e, func(at []byte, env *codec.Envelope) {
		for _, r := range env.Recipients {
			content, err := h.open(h.data[r.Number].bytes, codec.LabelWrap, env.Suite, r.Wrap, env.AppendWrapAAD(nil, &h.store, at, r.Number))
			h.must(err)
			h.contents = append(h.contents, content)
		}
	})
	return h
}

func (h *haul) open(key []byte, label codec.Label, suite codec.Suite, sealed, aad []byte) ([]byte, error) {
	if key == nil {
		return nil, errors.New("no such key")
	}
	return h.aead(suite, key, label, func(a aead) ([]byte, error) {
		return a.Open(nil, sealed[:codec.NonceLen], sealed[codec.NonceLen:], aad)
	})
}

func (h *haul) eachRecord(e engine.Engine, fn func(at []byte, env *codec.Envelope)) {
	at, raw := rawAll(h.t, e, codec.KindRecord)
	for i := range at {
		var env codec.Envelope
		h.must(env.Parse(raw[i]))
		fn(at[i], &env)
	}
}

// opens is how many records and chunks in the engine open to what is known.
func (h *haul) opens(e engine.Engine) (opened int) {
	h.t.Helper()
	h.eachRecord(e, func(at []byte, env *codec.Envelope) {
		numbers := []uint32{env.Number}
		for _, r := range env.Recipients {
			numbers = append(numbers, r.Number)
		}
		for _, number := range numbers {
			if h.data[number].bytes != nil {
				opened++
			}
		}
		for _, content := range h.contents {
			mac := hmac.New(sha256.New, derived(content, codec.LabelHead))
			mac.Write(env.AppendHeadMAC(nil, &h.store, at))
			if env.HasContentKey() && hmac.Equal(mac.Sum(nil), env.HeadMAC) {
				opened++
			}
		}
	})
	return opened
}

// After RotateCompromised nothing in the engine opens to somebody who knows all keys from before:
// neither data keys, nor content keys that they once wrapped, also where other data keys have wrapped
// them since.
func TestRotateCompromised(t *testing.T) {
	for _, domain := range []string{"tenant", "platform", "both"} {
		for _, suite := range suites {
			t.Run(fmt.Sprint(domain, " ", suite), func(t *testing.T) { testRotateCompromised(t, domain, suite) })
		}
	}
}

func testRotateCompromised(t *testing.T, domain string, suite scope.Suite) {
	e := newKept()
	w := policyWorld(t, ofSuite(domain, suite), store.Options{Engine: e, Rewrap: store.RewrapOff})
	n := w.ns("acme", "jira/comments")
	fill(t, n, 20)
	blob := content(200_000, 7)
	mustCreate(t, n, "blob", blob)
	first := w.haul(e)
	rotateAcme(t, w)
	sweep(t, w, nil) // manifests are wrapped anew, with the content keys of before
	known := w.haul(e)
	known.contents = append(known.contents, first.contents...)
	maps.Copy(known.data, first.data)
	if known.opens(e) == 0 {
		t.Fatal("the test sees nothing")
	}
	was, err := w.tenant("acme").Info()
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.tenant("acme").RotateCompromised(t.Context(), &store.CompromiseOptions{Retire: true})
	if err != nil || c.Continued || c.TenantKey != was.KeyVersion+1 || len(c.Rotated) == 0 || len(c.Exposed) != 0 || len(c.Retired) < len(c.Rotated) {
		t.Fatalf("%+v, %v", c, err)
	}
	if opened := known.opens(e); opened > 0 {
		t.Fatalf("%d things open to who knew the keys", opened)
	}
	w.reopen()
	n = w.ns("acme", "jira/comments")
	wantValue(t, n, "k0007", "value 7")
	wantContent(t, n, "blob", blob)
	exposed := 0
	for event, err := range w.Audit(0) {
		if err != nil {
			t.Fatal(err)
		}
		if event.Act == "key.expose" {
			exposed++
		}
	}
	if exposed < len(c.Rotated) {
		t.Fatalf("the audit log has %d exposed keys", exposed)
	}
}

// Until a value is sealed anew it is stale, and a read seals it anew, chunks included; what a
// recovery has made is not exposed, and another call goes on with the first unless it is told not to.
func TestExposedValuesMoveWhenRead(t *testing.T) {
	e := newKept()
	w := policyWorld(t, "tenant", store.Options{Engine: e, Rewrap: store.RewrapInline})
	n := w.ns("acme", "jira/comments")
	blob := content(200_000, 7)
	mustCreate(t, n, "blob", blob)
	mustPut(t, n, "k", "v")
	known := w.haul(e)
	w.opts.Engine = &hooked{Engine: e, before: func(ws []write) error {
		if codec.Kind(ws[0].key[0]) == codec.KindSweep {
			return context.Canceled
		}
		return nil
	}}
	w.reopen()
	if _, err := w.tenant("acme").RotateCompromised(t.Context(), nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	w.opts.Engine = e
	w.reopen()
	n = w.ns("acme", "jira/comments")
	if known.opens(e) == 0 {
		t.Fatal("the test sees nothing")
	}
	wantContent(t, n, "blob", blob)
	wantValue(t, n, "blob", string(blob))
	wantValue(t, n, "k", "v")
	if opened := known.opens(e); opened > 0 {
		t.Fatalf("%d things open to who knew the keys", opened)
	}
	for _, anew := range []bool{false, true} {
		c, err := w.tenant("acme").RotateCompromised(t.Context(), &store.CompromiseOptions{Anew: anew})
		if err != nil || c.Continued == anew || len(c.Rotated) > 0 != anew || len(c.Exposed) == 0 {
			t.Fatalf("anew %v: %+v, %v", anew, c, err)
		}
		for _, key := range c.Exposed {
			if key.Needed != "" || key.State != "draining" {
				t.Fatalf("anew %v: %+v", anew, key)
			}
		}
	}
}

// Whatever write of the engine's is the last before a crash, the store opens, every value reads, and
// another call ends with nothing that opens to who knew the keys. It makes new keys only if the first
// has made none.
func TestRotateCompromisedIsCompleted(t *testing.T) {
	broken := errors.New("the process ends here")
	blob := content(150_000, 7)
	for step, ended := 1, false; !ended; step++ {
		k := newKept()
		w := policyWorld(t, "both", store.Options{Engine: k, Rewrap: store.RewrapOff})
		n := w.ns("acme", "jira/comments")
		mustPut(t, n, "a", "v")
		mustCreate(t, n, "blob", blob)
		known := w.haul(k)
		writes := 0
		w.opts.Engine = &hooked{Engine: k, before: func([]write) error {
			if writes++; writes >= step {
				return broken
			}
			return nil
		}}
		w.reopen()
		writes = 0
		_, err := w.tenant("acme").RotateCompromised(t.Context(), &store.CompromiseOptions{Sweep: store.SweepOptions{Workers: 1}, Retire: true})
		if ended = err == nil; !ended && !errors.Is(err, broken) {
			t.Fatalf("step %d: %v", step, err)
		}
		w.opts.Engine = k
		w.reopen()
		n = w.ns("acme", "jira/comments")
		wantValue(t, n, "a", "v")
		wantContent(t, n, "blob", blob)
		infos, err := w.tenant("acme").DataKeys()
		if err != nil {
			t.Fatal(err)
		}
		pending := false
		for _, info := range infos {
			pending = pending || info.Exposed && info.State != "retired"
		}
		c, err := w.tenant("acme").RotateCompromised(t.Context(), &store.CompromiseOptions{Retire: true})
		if err != nil || len(c.Exposed) != 0 || c.Continued != pending {
			t.Fatalf("step %d: %+v, %v", step, c, err)
		}
		if opened := known.opens(k); opened > 0 {
			t.Fatalf("step %d: %d things open to who knew the keys", step, opened)
		}
		wantValue(t, n, "a", "v")
		wantContent(t, n, "blob", blob)
	}
}

// A compacted engine keeps which ranges it was asked to compact.
type compacted struct {
	*pebble.Engine
	ranges []engine.Range
}

func (c *compacted) Compact(ctx context.Context, r engine.Range) error {
	c.ranges = append(c.ranges, r)
	return c.Engine.Compact(ctx, r)
}

func (c *compacted) holds(key []byte) bool {
	return slices.ContainsFunc(c.ranges, func(r engine.Range) bool {
		return bytes.Compare(r.Start, key) <= 0 && bytes.Compare(key, r.End) < 0
	})
}

// What exposed keys sealed is in no file of the store afterwards. In a store this small one compaction
// may rewrite all files, so the test also looks what was asked for.
func TestRotateCompromisedRewritesFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "records")
	e, err := pebble.Create(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	asked := &compacted{Engine: e}
	w := policyWorld(t, packed("tenant", "zstd-dict"), store.Options{Engine: asked})
	n := w.ns("acme", "jira/comments")
	fillJSON(t, n, w, 50)
	mustTrain(t, n)
	mustPut(t, n, "k", "a value of some length")
	mustCreate(t, n, "blob", content(300_000, 3))
	var keys, parts [][]byte
	for _, kind := range []codec.Kind{codec.KindRecord, codec.KindChunk, codec.KindDictionary} {
		at, raw := rawAll(t, e, kind)
		if len(at) == 0 {
			t.Fatalf("the test sees no %v", kind)
		}
		keys, parts = append(keys, at...), append(parts, raw...)
	}
	if _, err := w.tenant("acme").RotateCompromised(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if !asked.holds(key) {
			t.Errorf("nothing rewrites the files that %q is in", key)
		}
	}
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	if e, err = pebble.Open(dir, nil); err == nil { // which deletes logs that it would have used again
		err = e.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for path, file := range filesOf(t, dir) {
		for i, part := range parts {
			if bytes.Contains(file, part[len(part)-40:]) {
				t.Errorf("%q is still in %s", keys[i], path)
			}
		}
	}
}
