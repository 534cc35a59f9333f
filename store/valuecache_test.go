package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
)

func cached(t *testing.T, opts store.Options, tenants ...string) *world {
	t.Helper()
	opts.ValueCacheBytes = 8 << 20
	return newWorld(t, opts, tenants...)
}

func hits(w *world) uint64 { return w.Stats().CacheHits }

// What is read twice comes from the cache, and what is written, in any way, does not.
func TestValueCache(t *testing.T) {
	w := cached(t, store.Options{NoSync: true}, "acme", "globex")
	n := w.ns("acme", "jira/comments")
	key := []byte("k")
	for name, write := range map[string]func(value string) error{
		"put":   func(v string) error { return n.Put(t.Context(), key, []byte(v)) },
		"batch": func(v string) error { b := w.NewBatch(); b.Put(n, key, []byte(v)); return b.Commit(t.Context()) },
		"swap": func(v string) error {
			old, err := n.Get(t.Context(), key)
			return errors.Join(err, n.CompareAndSwap(t.Context(), key, old, []byte(v)))
		},
		"deleted and put if absent": func(v string) error {
			return errors.Join(n.Delete(t.Context(), key), n.PutIfAbsent(t.Context(), key, []byte(v)))
		},
		"rotated": func(v string) error {
			if err := n.Put(t.Context(), key, []byte(v)); err != nil {
				return err
			}
			_, err := w.tenant("acme").RotateDataKeys(t.Context())
			if err == nil {
				_, err = w.tenant("acme").Sweep(t.Context(), nil)
			}
			return err
		},
		"stream": func(v string) error {
			s, err := n.Create(t.Context(), key, nil)
			if err == nil {
				_, err = s.Write([]byte(v))
				err = errors.Join(err, s.Close())
			}
			return err
		},
	} {
		mustPut(t, n, "k", "before")
		for range 3 {
			wantValue(t, n, "k", "before")
		}
		if err := write(name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		before := hits(w)
		for range 3 {
			wantValue(t, n, "k", name)
		}
		if got := hits(w) - before; got < 2 {
			t.Errorf("%s: %d hits in 3 reads", name, got)
		}
	}
	mustPut(t, w.ns("globex", "jira/comments"), "k", "another's")
	mustPut(t, w.ns("acme", "jira/issues"), "k", "another type's")
	mustPut(t, n, "k", "its own")
	wantValue(t, n, "k", "its own")
	wantValue(t, w.ns("globex", "jira/comments"), "k", "another's")
	if err := n.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	wantError(t, n, "k", store.ErrNotFound)
	if _, err := w.tenant("acme").Shred(t.Context(), &store.ShredOptions{Namespaces: []string{"jira/issues"}}); err != nil {
		t.Fatal(err)
	}
	wantError(t, w.ns("acme", "jira/issues"), "k", store.ErrNotFound)
}

// Snapshots are of their moment, whatever the cache has.
func TestValueCacheAndSnapshots(t *testing.T) {
	w := cached(t, store.Options{}, "acme")
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "old")
	s, err := w.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustPut(t, n, "k", "new")
	for range 2 {
		wantValue(t, n, "k", "new")
		if got, err := s.Get(t.Context(), n, []byte("k")); err != nil || string(got) != "old" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// A cached value expires as any other.
func TestValueCacheExpires(t *testing.T) {
	var mu sync.Mutex
	now := time.Unix(1_800_000_000, 0)
	w := cached(t, store.Options{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }}, "acme")
	n := w.ns("acme", "jira/cached-content")
	mustPut(t, n, "k", "v")
	wantValue(t, n, "k", "v")
	before := hits(w)
	wantValue(t, n, "k", "v")
	if hits(w) == before {
		t.Fatal("it was not in the cache")
	}
	mu.Lock()
	now = now.Add(n.MaxAge())
	mu.Unlock()
	wantError(t, n, "k", store.ErrNotFound)
}

// With its key a value goes: no reader gets it from the cache any more, and its bytes are wiped.
func TestValueCacheGoesWithTheKey(t *testing.T) {
	canary := []byte("a canary in the cache of values")
	for name, end := range map[string]func(w *world) error{
		"revoked":  func(w *world) error { return w.tenant("acme").Revoke(t.Context()) },
		"shredded": func(w *world) error { _, err := w.tenant("acme").Shred(t.Context(), nil); return err },
		"the root refuses": func(w *world) error {
			w.roots["test://acme"].SetError(root.ErrRevoked)
			return awaitError(w.ns("acme", "jira/comments"), store.ErrKeyRevoked)
		},
		"the root is silent": func(w *world) error {
			w.roots["test://acme"].SetError(root.ErrUnavailable)
			return awaitError(w.ns("acme", "jira/comments"), store.ErrKeyUnavailable)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := cached(t, store.Options{KeyTTL: time.Second}, "acme", "globex")
			n := w.ns("acme", "jira/comments")
			mustPut(t, n, "k", string(canary))
			for range 2 {
				wantValue(t, n, "k", string(canary))
			}
			held := store.CachedValues(w.Store)
			if len(held) != 1 || !bytes.Equal(held[0], canary) {
				t.Fatalf("%d values in the cache", len(held))
			}
			if err := end(w); err != nil {
				t.Fatal(err)
			}
			deadline := time.Now().Add(10 * time.Second)
			for len(store.CachedValues(w.Store)) > 0 {
				if name == "revoked" || name == "shredded" || time.Now().After(deadline) {
					t.Fatal("it is still in the cache")
				}
				time.Sleep(time.Millisecond)
			}
			if _, err := n.Get(t.Context(), []byte("k")); err == nil {
				t.Error("it is still read")
			}
			if !bytes.Equal(held[0], make([]byte, len(canary))) {
				t.Error("its bytes are still in memory")
			}
		})
	}
}

