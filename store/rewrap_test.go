package store_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
)

// overtakers change a record while a rewrap of it is on its way into the engine.
var overtakers = map[string]struct {
	act  func(ctx context.Context, w *world, n *store.Namespace) error
	want string // empty for no value
}{
	"Put": {func(ctx context.Context, _ *world, n *store.Namespace) error {
		return n.Put(ctx, []byte("k"), []byte("new"))
	}, "new"},
	"the same": {func(ctx context.Context, _ *world, n *store.Namespace) error {
		return n.Put(ctx, []byte("k"), []byte("old"))
	}, "old"},
	"chunked Put": {func(ctx context.Context, _ *world, n *store.Namespace) error {
		return n.Put(ctx, []byte("k"), []byte(long))
	}, long},
	"Delete": {func(ctx context.Context, _ *world, n *store.Namespace) error { return n.Delete(ctx, []byte("k")) }, ""},
	"Batch": {func(ctx context.Context, w *world, n *store.Namespace) error {
		b := w.NewBatch()
		return errors.Join(b.Put(n, []byte("k"), []byte("new")), b.Put(n, []byte("k2"), []byte("new")), b.Commit(ctx))
	}, "new"},
	"deleting Batch": {func(ctx context.Context, w *world, n *store.Namespace) error {
		b := w.NewBatch()
		return errors.Join(b.Delete(n, []byte("k")), b.Commit(ctx))
	}, ""},
	"deleted and put again": {func(ctx context.Context, _ *world, n *store.Namespace) error {
		return errors.Join(n.Delete(ctx, []byte("k")), n.PutIfAbsent(ctx, []byte("k"), []byte("new")))
	}, "new"},
}

var long = strings.Repeat("a long value ", 30_000)

// A rewrap that was overtaken on its way changes nothing: no lost update, and nothing that was
// deleted comes back. Without the condition of its write this fails.
func TestOvertakenRewrap(t *testing.T) {
	for name, o := range overtakers {
		for stored, value := range map[string]string{"small": "old", "chunked": long + "old"} {
			t.Run(name+" over "+stored, func(t *testing.T) {
				onEngines(t, func(t *testing.T, e engine.Engine) {
					g := newGatekeeper(e)
					w := newWorld(t, store.Options{Engine: g.engine, Rewrap: store.RewrapInline}, "acme")
					n := w.ns("acme", "jira/comments")
					mustPut(t, n, "k", value)
					rotate(t, w)
					g.hold(n, "k")
					read := make(chan error, 1)
					go func() {
						got, err := n.Get(context.Background(), []byte("k"))
						if err == nil && string(got) != value {
							err = errors.New("another value")
						}
						read <- err
					}()
					<-g.arrived
					err := o.act(t.Context(), w, n)
					g.letGo()
					if err := errors.Join(err, <-read); err != nil {
						t.Fatal(err)
					}
					if o.want == "" {
						wantError(t, n, "k", store.ErrNotFound)
					} else {
						wantValue(t, n, "k", o.want)
					}
					if got := w.Stats(); got.Lost != 1 || got.Rewrapped != 0 || got.Failed != 0 {
						t.Fatalf("%+v", got)
					}
				})
			})
		}
	}
}

// A rewrap moves a record of any shape under the active keys and leaves the value, its time and
// its chunks as they were.
func TestRewrap(t *testing.T) { eachSuite(t, testRewrap) }

