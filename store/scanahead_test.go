package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// scanWorld has many records, of which some are long, some in chunks.
func scanWorld(t *testing.T, records int) (*world, *store.Namespace) {
	t.Helper()
	w := newWorld(t, store.Options{NoSync: true, Inline: 32 << 10}, "acme")
	n := w.ns("acme", "jira/comments")
	for i := range records {
		mustPut(t, n, fmt.Sprintf("%05d", i), scanValue(i))
	}
	return w, n
}

func scanValue(i int) string {
	size := 100
	switch {
	case i%97 == 0:
		size = 40 << 10
	case i%31 == 0:
		size = 20 << 10
	case i%7 == 0:
		size = 0
	}
	return string(bytes.Repeat([]byte{byte(i)}, size))
}

// Whoever opens them, and whatever they are, records come in order, each with its own value.
func TestScanAheadKeepsOrder(t *testing.T) {
	_, n := scanWorld(t, 2500)
	for _, o := range []store.ScanOptions{{}, {Reverse: true}, {Limit: 100}, {Limit: 1700}, {Limit: 1}, {KeysOnly: true}, {Start: []byte("00333"), End: []byte("02001")}, {Reuse: true}, {Reuse: true, Reverse: true}} {
		at, end, step := 0, 2500, 1
		if o.Start != nil {
			at, end = 333, 2001
		}
		if o.Reverse {
			at, end, step = 2499, -1, -1
		}
		if o.Limit > 0 {
			end = o.Limit
		}
		for e, err := range n.Scan(t.Context(), &o) {
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%05d", at); string(e.Key) != want {
				t.Fatalf("%+v: %s comes where %s is next", o, e.Key, want)
			}
			if value, err := e.Value(); !o.KeysOnly && (err != nil || string(value) != scanValue(at)) {
				t.Fatalf("%+v: %s has %d bytes, %v", o, e.Key, len(value), err)
			}
			at += step
		}
		if at != end {
			t.Errorf("%+v: it ends at %d, not at %d", o, at, end)
		}
	}
}

// What was opened ahead is not handed out after a revocation, nor after the keys were destroyed.
func TestScanAheadStopsWithTheKey(t *testing.T) {
	for name, end := range map[string]struct {
		do   func(w *world) error
		want error
	}{
		"revoked":  {func(w *world) error { return w.tenant("acme").Revoke(t.Context()) }, store.ErrKeyRevoked},
		"shredded": {func(w *world) error { _, err := w.tenant("acme").Shred(t.Context(), nil); return err }, store.ErrKeyDestroyed},
	} {
		t.Run(name, func(t *testing.T) {
			w, n := scanWorld(t, 300)
			seen := 0
			for e, err := range n.Scan(t.Context(), &store.ScanOptions{Limit: 300}) {
				if err != nil {
					t.Fatal(err)
				}
				value, err := e.Value()
				if seen < 3 && err != nil || seen >= 3 && !errors.Is(err, end.want) {
					t.Fatalf("entry %d: %d bytes, %v", seen, len(value), err)
				}
				if seen++; seen == 3 {
					time.Sleep(20 * time.Millisecond) // others open what comes next
					if err := end.do(w); err != nil {
						t.Fatal(err)
					}
				}
			}
			if name == "revoked" && seen != 300 { // of what was shredded the records are gone, too
				t.Errorf("%d entries", seen)
			}
		})
	}
}

// A caller who leaves takes everybody with it.
func TestScanAheadLeavesNobody(t *testing.T) {
	_, n := scanWorld(t, 600)
	before := runtime.NumGoroutine()
	for range 50 {
		for _, err := range n.Scan(t.Context(), nil) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		left := 0
		for range n.Scan(t.Context(), &store.ScanOptions{Limit: 500}) {
			if left++; left == 100 {
				break
			}
		}
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(time.Millisecond)
	}
}