// awaitError reads until that fails as it must.
func awaitError(n *store.Namespace, want error) error {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if _, err := n.Get(context.Background(), []byte("k")); errors.Is(err, want) {
			return nil
		}
	}
	return errors.New("it never failed")
}

// A paused engine stops readers after they have read, and writers after they have written.
type paused struct {
	*mem.Engine
	read    atomic.Pointer[func()]
	written atomic.Pointer[func()]
}

func (p *paused) Get(ctx context.Context, key []byte, sink engine.Sink) error {
	err := p.Engine.Get(ctx, key, sink)
	if pause := p.read.Load(); pause != nil {
		(*pause)()
	}
	return err
}

func (p *paused) Apply(ctx context.Context, b engine.Batch, sync bool) error {
	err := p.Engine.Apply(ctx, b, sync)
	if pause := p.written.Load(); pause != nil {
		(*pause)()
	}
	return err
}

// What a reader has read before a write does not go into the cache after it, nor while it is seen
// and not acknowledged yet.
func TestValueCacheKeepsNothingLate(t *testing.T) {
	for _, during := range []bool{false, true} {
		e := &paused{Engine: mem.New()}
		w := cached(t, store.Options{Engine: e, NoSync: true}, "acme")
		n := w.ns("acme", "jira/comments")
		mustPut(t, n, "k", "old")
		read, goOn, done := make(chan bool), make(chan bool), make(chan bool)
		pause := func() { read <- true; <-goOn }
		e.read.Store(&pause)
		go func() {
			n.Get(context.Background(), []byte("k"))
			close(done)
		}()
		<-read
		e.read.Store(nil)
		release := func() { close(goOn); <-done }
		if during {
			e.written.Store(&release)
		}
		mustPut(t, n, "k", "new")
		e.written.Store(nil)
		if !during {
			release()
		}
		wantValue(t, n, "k", "new")
	}
}

// What was opened with keys from before is not there for who has those of now, although somebody
// still uses the old ones.
func TestValueCacheIsOfOneLease(t *testing.T) {
	e := &paused{Engine: mem.New()}
	w := cached(t, store.Options{Engine: e, NoSync: true, Rewrap: store.RewrapOff}, "acme")
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "v")
	mustPut(t, n, "other", "v")
	for range 2 {
		wantValue(t, n, "k", "v")
	}
	read, goOn := make(chan bool), make(chan bool)
	pause := func() { read <- true; <-goOn }
	e.read.Store(&pause)
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { n.Get(context.Background(), []byte("other")) })
	<-read
	e.read.Store(nil)
	defer close(goOn)
	group.Go(func() { w.tenant("acme").RotateDataKeys(context.Background()) })
	for deadline := time.Now().Add(10 * time.Second); ; {
		before := hits(w)
		wantValue(t, n, "k", "v")
		if hits(w) == before {
			break // and it stays so: it is stale, and not kept
		}
		if time.Now().After(deadline) {
			t.Fatal("it still comes from the cache")
		}
	}
}

