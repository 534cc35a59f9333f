package store_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// A holder is something that reads an older state: it reads all of a value that is 200,000 times
// "v", or of one that is "v".
type holder struct {
	read  func() (string, error)
	close func() error
}

func ofReader(r *store.Reader, err error) (holder, error) {
	return holder{
		func() (string, error) {
			all, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
			return string(all), err
		},
		func() error { return r.Close() },
	}, err
}

var longValue = strings.Repeat("v", 200_000)

// holders begin to read, and say what they read.
var holders = map[string]struct {
	key, want string
	begin     func(w *world, n *store.Namespace, key string) (holder, error)
}{
	"snapshot": {"short", "v", func(w *world, n *store.Namespace, key string) (holder, error) {
		s, err := w.Snapshot(w.t.Context())
		return holder{func() (string, error) {
			value, err := s.Get(context.Background(), n, []byte(key))
			return string(value), err
		}, func() error { return s.Close() }}, err
	}},
	"scan of a snapshot": {"short", "v", func(w *world, n *store.Namespace, key string) (holder, error) {
		s, err := w.Snapshot(w.t.Context())
		return holder{func() (string, error) {
			for e, err := range s.Scan(context.Background(), n, &store.ScanOptions{Prefix: []byte(key)}) {
				if err != nil {
					return "", err
				}
				value, err := e.Value()
				return string(value), err
			}
			return "", nil
		}, func() error { return s.Close() }}, err
	}},
	"reader": {"short", "v", func(w *world, n *store.Namespace, key string) (holder, error) {
		return ofReader(n.Open(context.Background(), []byte(key)))
	}},
	"reader of chunks": {"long", longValue, func(w *world, n *store.Namespace, key string) (holder, error) {
		return ofReader(n.Open(context.Background(), []byte(key)))
	}},
	"reader of a snapshot": {"long", longValue, func(w *world, n *store.Namespace, key string) (holder, error) {
		s, err := w.Snapshot(w.t.Context())
		if err != nil {
			return holder{}, err
		}
		h, err := ofReader(s.Open(context.Background(), n, []byte(key)))
		closeReader := h.close
		h.close = func() error { return errors.Join(closeReader(), s.Close()) }
		return h, err
	}},
}

func (h holder) want(t *testing.T, value string) {
	t.Helper()
	if got, err := h.read(); err != nil || got != value {
		t.Fatalf("%d bytes, %v; want %d", len(got), err, len(value))
	}
}

// holding is a store with a short value and one in chunks, under a clock.
func holding(t *testing.T, e engine.Engine) (*world, *clock, *store.Namespace) {
	c := newClock()
	w := newWorld(t, store.Options{Engine: e, NoSync: true, Inline: 1000, Rewrap: store.RewrapOff, Now: c.now, KeyTTL: 1000 * time.Hour}, "acme")
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "short", "v")
	mustPut(t, n, "long", longValue)
	mustPut(t, w.ns("acme", "jira/issues"), "short", "v")
	return w, c, n
}