// What was lent is wiped, whatever it was stored as, and what was not lent stays.
func TestScanReuse(t *testing.T) {
	w := policyWorld(t, packed("tenant", "zstd"), store.Options{NoSync: true, Inline: 32 << 10})
	n := w.ns("acme", "jira/comments")
	for i := range 40 { // the first is in chunks, and all but the shortest are compressed
		mustPut(t, n, fmt.Sprintf("%05d", i), scanValue(i))
	}
	for _, o := range []store.ScanOptions{{Reuse: true}, {Reuse: true, Limit: 40}, {}, {Limit: 40}} {
		var kept [][]byte
		for e, err := range n.Scan(t.Context(), &o) {
			if err != nil {
				t.Fatal(err)
			}
			value, err := e.Value()
			if err != nil || string(value) != scanValue(len(kept)) {
				t.Fatalf("%+v: %s has %d bytes, %v", o, e.Key, len(value), err)
			}
			kept = append(kept, value)
		}
		for i := range kept {
			want := []byte(scanValue(i))
			if o.Reuse {
				clear(want)
			}
			if !bytes.Equal(kept[i], want) {
				t.Errorf("%+v: value %d is %.20q afterwards", o, i, kept[i])
			}
		}
	}
}

// pagesEngine calls entry before each entry of a page of records, and chunk for each chunk that is read.
type pagesEngine struct {
	engine.Engine
	entry func(page, i int)
	chunk func()
	pages int
}

func (e *pagesEngine) Get(ctx context.Context, key []byte, sink engine.Sink) error {
	if e.chunk != nil && codec.Kind(key[0]) == codec.KindChunk {
		e.chunk()
	}
	return e.Engine.Get(ctx, key, sink)
}

type pageEntry struct{ key, value []byte }

type collected []pageEntry

func (c *collected) Entry(key, value []byte) (bool, error) {
	*c = append(*c, pageEntry{bytes.Clone(key), bytes.Clone(value)})
	return true, nil
}

func (e *pagesEngine) Page(ctx context.Context, r engine.Range, sink engine.PageSink) error {
	if e.chunk != nil && codec.Kind(r.Start[0]) == codec.KindChunk {
		e.chunk()
	}
	if e.entry == nil || codec.Kind(r.Start[0]) != codec.KindRecord {
		return e.Engine.Page(ctx, r, sink)
	}
	e.pages++
	var all collected // a sink that pauses would keep the engine's lock
	if err := e.Engine.Page(ctx, r, &all); err != nil {
		return err
	}
	for i, one := range all {
		e.entry(e.pages, i)
		if more, err := sink.Entry(one.key, one.value); err != nil || !more {
			return err
		}
	}
	return nil
}

// Values in chunks are not opened before the caller comes to them: many would not fit into memory.
func TestScanOpensNoChunksAhead(t *testing.T) {
	var read atomic.Int64
	e := &pagesEngine{Engine: mem.New(), chunk: func() { read.Add(1) }}
	w := newWorld(t, store.Options{NoSync: true, Inline: 1 << 10, Engine: e}, "acme")
	n := w.ns("acme", "jira/comments")
	for i := range 300 {
		mustPut(t, n, fmt.Sprintf("%05d", i), string(make([]byte, 2<<10)))
	}
	wantValue(t, n, "00000", string(make([]byte, 2<<10)))
	before, seen := read.Load(), 0
	for entry, err := range n.Scan(t.Context(), &store.ScanOptions{Limit: 300}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 1 {
			time.Sleep(20 * time.Millisecond) // for who opens ahead
		}
		if value, err := entry.Value(); err != nil || len(value) != 2<<10 {
			t.Fatalf("%d bytes, %v", len(value), err)
		}
		if got := read.Load() - before; got > int64(2*seen) {
			t.Fatalf("%d chunks read for %d values", got, seen)
		}
	}
	if seen != 300 {
		t.Errorf("%d entries", seen)
	}
}