// The budget holds, with what an entry costs beside its bytes.
func TestValueCacheMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures memory")
	}
	w := cached(t, store.Options{NoSync: true, ValueCacheBytes: 8 << 20}, "acme")
	n := w.ns("acme", "jira/comments")
	for i := range 40_000 {
		mustPut(t, n, fmt.Sprint(i), "a short value")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 2 {
		for i := range 40_000 {
			wantValue(t, n, fmt.Sprint(i), "a short value")
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	entries := len(store.CachedValues(w.Store))
	t.Logf("%d entries, %d bytes each", entries, (int64(after.HeapAlloc)-int64(before.HeapAlloc))/int64(entries))
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 10<<20 {
		t.Errorf("the heap grew by %d bytes, and the budget is 8 MiB", grown)
	}
	runtime.KeepAlive(w)
}

func TestValueCacheOptions(t *testing.T) {
	for _, c := range []store.Options{
		{ValueCacheBytes: -1}, {ValueCacheBytes: 2 << 30}, {ValueCacheBytes: 9, CacheBytes: 8},
		{ValueCacheBytes: 1 << 20, Engine: shared{mem.New()}},
	} {
		c.Roots = newWorld(t, store.Options{}).roots
		if s, err := store.Create(t.Context(), t.TempDir(), platformURI, &c); err == nil {
			s.Close()
			t.Errorf("%d of %d bytes on %T", c.ValueCacheBytes, c.CacheBytes, c.Engine)
		}
	}
}

// A shared engine is one that other processes may write to.
type shared struct{ engine.Engine }

// The store is linearizable with a cache of values: of many histories of concurrent reads, writes,
// batches, swaps and rewraps of few keys each could have come from one after another.
func TestValueCacheIsLinearizable(t *testing.T) {
	histories := 30
	if testing.Short() {
		histories = 5
	}
	w := cached(t, store.Options{Engine: mem.New(), NoSync: true}, "acme")
	n := w.ns("acme", "jira/comments")
	for h := range histories {
		history := record(t, w, n, fmt.Sprintf("%d-", h))
		if result := porcupine.CheckOperationsTimeout(registers, history, 20*time.Second); result != porcupine.Ok {
			t.Fatalf("history %d of %d operations: %s", h, len(history), result)
		}
	}
	if hits(w) == 0 {
		t.Error("nothing came from the cache")
	}
}

// An access is one operation on one key; a read gives what it saw.
type access struct {
	key      string
	kind     string // get, put, delete or swap
	old, new string
}

type answer struct {
	value string // "" for none
	done  bool   // a swap that took place
}

var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		by := map[string]int{}
		for _, op := range history {
			key := op.Input.(access).key
			if _, seen := by[key]; !seen {
				by[key] = len(parts)
				parts = append(parts, nil)
			}
			parts[by[key]] = append(parts[by[key]], op)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		in, out := input.(access), output.(answer)
		switch in.kind {
		case "get":
			return out.value == state.(string), state
		case "swap":
			if out.done {
				return state.(string) == in.old, in.new
			}
			return state.(string) != in.old, state
		case "delete":
			return true, ""
		}
		return true, in.new
	},
}

// record lets goroutines loose on a few keys and returns what they did and saw.
func record(t *testing.T, w *world, n *store.Namespace, prefix string) []porcupine.Operation {
	const workers, each, keys = 6, 60, 2
	var (
		mu      sync.Mutex
		history []porcupine.Operation
		group   sync.WaitGroup
	)
	start := time.Now()
	for id := range workers {
		group.Go(func() {
			for i := range each {
				in := access{key: fmt.Sprint(prefix, rand.IntN(keys)), kind: "get"}
				in.new = fmt.Sprint(id, ".", i)
				switch r := rand.IntN(20); {
				case r < 3:
					in.kind = "put"
				case r == 3:
					in.kind = "delete"
				case r == 4:
					in.kind = "swap"
					value, err := n.Get(t.Context(), []byte(in.key))
					if err != nil {
						in.kind = "put"
					}
					in.old = string(value)
				}
				call := time.Since(start).Nanoseconds()
				out, err := in.do(t.Context(), w, n)
				back := time.Since(start).Nanoseconds()
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: id, Input: in, Call: call, Output: out, Return: back})
				mu.Unlock()
			}
		})
	}
	group.Go(func() {
		for range 2 {
			if _, err := w.tenant("acme").RotateDataKeys(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := w.tenant("acme").Sweep(t.Context(), nil); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	return history
}

func (in access) do(ctx context.Context, w *world, n *store.Namespace) (out answer, err error) {
	key := []byte(in.key)
	switch in.kind {
	case "get":
		value, err := n.Get(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return answer{value: string(value)}, err
	case "put":
		if len(in.new)%2 == 0 {
			return out, n.Put(ctx, key, []byte(in.new))
		}
		b := w.NewBatch()
		b.Put(n, key, []byte(in.new))
		return out, b.Commit(ctx)
	case "delete":
		return out, n.Delete(ctx, key)
	}
	err = n.CompareAndSwap(ctx, key, []byte(in.old), []byte(in.new))
	out.done = err == nil
	if errors.Is(err, store.ErrChanged) || errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return out, err
}
