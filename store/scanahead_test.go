package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/sealkv/sealkv/store"
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

// What was lent is wiped when the scan is over, and what was not lent stays.
func TestScanReuse(t *testing.T) {
	_, n := scanWorld(t, 100)
	for _, reuse := range []bool{true, false} {
		var kept []byte
		for e, err := range n.Scan(t.Context(), &store.ScanOptions{Start: []byte("00001"), Reuse: reuse}) {
			if err != nil {
				t.Fatal(err)
			}
			if kept == nil {
				kept, _ = e.Value()
			}
		}
		want := []byte(scanValue(1))
		if reuse {
			clear(want)
		}
		if !bytes.Equal(kept, want) {
			t.Errorf("reuse %v: the value is %.20q afterwards", reuse, kept)
		}
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
