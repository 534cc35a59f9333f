package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
)

func misses(t *testing.T, w *world, namespaces ...string) (out []store.Miss) {
	t.Helper()
	for m, err := range w.tenant("acme").Misses(t.Context(), namespaces...) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// wantMisses fails the test unless these user keys are listed, in this order.
func wantMisses(t *testing.T, w *world, keys ...string) {
	t.Helper()
	var got []string
	for _, m := range misses(t, w) {
		got = append(got, string(m.Key))
	}
	if !slices.Equal(got, keys) {
		t.Fatalf("listed are %q, want %q", got, keys)
	}
}

// damage flips a bit of a record's tag and returns the record as it was.
func damage(t *testing.T, e engine.Engine, key string) (genuine []byte) {
	t.Helper()
	genuine = rawGet(t, e, recordKey("acme", "jira/comments", key))
	bad := bytes.Clone(genuine)
	bad[len(bad)-1] ^= 1
	set(t, e, key, bad)
	return genuine
}

// A sweep lists what does not open, whatever its place in a page, and goes on past it; a later one
// takes off the list what opens again or is gone. Nothing but the list names the user's keys.
func TestMisses(t *testing.T) {
	e := mem.New()
	var log bytes.Buffer
	w := newWorld(t, store.Options{
		Engine: e, NoSync: true, Rewrap: store.RewrapOff, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, "acme")
	n := w.ns("acme", "jira/comments")
	fill(t, n, sweptRecords)
	bad := []string{"k0000", "k0100", "k0101", "k0255", "k0256", "k0511", "k0699", "large"}
	genuine := map[string][]byte{}
	for _, key := range bad {
		genuine[key] = damage(t, e, key)
	}
	set(t, e, "k0300", []byte("no envelope")) // in another page
	rotateAcme(t, w)
	c := sweep(t, w, &store.SweepOptions{Workers: 4})[0]
	if c.Records != sweptRecords+1 || c.Missed != 9 || c.Rewrapped != sweptRecords+1-9 {
		t.Fatalf("census %+v", c)
	}
	if want := []store.CensusCount{{Key: 0, Records: 1}, {Key: 1, Records: 8}, {Key: 2, Records: sweptRecords + 1 - 9}}; !slices.EqualFunc(c.Counts, want,
		func(a, b store.CensusCount) bool { return a.Key == b.Key && a.Records == b.Records }) {
		t.Fatalf("counts %+v, want %+v", c.Counts, want)
	}
	for i := range sweptRecords {
		key := fmt.Sprintf("k%04d", i)
		if key != "k0300" && number(t, e, n, key) != map[bool]uint32{true: 1, false: 2}[slices.Contains(bad, key)] {
			t.Fatalf("%s is under data key %d", key, number(t, e, n, key))
		}
	}
	wantMisses(t, w, "k0000", "k0100", "k0101", "k0255", "k0256", "k0300", "k0511", "k0699", "large")
	for _, m := range misses(t, w) {
		class, number := store.ErrAuthentication, uint32(1)
		if string(m.Key) == "k0300" {
			class, number = store.ErrMalformed, 0
		}
		if !errors.Is(m.Err, class) || m.Err.Number != number || m.Seen.IsZero() {
			t.Errorf("%s: %v under %d, seen %v", m.Key, m.Err, m.Err.Number, m.Seen)
		}
		if strings.Contains(m.Err.Error(), string(m.Key)) {
			t.Errorf("an error names the user's key: %v", m.Err)
		}
	}
	if got := misses(t, w, "jira/issues"); len(got) > 0 {
		t.Fatalf("another namespace has %d misses", len(got))
	}
	if err := w.tenant("acme").RetireDataKey(t.Context(), n.Name(), 1, false); !errors.Is(err, store.ErrNeeded) {
		t.Fatalf("a key with misses is retired: %v", err)
	}

	for _, key := range bad[:6] {
		set(t, e, key, genuine[key])
	}
	for _, key := range []string{"k0300", "large"} {
		if err := n.Delete(t.Context(), []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	if c := sweep(t, w, nil)[0]; c.Missed != 1 || c.Rewrapped != 6 {
		t.Fatalf("census %+v", c)
	}
	wantMisses(t, w, "k0699")
	set(t, e, "k0699", genuine["k0699"])
	sweep(t, w, nil)
	wantMisses(t, w)
	if err := w.tenant("acme").RetireDataKey(t.Context(), n.Name(), 1, false); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), "k0") {
		t.Fatalf("a log line names a user's key:\n%s", log.String())
	}
}

// The list is bounded; the count is not. A list that somebody has written to says so, and the next
// sweep makes it anew.
func TestMissesAreBounded(t *testing.T) {
	e := mem.New()
	w := newWorld(t, store.Options{Engine: e, NoSync: true, Rewrap: store.RewrapOff}, "acme")
	mustPut(t, w.ns("acme", "jira/comments"), "a", "v")
	for i := range store.MaxMisses + 100 {
		set(t, e, fmt.Sprintf("k%04d", i), []byte("no envelope"))
	}
	for range 2 {
		if c := sweep(t, w, nil)[0]; c.Missed != store.MaxMisses+100 {
			t.Fatalf("census %+v", c)
		}
		if got := misses(t, w); len(got) != store.MaxMisses || string(got[len(got)-1].Key) != "k0999" {
			t.Fatalf("%d misses are listed", len(got))
		}
	}
	key := append(codec.AppendPrefix(nil, codec.KindMiss, "acme", "jira/comments"), "k0007"...)
	forged := rawGet(t, e, key)
	b := e.NewBatch()
	defer b.Close()
	b.Set(append(codec.AppendPrefix(nil, codec.KindMiss, "acme", "jira/comments"), "a"...), forged)
	if err := e.Apply(t.Context(), b, false); err != nil {
		t.Fatal(err)
	}
	for _, err := range w.tenant("acme").Misses(t.Context()) {
		if !errors.Is(err, store.ErrAuthentication) {
			t.Fatalf("a miss that was put elsewhere: %v", err)
		}
		break
	}
	sweep(t, w, nil)
	if got := misses(t, w); len(got) != store.MaxMisses {
		t.Fatalf("%d misses are listed", len(got))
	}
}