// Who began to read before the end of the sweep that emptied a key keeps it from being retired, and
// reads on; who began later does not, nor who reads of another namespace.
func TestHolds(t *testing.T) {
	for name, kind := range holders {
		t.Run(name, func(t *testing.T) {
			w, _, n := holding(t, mem.New())
			acme := w.tenant("acme")
			h, err := kind.begin(w, n, kind.key)
			if err != nil {
				t.Fatal(err)
			}
			rotateAcme(t, w)
			sweep(t, w, nil)
			err = acme.RetireDataKey(t.Context(), n.Name(), 1, false)
			if !errors.Is(err, store.ErrNeeded) || !strings.Contains(err.Error(), "is open since 20") {
				t.Fatalf("retired under a %s: %v", name, err)
			}
			h.want(t, kind.want)
			if err := h.close(); err != nil {
				t.Fatal(err)
			}
			if h, err = kind.begin(w, n, kind.key); err != nil {
				t.Fatal(err)
			}
			other, err := ofReader(w.ns("acme", "jira/issues").Open(t.Context(), []byte("short")))
			if err != nil {
				t.Fatal(err)
			}
			if err := acme.RetireDataKey(t.Context(), n.Name(), 1, false); err != nil {
				t.Fatalf("not retired although the %s is younger than the census: %v", name, err)
			}
			h.want(t, kind.want)
			other.want(t, "v")
			if err := errors.Join(h.close(), other.close()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A closing engine counts the snapshots that are open.
type closing struct {
	*mem.Engine
	open atomic.Int64
}

func (c *closing) NewSnapshot(ctx context.Context) (engine.Snapshot, error) {
	s, err := c.Engine.NewSnapshot(ctx)
	c.open.Add(1)
	return &closingSnapshot{s, c}, err
}

type closingSnapshot struct {
	engine.Snapshot
	of *closing
}

func (c *closingSnapshot) Close() error { c.of.open.Add(-1); return c.Snapshot.Close() }

// After MaxOpen what is still open returns ErrTooOld, and holds nothing up: no key, and once
// collected no chunk and no snapshot of the engine.
func TestMaxOpen(t *testing.T) {
	for name, kind := range holders {
		t.Run(name, func(t *testing.T) {
			e := &closing{Engine: mem.New()}
			w, c, n := holding(t, e)
			h, err := kind.begin(w, n, kind.key)
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Delete(t.Context(), []byte("long")); err != nil {
				t.Fatal(err)
			}
			rotateAcme(t, w)
			sweep(t, w, nil)
			c.move(store.DefaultMaxOpen - time.Second)
			if err := w.Collect(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.want(t, kind.want)
			c.move(time.Second)
			if _, err := h.read(); !errors.Is(err, store.ErrTooOld) {
				t.Fatalf("a %s that is too old: %v", name, err)
			}
			if err := w.tenant("acme").RetireDataKey(t.Context(), n.Name(), 1, false); err != nil {
				t.Fatal(err)
			}
			if err := w.Collect(t.Context()); err != nil {
				t.Fatal(err)
			}
			if keys, _ := rawAll(t, e, codec.KindChunk); len(keys) > 0 || e.open.Load() != 0 {
				t.Fatalf("%d chunks and %d snapshots are kept", len(keys), e.open.Load())
			}
			if _, err := h.read(); !errors.Is(err, store.ErrTooOld) {
				t.Fatalf("a %s that is too old, and let go: %v", name, err)
			}
			if err := h.close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestMaxOpenWithoutLimit(t *testing.T) {
	c := newClock()
	w := newWorld(t, store.Options{Engine: mem.New(), MaxOpen: -1, Now: c.now, KeyTTL: 1000 * time.Hour}, "acme")
	mustPut(t, w.ns("acme", "jira/comments"), "short", "v")
	h, err := holders["snapshot"].begin(w, w.ns("acme", "jira/comments"), "short")
	if err != nil {
		t.Fatal(err)
	}
	c.move(100 * 24 * time.Hour)
	h.want(t, "v")
}

// A scan holds nothing up, for it keeps no older state: records that are rewrapped, and whose key
// is retired, between its reading of a page and of an entry, open under their new key.
func TestScanOverARetirement(t *testing.T) {
	for _, limit := range []int{0, 2} {
		w, _, n := holding(t, mem.New())
		seen := 0
		for e, err := range n.Scan(t.Context(), &store.ScanOptions{Limit: limit}) {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; seen == 1 {
				rotateAcme(t, w)
				sweep(t, w, nil)
				if err := w.tenant("acme").RetireDataKey(t.Context(), n.Name(), 1, false); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := e.Value(); err != nil {
				t.Fatal(err)
			}
		}
		if seen != 2 {
			t.Fatalf("limit %d: %d entries", limit, seen)
		}
	}
}
