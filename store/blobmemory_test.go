package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// chunkWorkers are as many as the store has for one value.
func chunkWorkers() int { return min(runtime.GOMAXPROCS(0), 4) }

// A heap watches the live heap. What others leave behind meanwhile is garbage, and not counted.
type heap struct {
	before, peak uint64
	moved, every int64 // bytes of the stream, and after how many of them it looks
}

func watchHeap(every int64) *heap { return &heap{before: liveHeap(), every: every} }

func liveHeap() uint64 {
	least := ^uint64(0)
	for range 3 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		least = min(least, m.HeapAlloc)
	}
	return least
}

func (h *heap) add(n int) {
	if h.moved/h.every != (h.moved+int64(n))/h.every {
		h.peak = max(h.peak, liveHeap())
	}
	h.moved += int64(n)
}

// want fails the test if more than so many bytes came to live.
func (h *heap) want(t *testing.T, what string, most uint64) {
	t.Helper()
	if h.peak == 0 {
		t.Fatal("nobody looked")
	}
	grown := max(h.peak, h.before) - h.before
	t.Logf("%s: %d KiB of %d", what, grown>>10, most>>10)
	if grown > most {
		t.Errorf("%s: %d KiB live in memory, want at most %d", what, grown>>10, most>>10)
	}
}

// A watched stream has its heap looked at while it is read or written.
type watchedReader struct {
	io.Reader
	heap *heap
}

func (w watchedReader) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.heap.add(n)
	return n, err
}

type watchedWriter struct {
	io.Writer
	heap *heap
}

func (w watchedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.heap.add(n)
	return n, err
}

// A dropping engine forgets whole chunks, and uses the memory of their batches again as Pebble does.
type dropping struct {
	engine.Engine
	free chan []byte
}

func (d *dropping) NewBatch() engine.Batch { return &droppingBatch{Batch: d.Engine.NewBatch(), d: d} }

func (d *dropping) Apply(ctx context.Context, b engine.Batch, sync bool) error {
	return d.Engine.Apply(ctx, b.(*droppingBatch).Batch, sync)
}

type droppingBatch struct {
	engine.Batch
	d    *dropping
	room []byte
}

func (b *droppingBatch) SetDeferred(keyLen, valueLen int) (key, value []byte) {
	if valueLen != chunk+codec.TagLen {
		return b.Batch.SetDeferred(keyLen, valueLen)
	}
	if b.room == nil {
		select {
		case b.room = <-b.d.free:
		default:
			b.room = make([]byte, 0, 8*(chunk+1024))
		}
	}
	at := len(b.room)
	b.room = b.room[:at+keyLen+valueLen]
	return b.room[at : at+keyLen], b.room[at+keyLen:]
}

func (b *droppingBatch) Close() {
	if b.room != nil {
		b.d.free <- b.room[:0]
		b.room = nil
	}
	b.Batch.Close()
}

