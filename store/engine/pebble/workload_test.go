package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// A workload is several writers. Each writes its keys one after the other, each in a batch with
// a twin, and waits for the disk at every few; so what is found later must be a beginning of
// what it wrote, twins together, up to what was acknowledged at least.
type workload struct {
	writers [8]writer
	patient bool                  // try again what was refused
	refused atomic.Pointer[error] // the first error that a writer met
}

type writer struct {
	issued atomic.Int64 // batches handed to Apply
	acked  atomic.Int64 // batches known to be durable
}

// A mark is how far the writers were at one moment.
type mark [8]int64

func (w *workload) issued() (m mark) {
	for i := range w.writers {
		m[i] = w.writers[i].issued.Load()
	}
	return m
}

func (w *workload) acked() (m mark) {
	for i := range w.writers {
		m[i] = w.writers[i].acked.Load()
	}
	return m
}

// run writes until an error or until stop is closed, at most limit batches a writer.
func (w *workload) run(e engine.Engine, seed uint64, limit int64, stop <-chan struct{}) {
	var done sync.WaitGroup
	for i := range w.writers {
		done.Go(func() { w.write(e, i, rand.New(rand.NewPCG(seed, uint64(i))), limit, stop) })
	}
	done.Wait()
}

func (w *workload) write(e engine.Engine, id int, r *rand.Rand, limit int64, stop <-chan struct{}) {
	state := &w.writers[id]
	for n := state.issued.Load(); n < limit; n++ {
		select {
		case <-stop:
			return
		default:
		}
		durable := r.IntN(3) == 0
		value := []byte(strings.Repeat("v", 1+r.IntN(2000)))
		state.issued.Store(n + 1)
		b := e.NewBatch()
		b.Set(workKey(id, n, "a"), value)
		b.Set(workKey(id, n, "b"), value)
		if r.IntN(4) == 0 {
			b.IfAbsent(workKey(id, n, "a"))
		}
		err := e.Apply(context.Background(), b, durable)
		b.Close()
		if w.patient && errors.Is(err, engine.ErrUnavailable) {
			time.Sleep(time.Millisecond)
			n--
			continue
		}
		if err != nil {
			w.refused.CompareAndSwap(nil, &err)
			return
		}
		if durable {
			state.acked.Store(n + 1)
		}
	}
}

func workKey(id int, n int64, twin string) []byte {
	return fmt.Appendf(nil, "w%d/%08d/%s", id, n, twin)
}

// check finds in e a beginning of what each writer wrote, of acked to issued batches.
func check(t *testing.T, e engine.Reader, acked, issued mark) {
	t.Helper()
	for id := range acked {
		sink := &countSink{t: t, id: id}
		r := engine.Range{Start: fmt.Appendf(nil, "w%d/", id), End: fmt.Appendf(nil, "w%d0", id)}
		if err := e.Page(context.Background(), r, sink); err != nil {
			t.Fatal(err)
		}
		if found := sink.entries / 2; sink.entries%2 != 0 || found < acked[id] || found > issued[id] {
			t.Fatalf("writer %d: found %d entries of %d batches, %d acknowledged and %d issued",
				id, sink.entries, found, acked[id], issued[id])
		}
	}
}

// A countSink expects the keys of one writer without a gap.
type countSink struct {
	t       *testing.T
	id      int
	entries int64
}

func (s *countSink) Entry(key, _ []byte) (bool, error) {
	if want := workKey(s.id, s.entries/2, string('a'+byte(s.entries%2))); string(want) != string(key) {
		s.t.Fatalf("found %q, want %q: a write was lost and a later one kept", key, want)
	}
	s.entries++
	return true, nil
}

// mustOpen opens the engine at /records of a file system in memory.
func mustOpen(t *testing.T, opts pebble.Options) *pebble.Engine {
	t.Helper()
	e, err := pebble.Open("/records", &opts)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustCreate(t *testing.T, opts pebble.Options) *pebble.Engine {
	t.Helper()
	e, err := pebble.Create("/records", &opts)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func wantError(t *testing.T, want, got error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("error is %v, want %v", got, want)
	}
}