// Values that grow a thousandfold when they are opened are not opened far ahead.
func TestScanInflatesLittleAhead(t *testing.T) {
	if testing.Short() || runtime.GOMAXPROCS(0) < 2 {
		t.Skip("it measures memory, and takes two processors")
	}
	w := policyWorld(t, packed("tenant", "zstd"), store.Options{NoSync: true, Inline: store.DefaultInline})
	n := w.ns("acme", "jira/comments")
	value := make([]byte, 200<<10)
	for i := range 300 {
		length := len(value)
		if i < 16 {
			length = 10 // the first group says nothing of what follows
		}
		mustPut(t, n, fmt.Sprintf("%05d", i), string(value[:length]))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, err := range n.Scan(t.Context(), &store.ScanOptions{Limit: 300}) {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // for who opens ahead
		runtime.GC()
		runtime.ReadMemStats(&after)
		break
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	} else {
		t.Logf("the heap grew by %d bytes", grown)
	}
}

// A revocation does not wait for a page to end, however long that takes.
func TestScanLetsRevocationThrough(t *testing.T) {
	var revoke func()
	revoked := make(chan struct{})
	visited := 0
	e := &pagesEngine{Engine: mem.New(), entry: func(_, i int) {
		if revoke == nil {
			return
		}
		if i == 10 {
			go revoke()
			t.Cleanup(func() { <-revoked })
		}
		if i < 10 {
			return
		}
		select {
		case <-revoked:
		case <-time.After(5 * time.Millisecond):
			visited++
		}
	}}
	w := newWorld(t, store.Options{NoSync: true, Engine: e}, "acme")
	n := w.ns("acme", "jira/comments")
	for i := range 250 {
		mustPut(t, n, fmt.Sprintf("%05d", i), "v")
	}
	revoke = func() {
		if err := w.tenant("acme").Revoke(context.Background()); err != nil {
			t.Error(err)
		}
		close(revoked)
	}
	for entry, err := range n.Scan(t.Context(), &store.ScanOptions{Limit: 250}) {
		if err != nil {
			t.Fatal(err)
		}
		if value, err := entry.Value(); !errors.Is(err, store.ErrKeyRevoked) {
			t.Fatalf("%q, %v", value, err)
		}
	}
	if <-revoked; visited > 200 {
		t.Errorf("the revocation waited for %d entries", visited)
	}
}

// Records past their max-age, however many, do not make a page longer.
func TestScanPagesOverExpired(t *testing.T) {
	c, longest := newClock(), 0
	e := &pagesEngine{Engine: mem.New(), entry: func(_, i int) { longest = max(longest, i) }}
	w := newWorld(t, store.Options{NoSync: true, Engine: e, Now: c.now}, "acme")
	n := w.ns("acme", "jira/cached-content")
	for i := range 3000 {
		mustPut(t, n, fmt.Sprintf("%05d", i), string(make([]byte, 1<<10)))
	}
	c.move(n.MaxAge())
	mustPut(t, n, "last", "v")
	longest = 0
	if got := scanned(t, n, &store.ScanOptions{Limit: 10}); len(got) != 1 || got[0] != "last" {
		t.Errorf("%q", got)
	}
	if longest > 1024 {
		t.Errorf("a page of %d entries", longest)
	}
}

func scanned(t *testing.T, n *store.Namespace, o *store.ScanOptions) (got []string) {
	t.Helper()
	for e, err := range n.Scan(t.Context(), o) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(e.Key))
	}
	return got
}

// A value that reaches its max-age after its page was read is not handed out, and another one takes its
// place under the Limit.
func TestScanExpiresWhileTheCallerLooks(t *testing.T) {
	c := newClock()
	w := newWorld(t, store.Options{NoSync: true, Now: c.now}, "acme")
	n := w.ns("acme", "jira/cached-content")
	mustPut(t, n, "b", "v")
	c.move(time.Hour)
	for _, key := range []string{"a", "c", "d"} {
		mustPut(t, n, key, "v")
	}
	var got []string
	for e, err := range n.Scan(t.Context(), &store.ScanOptions{Limit: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(e.Key))
		c.move(n.MaxAge() - time.Hour)
	}
	if fmt.Sprint(got) != "[a c]" {
		t.Errorf("%q", got)
	}
}

