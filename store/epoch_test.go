package store_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// A gatekeeper holds up the next write of one record until it is let go.
type gatekeeper struct {
	engine  *hooked
	armed   atomic.Pointer[[]byte] // engine key
	held    atomic.Pointer[[]byte]
	arrived chan struct{}
	release chan struct{}
	letGo   func()      // closes release
	done    atomic.Bool // it was applied
}

func newGatekeeper(e engine.Engine) *gatekeeper {
	g := &gatekeeper{engine: &hooked{Engine: e}}
	g.engine.before = func(w []write) error {
		if key := g.armed.Load(); key != nil && writes(w, *key) && g.armed.CompareAndSwap(key, nil) {
			close(g.arrived)
			<-g.release
		}
		return nil
	}
	g.engine.after = func(w []write) {
		if key := g.held.Load(); key != nil && writes(w, *key) {
			g.done.Store(true)
		}
	}
	return g
}

func writes(w []write, key []byte) bool {
	for _, one := range w {
		if bytes.Equal(one.key, key) {
			return true
		}
	}
	return false
}

// hold makes the next write of a record wait.
func (g *gatekeeper) hold(n *store.Namespace, key string) {
	at := recordKey(n.Tenant(), n.Name(), key)
	g.arrived, g.release = make(chan struct{}), make(chan struct{})
	g.letGo = sync.OnceFunc(func() { close(g.release) })
	g.done.Store(false)
	g.held.Store(&at)
	g.armed.Store(&at)
}

// pinners are the ways to write under a namespace's keys.
var pinners = map[string]func(ctx context.Context, w *world, n *store.Namespace) error{
	"Put": func(ctx context.Context, _ *world, n *store.Namespace) error {
		return n.Put(ctx, []byte("k"), []byte("v2"))
	},
	"PutIfAbsent": func(ctx context.Context, _ *world, n *store.Namespace) error {
		return n.PutIfAbsent(ctx, []byte("k"), []byte("v2"))
	},
	"CompareAndSwap": func(ctx context.Context, _ *world, n *store.Namespace) error {
		return n.CompareAndSwap(ctx, []byte("k"), []byte("v1"), []byte("v2"))
	},
	"chunked Put": func(ctx context.Context, _ *world, n *store.Namespace) error {
		return n.Put(ctx, []byte("k"), []byte(strings.Repeat("v2", 50_000)))
	},
	"Batch": func(ctx context.Context, w *world, n *store.Namespace) error {
		b := w.NewBatch()
		return errors.Join(b.Put(n, []byte("k"), []byte("v2")), b.Commit(ctx))
	},
	"chunked Batch": func(ctx context.Context, w *world, n *store.Namespace) error {
		b := w.NewBatch()
		return errors.Join(b.Put(n, []byte("k"), []byte(strings.Repeat("v2", 50_000))), b.Commit(ctx))
	},
	"rewrap": func(ctx context.Context, _ *world, n *store.Namespace) error {
		_, err := n.Get(ctx, []byte("k"))
		return err
	},
}

// pinned starts a write of "k" and holds it up on its way into the engine.
func pinned(t *testing.T, name string, opts store.Options) (w *world, n *store.Namespace, g *gatekeeper, wrote chan error) {
	t.Helper()
	g = newGatekeeper(mem.New())
	opts.Engine, opts.Rewrap, opts.Inline = g.engine, store.RewrapInline, 4096
	w = newWorld(t, opts, "acme")
	n = w.ns("acme", "jira/comments")
	mustPut(t, n, "other", "v")
	if name != "PutIfAbsent" {
		mustPut(t, n, "k", "v1")
	}
	if name == "rewrap" {
		rotate(t, w)
	}
	g.hold(n, "k")
	t.Cleanup(g.letGo) // before the store is closed, which waits for the write
	wrote = make(chan error, 1)
	go func() { wrote <- pinners[name](context.Background(), w, n) }()
	<-g.arrived
	return w, n, g, wrote
}