func testRewrap(t *testing.T, s *scene) {
	s.opts.Rewrap = store.RewrapInline
	s.reopen()
	for _, tenant := range []string{"acme", "globex"} {
		if _, err := s.tenant(tenant).RotateDataKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b := rob(t, s.dir+"/keyring.db", s.roots)
	chunks, sealed := rawAll(t, s.engine, codec.KindChunk)
	for _, p := range s.records {
		n := s.ns(p.n.Tenant(), p.n.Name())
		wantValue(t, n, p.key, p.value)
		var was, is codec.Envelope
		if err := errors.Join(was.Parse(p.raw), is.Parse(rawGet(t, s.engine, p.at))); err != nil {
			t.Fatal(err)
		}
		if is.Written != was.Written || is.Blob != was.Blob {
			t.Fatalf("%s: written %d, was %d; blob %v, was %v", p, is.Written, was.Written, is.Blob, was.Blob)
		}
		for _, r := range append(is.Recipients, codec.Recipient{Number: is.Number}) {
			if r.Number != 0 && b.data[r.Number].state != codec.StateActive {
				t.Fatalf("%s: under number %d, which is not active", p, r.Number)
			}
		}
		wantValue(t, n, p.key, p.value)
	}
	if got := s.Stats(); got.Rewrapped != uint64(len(s.records)) || got.Failed+got.Lost+got.Dropped > 0 {
		t.Fatalf("%+v for %d records", got, len(s.records))
	}
	again, resealed := rawAll(t, s.engine, codec.KindChunk)
	if len(again) != len(chunks) || string(resealed[0]) != string(sealed[0]) {
		t.Fatal("a rewrap touched chunks")
	}
}

// What cannot be rewrapped can be read, and is counted.
func TestRewrapThatFails(t *testing.T) {
	e := &hooked{Engine: newKept()}
	w := newWorld(t, store.Options{Engine: e, Rewrap: store.RewrapInline}, "acme")
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "v")
	rotate(t, w)
	e.before = func([]write) error { return engine.ErrDiskFull }
	for range 3 {
		wantValue(t, n, "k", "v")
	}
	if got := w.Stats(); got.Failed != 3 {
		t.Fatalf("%+v", got)
	}
	e.before = nil
	wantValue(t, n, "k", "v")
	if got := w.Stats(); got.Rewrapped != 1 {
		t.Fatalf("%+v", got)
	}
}

// A queue of less than none is the default one.
func TestRewrapQueueBelowZero(t *testing.T) {
	w := newWorld(t, store.Options{RewrapQueue: -1}, "acme")
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "v")
	rotate(t, w)
	wantValue(t, n, "k", "v")
	if got := w.Stats(); got.Dropped != 0 {
		t.Fatalf("%+v", got)
	}
}

// A waiting engine holds up the next Apply, once it is armed, until its context ends.
type waiting struct {
	engine.Engine
	armed atomic.Bool
}

func (w *waiting) Apply(ctx context.Context, b engine.Batch, sync bool) error {
	if w.armed.CompareAndSwap(true, false) {
		<-ctx.Done()
		return ctx.Err()
	}
	return w.Engine.Apply(ctx, b, sync)
}

// Closing does not wait for a rewrap that takes for ever, nor begins another; no value is lost.
func TestCloseGivesUpRewraps(t *testing.T) {
	e := &waiting{Engine: newKept()}
	w := newWorld(t, store.Options{Engine: e}, "acme")
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "a", "a")
	mustPut(t, n, "b", "b")
	rotate(t, w)
	e.armed.Store(true)
	wantValue(t, n, "a", "a")
	wantValue(t, n, "b", "b")
	w.reopen()
	n = w.ns("acme", "jira/comments")
	if number(t, e, n, "a") != 1 || number(t, e, n, "b") != 1 {
		t.Error("the worker went on after it was given up")
	}
	wantValue(t, n, "a", "a")
	wantValue(t, n, "b", "b")
}

// A queue that is full drops hints, never reads; closing finishes what is queued.
func TestRewrapQueue(t *testing.T) {
	g := newGatekeeper(newKept())
	w := newWorld(t, store.Options{Engine: g.engine, RewrapQueue: 2}, "acme")
	n := w.ns("acme", "jira/comments")
	keys := []string{"a", "b", "c", "d", "e"}
	for _, key := range keys {
		mustPut(t, n, key, key)
	}
	rotate(t, w)
	g.hold(n, "a")
	wantValue(t, n, "a", "a")
	<-g.arrived // the worker is held up with a; two more fit
	for _, key := range keys[1:] {
		wantValue(t, n, key, key)
	}
	if got := w.Stats(); got.Dropped != 2 {
		t.Fatalf("%+v, want 2 dropped hints", got)
	}
	g.letGo()
	w.reopen()
	n = w.ns("acme", "jira/comments")
	for i, key := range keys {
		if rewrapped := number(t, g.engine, n, key) == 2; rewrapped != (i < 3) {
			t.Fatalf("%s: rewrapped is %v", key, rewrapped)
		}
	}
}
