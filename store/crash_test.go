package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// A crash is what a machine that lost its power at one moment would have on its disks.
type crash struct {
	records *vfs.MemFS
	keyring []byte
	acked   map[string]string // acknowledged values by namespace and key; "" for deleted
	unsure  string            // what was being written, which may be there or not
}

// crashing images the disks around writes to its engine, as they would be after a crash: of what
// was not synced, half is lost at random.
type crashing struct {
	*pebble.Engine
	t       *testing.T
	fs      *vfs.MemFS
	random  *rand.Rand
	keyring string
	every   int // image one write in so many
	imaging sync.Mutex
	acked   map[string]string
	unsure  string
	crashes []crash
}

func (e *crashing) Apply(ctx context.Context, b engine.Batch, sync bool) error {
	e.image()
	defer e.image()
	return e.Engine.Apply(ctx, b, sync)
}

func (e *crashing) image() {
	e.imaging.Lock() // chunks are written by several goroutines
	defer e.imaging.Unlock()
	if e.random.IntN(e.every) != 0 || e.keyring == "" {
		return
	}
	raw, err := os.ReadFile(e.keyring) // bbolt syncs what it commits, and nothing commits now
	if err != nil {
		e.t.Fatal(err)
	}
	e.crashes = append(e.crashes, crash{
		records: e.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: e.random}),
		keyring: raw, acked: maps.Clone(e.acked), unsure: e.unsure,
	})
}

// At every moment a crash leaves a store that opens and in which every acknowledged value reads:
// keys are durable before what they seal, chunks before what refers to them.
func TestCrashes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	e := &crashing{t: t, fs: vfs.NewCrashableMem(), random: random, every: 12, acked: map[string]string{}}
	if testing.Short() {
		e.every = 40
	}
	inner, err := pebble.Create("/records", &pebble.Options{FS: e.fs})
	if err != nil {
		t.Fatal(err)
	}
	e.Engine = inner
	w := newWorld(t, store.Options{Engine: e, Inline: 1 << 10, Rewrap: store.RewrapInline}, "acme", "globex")
	e.keyring = filepath.Join(w.dir, "keyring.db")
	e.live(w, 300)
	w.Close()
	if len(e.crashes) < 10 {
		t.Fatalf("%d crashes", len(e.crashes))
	}
	for i := range e.crashes {
		t.Run(fmt.Sprint(i), func(t *testing.T) { e.crashes[i].check(t, w) })
	}
}

// live works on the store and notes what was acknowledged.
func (e *crashing) live(w *world, steps int) {
	ctx := e.t.Context()
	names := []string{"jira/comments", "jira/attachments", "jira/analytics", "jira/cached-content"}
	for range steps {
		tenant, name := []string{"acme", "globex"}[e.random.IntN(2)], names[e.random.IntN(len(names))]
		n, key := w.ns(tenant, name), fmt.Sprint("k", e.random.IntN(6))
		e.unsure = tenant + " " + name + " " + key
		var err error
		switch e.random.IntN(12) {
		case 0:
			if err = n.Delete(ctx, []byte(key)); err == nil {
				e.acked[e.unsure] = ""
			}
		case 1:
			_, err = w.tenant(tenant).RotateDataKeys(ctx)
		case 2:
			_, err = w.tenant(tenant).RotateTenantKey(ctx)
		case 3:
			if _, err = n.Get(ctx, []byte(key)); errors.Is(err, store.ErrNotFound) { // rewraps
				err = nil
			}
		case 4:
			err = w.Collect(ctx)
		case 5:
			_, err = w.tenant(tenant).Sweep(ctx, &store.SweepOptions{Workers: 1}) // one commits to the keyring while another writes
		default:
			value := strings.Repeat(fmt.Sprint(e.random.Uint64()), 1+e.random.IntN(2)*e.random.IntN(8000))
			if err = n.Put(ctx, []byte(key), []byte(value)); err == nil {
				e.acked[e.unsure] = value
			}
		}
		if err != nil {
			e.t.Fatal(err)
		}
	}
}

// check opens what the crash has left.
func (c *crash) check(t *testing.T, w *world) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "keyring.db"), c.keyring, 0o600); err != nil {
		t.Fatal(err)
	}
	records, err := pebble.Open("/records", &pebble.Options{FS: c.records})
	if err != nil {
		t.Fatal(err)
	}
	opts := w.opts
	opts.Engine = records
	s, err := store.Open(t.Context(), dir, &opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for place, want := range c.acked {
		if place == c.unsure {
			continue
		}
		at := strings.Fields(place)
		tenant, err := s.Tenant(at[0])
		if err != nil {
			t.Fatal(err)
		}
		n, err := tenant.Namespace(at[1])
		if err != nil {
			t.Fatal(err)
		}
		got, err := n.Get(t.Context(), []byte(at[2]))
		if want == "" && !errors.Is(err, store.ErrNotFound) || want != "" && (err != nil || string(got) != want) {
			t.Errorf("%s: %d bytes, %v; want %d bytes", place, len(got), err, len(want))
		}
	}
	c.checkChunks(t, s, records)
	if _, err := s.VerifyAudit(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// checkChunks collects what the crash has left over: then every chunk is a value's, and every
// journal entry too.
func (c *crash) checkChunks(t *testing.T, s *store.Store, records engine.Engine) {
	if err := s.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkBlobs(t, records)
}

// checkBlobs fails the test unless every chunk, and every entry of the journal, is a value's.
func checkBlobs(t *testing.T, records engine.Engine) {
	t.Helper()
	blobs := map[codec.BlobID]bool{}
	_, envelopes := rawAll(t, records, codec.KindRecord)
	for _, raw := range envelopes {
		var e codec.Envelope
		if err := e.Parse(raw); err != nil {
			t.Fatal(err)
		}
		if e.Chunked {
			blobs[e.Blob.ID] = true
		}
	}
	for _, kind := range []codec.Kind{codec.KindChunk, codec.KindJournal} {
		keys, _ := rawAll(t, records, kind)
		for _, key := range keys {
			if k, err := codec.ParseKey(key); err != nil || !blobs[k.Blob()] {
				t.Errorf("a %v is left over, %v", kind, err)
			}
		}
	}
}
