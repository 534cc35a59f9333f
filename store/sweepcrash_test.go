package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// After a crash at any moment of a sweep with several workers nothing is said to be swept that is
// not: every record up to the cursor is under the active key, and with a census every record is.
func TestSweepCrashes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	fs := vfs.NewCrashableMem()
	inner, err := pebble.Create("/records", &pebble.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	e := &hooked{Engine: inner}
	w := newWorld(t, store.Options{Engine: e, NoSync: true, Rewrap: store.RewrapOff}, "acme")
	n := w.ns("acme", "jira/comments")
	for i := range 1000 {
		mustPut(t, n, fmt.Sprintf("k%04d", i), strings.Repeat("value", 300))
	}
	rotateAcme(t, w)
	if err := w.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	var (
		mu     sync.Mutex
		images []*vfs.MemFS
	)
	e.after = func(ws []write) {
		mu.Lock()
		defer mu.Unlock()
		if random.IntN(30) == 0 {
			if err := inner.Sync(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if kind := codec.Kind(ws[0].key[0]); kind != codec.KindRecord || random.IntN(60) == 0 {
			images = append(images, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random}))
		}
	}
	sweep(t, w, &store.SweepOptions{Workers: 4})
	e.after = nil
	cursors := map[string]bool{}
	for _, image := range images {
		cursors[checkSwept(t, image, n)] = true
	}
	t.Logf("%d crashes, with %d cursors", len(images), len(cursors))
	if len(cursors) < 3 {
		t.Fatal("no crash came in the middle")
	}
}

// checkSwept looks at what a crash has left of a sweep, and returns how far that was.
func checkSwept(t *testing.T, image *vfs.MemFS, n *store.Namespace) (cursor string) {
	t.Helper()
	e, err := pebble.Open("/records", &pebble.Options{FS: image})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, sweeps := rawAll(t, e, codec.KindSweep)
	_, censuses := rawAll(t, e, codec.KindCensus)
	keys, envelopes := rawAll(t, e, codec.KindRecord)
	if len(keys) != 1000 {
		t.Fatalf("%d records", len(keys))
	}
	for _, raw := range slices.Concat(sweeps, censuses) {
		var signed codec.Signed
		var state codec.Sweep
		if err := codec.DecodeRecord(raw, &signed); err != nil {
			t.Fatal(err)
		}
		if err := codec.DecodeRecord(signed.Body, &state); err != nil {
			t.Fatal(err)
		}
		cursor = string(state.Cursor)
	}
	for i, raw := range envelopes {
		var env codec.Envelope
		if err := env.Parse(raw); err != nil {
			t.Fatal(err)
		}
		k, err := codec.ParseKey(keys[i])
		if err != nil {
			t.Fatal(err)
		}
		if swept := string(k.UserKey()) <= cursor || len(censuses) > 0; swept && env.Number != 2 {
			t.Fatalf("the sweep says that it is at %q (censuses: %d), and %q is under data key %d", cursor, len(censuses), k.UserKey(), env.Number)
		}
	}
	return cursor
}