// A rotation does not tear a page: it is of one state still.
func TestScanOverARotation(t *testing.T) {
	w, n := scanWorld(t, 0)
	for _, key := range []string{"a", "b"} {
		mustPut(t, n, key, "before")
	}
	for _, limit := range []int{0, 2} {
		seen := 0
		for e, err := range n.Scan(t.Context(), &store.ScanOptions{Limit: limit}) {
			if err != nil {
				t.Fatal(err)
			}
			if value, err := e.Value(); err != nil || string(value) != "before" {
				t.Fatalf("limit %d: %s is %q, %v", limit, e.Key, value, err)
			}
			if seen++; seen == 1 {
				mustPut(t, n, "b", "after")
				rotateAcme(t, w)
			}
		}
		mustPut(t, n, "b", "before")
	}
}

// What is no failure of a record ends the scan, and is no entry: or who passes over bad records would
// lose the rest.
func TestScanFailsAsAWhole(t *testing.T) {
	for name, end := range map[string]struct {
		do   func(w *world, cancel func())
		want error
	}{
		"closed":    {func(w *world, _ func()) { w.Store.Close() }, store.ErrClosed},
		"cancelled": {func(_ *world, cancel func()) { cancel() }, context.Canceled},
	} {
		for _, limit := range []int{0, 3} {
			w, n := scanWorld(t, 0)
			for _, key := range []string{"a", "b", "c"} {
				mustPut(t, n, key, "v")
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var failed error
			seen := 0
			for e, err := range n.Scan(ctx, &store.ScanOptions{Limit: limit}) {
				if failed = err; err != nil {
					break
				}
				if _, err := e.Value(); err != nil {
					t.Errorf("%s, limit %d: %s: %v", name, limit, e.Key, err)
				}
				if seen++; seen == 1 {
					end.do(w, cancel)
				}
			}
			if !errors.Is(failed, end.want) {
				t.Errorf("%s, limit %d: %d entries, %v", name, limit, seen, failed)
			}
		}
	}
}

// A value whose caller panics is the caller's still, if it was not lent.
func TestScanPanics(t *testing.T) {
	_, n := scanWorld(t, 100)
	for _, reuse := range []bool{false, true} {
		var kept []byte
		func() {
			defer func() { recover() }()
			for e := range n.Scan(t.Context(), &store.ScanOptions{Start: []byte("00001"), Limit: 50, Reuse: reuse}) {
				kept, _ = e.Value()
				panic("of the caller's")
			}
		}()
		want := []byte(scanValue(1))
		if reuse {
			clear(want)
		}
		if !bytes.Equal(kept, want) {
			t.Errorf("reuse %v: %.20q", reuse, kept)
		}
	}
}

// A scan of what was never written needs no keys, and makes none.
func TestScanMakesNoKeys(t *testing.T) {
	w := newWorld(t, store.Options{NoSync: true}, "acme")
	n := w.ns("acme", "jira/comments")
	if got := scanned(t, n, &store.ScanOptions{Limit: 10}); len(got) > 0 {
		t.Errorf("%q", got)
	}
	list, err := w.tenant("acme").DataKeys()
	if err != nil || len(list) > 0 {
		t.Errorf("%d keys, %v", len(list), err)
	}
}

// Scanning allocates at most once for each record, and a few times in all where entries are lent.
func TestScanAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	w := newWorld(t, store.Options{NoSync: true}, "acme")
	n := w.ns("acme", "jira/comments")
	for i := range 1000 {
		mustPut(t, n, fmt.Sprintf("%05d", i), scanValue(1))
	}
	for _, o := range []store.ScanOptions{{Limit: 10}, {Limit: 100}, {Limit: 1000}, {Limit: 10, Reuse: true}, {Limit: 1000, Reuse: true}} {
		got := testing.AllocsPerRun(100, func() {
			for _, err := range n.Scan(t.Context(), &o) {
				if err != nil {
					t.Fatal(err)
				}
			}
		})
		if got > float64(o.Limit) || o.Reuse && got > 40 {
			t.Errorf("%+v: %v allocations", o, got)
		}
		t.Logf("%+v: %v allocations", o, got)
	}
}
