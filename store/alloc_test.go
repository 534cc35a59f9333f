package store_test

import (
	"bytes"
	"testing"

	"github.com/sealkv/sealkv/store"
)

// maxOverhead is what an envelope may add to a value of one recipient, in bytes.
const maxOverhead = 64

// The hot path allocates nothing: a Put of 1 KiB in a namespace without a max-age, and a Get into
// a buffer with room, on the default engine.
func TestHotPathAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, suite := range suites {
		for _, name := range []string{"jira/comments", "jira/analytics"} { // a tenant's key, the platform's
			t.Run(suite.String()+" "+name, func(t *testing.T) { allocatesNothing(t, store.Options{Policy: defaultBy(t, suite)}, name) })
		}
	}
	t.Run("with a cache of values", func(t *testing.T) {
		allocatesNothing(t, store.Options{ValueCacheBytes: 1 << 20}, "jira/comments")
	})
}

func allocatesNothing(t *testing.T, opts store.Options, name string) {
	opts.NoSync = true
	w := newWorld(t, opts, "acme")
	key, value, room := []byte("ABC-1/1"), bytes.Repeat([]byte("v"), 1<<10), make([]byte, 0, 2<<10)
	n := w.ns("acme", name)
	put := func() {
		if err := n.Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	get := func() {
		if _, err := n.GetInto(t.Context(), key, room); err != nil {
			t.Fatal(err)
		}
	}
	put()
	if got := testing.AllocsPerRun(2000, put); got != 0 {
		t.Errorf("Put allocates %v times", got)
	}
	if got := testing.AllocsPerRun(2000, get); got != 0 {
		t.Errorf("Get allocates %v times", got)
	}
}

func TestEnvelopeOverhead(t *testing.T) {
	w := newWorld(t, store.Options{NoSync: true}, "acme")
	for _, name := range []string{"jira/comments", "jira/cached-content"} { // without and with a time of writing
		for _, size := range []int{0, 1, 100, 1 << 10, 64 << 10, store.DefaultInline} {
			n := w.ns("acme", name)
			mustPut(t, n, "k", string(make([]byte, size)))
			h, err := w.Head(t.Context(), "acme", name, []byte("k"))
			if err != nil || h.Bytes != uint64(size) {
				t.Fatal(h, err)
			}
			if over := len(h.Envelope) - size; over > maxOverhead {
				t.Errorf("%s: an envelope of %d bytes is %d longer", name, size, over)
			}
		}
	}
}