// What a Writer and a Reader hold is what their comments say, whatever the length of the value.
func TestStreamsHoldLittle(t *testing.T) {
	const size, slack = 64 << 20, 256 << 10
	workers := uint64(chunkWorkers())
	t.Run("writer", func(t *testing.T) {
		e := &dropping{Engine: mem.New(), free: make(chan []byte, 100)}
		n := newWorld(t, store.Options{Engine: e}, "acme").ns("acme", "jira/attachments")
		mustPut(t, n, "k", "v")
		h := watchHeap(1 << 20)
		w, err := n.Create(t.Context(), []byte("k"), nil)
		if err == nil {
			_, err = w.ReadFrom(watchedReader{&endless{size: size}, h})
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		h.want(t, "writing", (2*workers+1)*(512<<10)+slack)
	})
	t.Run("reader", func(t *testing.T) {
		n := newWorld(t, store.Options{Engine: mem.New()}, "acme").ns("acme", "jira/attachments")
		w, err := n.Create(t.Context(), []byte("k"), nil)
		if err == nil {
			_, err = w.ReadFrom(&endless{size: size})
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		h := watchHeap(1 << 20)
		r := mustOpen(t, n, "k")
		if k, err := r.WriteTo(watchedWriter{&comparing{}, h}); err != nil || k != size {
			t.Fatalf("%d bytes, %v", k, err)
		}
		h.want(t, "reading", (workers+2)*(256<<10)+slack)
	})
}

// A long value goes in and out of Pebble, and is sealed anew, in memory that does not grow with it;
// and any range of it agrees.
func TestLongValueInConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 192 MiB")
	}
	const size, most = 96 << 20, 24 << 20
	e, err := pebble.Create(filepath.Join(t.TempDir(), "records"), &pebble.Options{CacheBytes: 8 << 20, MemTableBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	w := policyWorld(t, "both", store.Options{Engine: e, NoSync: true, Rewrap: store.RewrapOff})
	n := w.ns("acme", "jira/comments")
	h := watchHeap(size / 16)
	out, err := n.Create(t.Context(), []byte("k"), nil)
	if err == nil {
		_, err = out.ReadFrom(watchedReader{&endless{size: size}, h})
	}
	if err = errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	h.want(t, "writing", most)
	check := func() {
		t.Helper()
		r := mustOpen(t, n, "k")
		defer r.Close()
		h := watchHeap(size / 16)
		if k, err := r.WriteTo(watchedWriter{&comparing{}, h}); err != nil || k != size {
			t.Fatalf("%d bytes, %v", k, err)
		}
		h.want(t, "reading", most)
		got, want := make([]byte, 1<<20), make([]byte, 1<<20)
		for range 20 {
			at := rand.Int64N(size - int64(len(got)))
			fillAt(want, at)
			if _, err := r.ReadAt(got, at); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("another range at %d, %v", at, err)
			}
		}
	}
	check()
	before := blobOf(t, e, "jira/comments", "k")
	apply(t, w, 2, "tenant", false)
	n = w.ns("acme", "jira/comments")
	h = watchHeap(1)
	swept := make(chan error, 1)
	go func() { _, err := w.tenant("acme").Sweep(context.Background(), nil); swept <- err }()
	for done := false; !done; {
		select {
		case err := <-swept:
			if done = true; err != nil {
				t.Fatal(err)
			}
		case <-time.After(20 * time.Millisecond):
			h.add(1)
		}
	}
	h.want(t, "sealing anew", most)
	if blobOf(t, e, "jira/comments", "k") == before {
		t.Fatal("the end of the transition left the chunks")
	}
	check()
}

// blobOf is the id of one of acme's blobs.
func blobOf(t *testing.T, e engine.Reader, namespace, key string) codec.BlobID {
	t.Helper()
	var env codec.Envelope
	if err := env.Parse(rawGet(t, e, recordKey("acme", namespace, key))); err != nil || !env.Chunked {
		t.Fatalf("%s is not chunked: %v", key, err)
	}
	return env.Blob.ID
}

// A counted stream says how much of it was taken.
type counted struct {
	io.Reader
	taken atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.taken.Add(int64(n))
	return n, err
}

// A Writer whose engine stands still takes as much as it may hold, and waits; and goes on, or ends
// with its context.
func TestBackPressure(t *testing.T) {
	for _, cancelled := range []bool{false, true} {
		e := newKept()
		release := make(chan struct{})
		letGo := sync.OnceFunc(func() { close(release) })
		h := &hooked{Engine: e, before: func(ws []write) error {
			if len(ws) > 0 && ws[0].key[0] == byte(codec.KindChunk) {
				<-release
			}
			return nil
		}}
		n := newWorld(t, store.Options{Engine: h}, "acme").ns("acme", "jira/attachments")
		t.Cleanup(letGo)
		mustPut(t, n, "k", "old")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w, err := n.Create(ctx, []byte("k"), nil)
		if err != nil {
			t.Fatal(err)
		}
		in := &counted{Reader: &endless{size: 20 << 20}}
		read := make(chan error, 1)
		go func() { _, err := w.ReadFrom(in); read <- err }()
		most := int64(chunkWorkers()+1) * 8 * chunk
		for in.taken.Load() < most {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		if taken := in.taken.Load(); taken > most+4096 {
			t.Errorf("%d bytes were taken, it may hold %d", taken, most)
		}
		if cancelled {
			cancel()
			if err := <-read; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			letGo()
			if err := w.Close(); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			wantValue(t, n, "k", "old")
			wantNoChunks(t, e)
			continue
		}
		letGo()
		if err := errors.Join(<-read, w.Close()); err != nil {
			t.Fatal(err)
		}
		r := mustOpen(t, n, "k")
		if _, err := io.Copy(&comparing{}, r); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever is cancelled while its chunks are on their way leaves what was there: no chunk more, no
// entry in the journal, no goroutine.
func TestCancelledStreamsLeaveNothing(t *testing.T) {
	for name, act := range map[string]func(ctx context.Context, w *world, n *store.Namespace) error{
		"Create": func(ctx context.Context, _ *world, n *store.Namespace) error {
			out, err := n.Create(ctx, []byte("k"), nil)
			if err != nil {
				return err
			}
			_, err = out.ReadFrom(&endless{size: 20 << 20})
			return errors.Join(err, out.Close())
		},
		"Put": func(ctx context.Context, _ *world, n *store.Namespace) error {
			return n.Put(ctx, []byte("k"), content(40*chunk, 2))
		},
		"CompareAndSwap": func(ctx context.Context, _ *world, n *store.Namespace) error {
			return n.CompareAndSwap(ctx, []byte("k"), content(40*chunk, 1), content(40*chunk, 2))
		},
		"Batch": func(ctx context.Context, w *world, n *store.Namespace) error {
			b := w.NewBatch()
			return errors.Join(b.Put(n, []byte("k"), content(40*chunk, 2)), b.Put(n, []byte("k2"), content(40*chunk, 3)), b.Commit(ctx))
		},
		"the end of a transition": func(ctx context.Context, w *world, _ *store.Namespace) error {
			_, err := w.tenant("acme").Sweep(ctx, nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, hold, arrived, letGo := heldChunks(t, newKept())
			w := policyWorld(t, "both", store.Options{Engine: e, Rewrap: store.RewrapOff})
			mustCreate(t, w.ns("acme", "jira/comments"), "k", content(40*chunk, 1))
			apply(t, w, 2, "tenant", false)
			n := w.ns("acme", "jira/comments")
			wantContent(t, n, "k", content(40*chunk, 1))
			before, chunks := runtime.NumGoroutine(), blobKeys(t, e)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			hold(n)
			done := make(chan error, 1)
			go func() { done <- act(ctx, w, n) }()
			<-arrived
			cancel()
			letGo()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			wantContent(t, n, "k", content(40*chunk, 1))
			if left := blobKeys(t, e); !slices.Equal(left, chunks) {
				t.Errorf("%d chunks and entries, %d before", len(left), len(chunks))
			}
			wantGoroutines(t, before)
		})
	}
}

// A Reader and a Get that are cancelled end, and leave nobody behind.
func TestCancelledReads(t *testing.T) {
	var slow atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	e := &hooked{Engine: newKept(), read: func(from []byte) {
		if from[0] == byte(codec.KindChunk) && slow.Load() {
			<-ctx.Done()
		}
	}}
	n := newWorld(t, store.Options{Engine: e}, "acme").ns("acme", "jira/attachments")
	mustCreate(t, n, "k", content(80*chunk, 1))
	before := runtime.NumGoroutine()
	r, err := n.Open(ctx, []byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, r, 20*chunk); err != nil {
		t.Fatal(err)
	}
	slow.Store(true)
	read := make(chan error, 3)
	go func() { _, err := io.Copy(io.Discard, r); read <- err }()
	go func() { _, err := r.ReadAt(make([]byte, 10), 0); read <- err }()
	go func() { _, err := n.Get(ctx, []byte("k")); read <- err }()
	time.Sleep(10 * time.Millisecond) // they are on their way
	cancel()
	for range 3 {
		if err := <-read; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	wantGoroutines(t, before)
}

// blobKeys are the engine keys of all chunks and journal entries.
func blobKeys(t *testing.T, e engine.Reader) (out []string) {
	t.Helper()
	for _, kind := range []codec.Kind{codec.KindChunk, codec.KindJournal} {
		keys, _ := rawAll(t, e, kind)
		for _, key := range keys {
			out = append(out, string(key))
		}
	}
	return out
}

// wantGoroutines waits until there are no more goroutines than before.
func wantGoroutines(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