func rotate(t *testing.T, w *world) {
	t.Helper()
	if _, err := w.tenant("acme").RotateDataKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// waitsFor runs act beside a write that is held up and fails the test unless act returns only
// after that write is done.
func (g *gatekeeper) waitsFor(t *testing.T, act func() error) {
	t.Helper()
	returned := make(chan error, 1)
	go func() {
		err := act()
		if !g.done.Load() {
			err = errors.Join(err, errors.New("returned before the write was done"))
		}
		returned <- err
	}()
	select {
	case err := <-returned:
		t.Fatal(err)
	case <-time.After(50 * time.Millisecond):
	}
	g.letGo()
	if err := <-returned; err != nil {
		t.Fatal(err)
	}
}

// Every way to write holds up a rotation until what it seals is in the engine. A write that does
// not pin its epoch, or lets go of it too early, fails here.
func TestRotationWaitsForWriters(t *testing.T) {
	for name := range pinners {
		t.Run(name, func(t *testing.T) {
			w, n, g, wrote := pinned(t, name, store.Options{})
			g.waitsFor(t, func() error { _, err := w.tenant("acme").RotateDataKeys(context.Background()); return err })
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
			if _, err := n.Get(t.Context(), []byte("k")); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestRevokeWaitsForWriters(t *testing.T) {
	for name := range pinners {
		t.Run(name, func(t *testing.T) {
			w, n, g, wrote := pinned(t, name, store.Options{})
			g.waitsFor(t, func() error { return w.tenant("acme").Revoke(context.Background()) })
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
			wantError(t, n, "k", store.ErrKeyRevoked)
		})
	}
}

// A revocation waits for what is being read.
func TestRevokeWaitsForReaders(t *testing.T) {
	for name, at := range map[string]codec.Kind{"record": codec.KindRecord, "chunks": codec.KindChunk} {
		t.Run(name, func(t *testing.T) {
			e := &hooked{Engine: mem.New()}
			w := newWorld(t, store.Options{Engine: e, Inline: 10}, "acme")
			n := w.ns("acme", "jira/comments")
			mustPut(t, n, "k", "a value in chunks")
			arrived, release := make(chan struct{}), make(chan struct{})
			t.Cleanup(sync.OnceFunc(func() { close(release) }))
			var once sync.Once
			e.read = func(from []byte) {
				if from[0] == byte(at) {
					once.Do(func() { close(arrived); <-release })
				}
			}
			read, revoked := make(chan error, 1), make(chan error, 1)
			go func() { _, err := n.Get(context.Background(), []byte("k")); read <- err }()
			<-arrived
			go func() { revoked <- w.tenant("acme").Revoke(context.Background()) }()
			select {
			case <-revoked:
				t.Fatal("Revoke returned while a value was being read")
			case <-time.After(50 * time.Millisecond):
			}
			release <- struct{}{}
			if err := errors.Join(<-read, <-revoked); err != nil {
				t.Fatal(err)
			}
			wantError(t, n, "k", store.ErrKeyRevoked)
		})
	}
}

// A write that is held up under keys that were replaced since counts all the same: for a later
// rotation, a revocation, a sweep; after an earlier rotation, or the end of KeyTTL.
func TestLaterActsWaitForOlderWriters(t *testing.T) {
	acts := map[string]func(w *world) error{
		"rotation": func(w *world) error {
			_, err := w.tenant("acme").RotateDataKeys(context.Background())
			return err
		},
		"revocation": func(w *world) error { return w.tenant("acme").Revoke(context.Background()) },
		"sweep":      func(w *world) error { _, err := w.tenant("acme").Sweep(context.Background(), nil); return err },
	}
	for name, act := range acts {
		t.Run(name+" after a rotation", func(t *testing.T) {
			w, n, g, wrote := pinned(t, "Put", store.Options{})
			first := make(chan error, 1)
			go func() { _, err := w.tenant("acme").RotateDataKeys(context.Background()); first <- err }()
			for number(t, g.engine, n, "other") < 2 { // until the first rotation has published its keys
				mustPut(t, n, "other", "v")
			}
			g.waitsFor(t, func() error { return act(w) })
			if err := errors.Join(<-first, <-wrote); err != nil {
				t.Fatal(err)
			}
		})
		t.Run(name+" after the end of KeyTTL", func(t *testing.T) {
			var jumped atomic.Int64
			now := func() time.Time { return time.Now().Add(time.Duration(jumped.Load())) }
			w, _, g, wrote := pinned(t, "Put", store.Options{KeyTTL: 2 * time.Second, Now: now})
			jumped.Store(int64(time.Hour)) // a suspended machine: the keys are purged at the next tick
			for w.Stats().Keys.Open > 0 {
				time.Sleep(time.Millisecond)
			}
			g.waitsFor(t, func() error { return act(w) })
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// number is the data key in a record's head.
func number(t *testing.T, e engine.Reader, n *store.Namespace, key string) uint32 {
	t.Helper()
	var env codec.Envelope
	if err := env.Parse(rawGet(t, e, recordKey(n.Tenant(), n.Name(), key))); err != nil {
		t.Fatal(err)
	}
	return env.Number
}
