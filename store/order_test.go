package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// mirrored is the highest number that the engine's mirror of the keyring has.
func mirrored(t *testing.T, e engine.Reader) uint32 {
	var (
		signed codec.Signed
		seen   codec.Counters
	)
	if err := codec.DecodeRecord(rawGet(t, e, codec.MetaMirror), &signed); err != nil {
		t.Error(err)
	}
	if err := codec.DecodeRecord(signed.Body, &seen); err != nil {
		t.Error(err)
	}
	return seen.Highest
}

// A number is in the engine's mirror before the first record under it, however many keys are
// minted and rotated at once.
func TestNumbersAreMirroredFirst(t *testing.T) {
	inner := mem.New()
	e := &hooked{Engine: inner}
	w := newWorld(t, store.Options{Engine: e, Rewrap: store.RewrapInline})
	e.before = func(ws []write) error {
		for _, one := range ws {
			var env codec.Envelope
			if one.key[0] != byte(codec.KindRecord) || env.Parse(one.value) != nil {
				continue
			}
			highest := env.Number
			for _, r := range env.Recipients {
				highest = max(highest, r.Number)
			}
			if have := mirrored(t, inner); have < highest {
				t.Errorf("a record under number %d, the mirror is at %d", highest, have)
			}
		}
		return nil
	}
	var wait sync.WaitGroup
	for i := range 12 {
		id := fmt.Sprint("t", i)
		if _, err := w.AddTenant(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
		for _, name := range sceneNamespaces {
			n := w.ns(id, name)
			wait.Go(func() {
				for j := range 4 {
					key := []byte(fmt.Sprint(j))
					if err := n.Put(context.Background(), key, key); err != nil {
						t.Error(err)
					}
					if got, err := n.Get(context.Background(), key); err != nil || !bytes.Equal(got, key) {
						t.Error(err)
					}
				}
			})
		}
		tenant := w.tenant(id)
		wait.Go(func() {
			if _, err := tenant.RotateDataKeys(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

// A revocation or a rotation whose mirror cannot be written is durable all the same, so it takes
// effect: what it says it failed at is only the mirror.
func TestActsWithoutTheirMirror(t *testing.T) {
	for name, act := range map[string]func(w *world) error{
		"rotation":   func(w *world) error { _, err := w.tenant("acme").RotateDataKeys(context.Background()); return err },
		"revocation": func(w *world) error { return w.tenant("acme").Revoke(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			e := &hooked{Engine: mem.New()}
			var failing bool
			e.before = func(ws []write) error {
				if failing && writes(ws, codec.MetaMirror) {
					return engine.ErrDiskFull
				}
				return nil
			}
			w := newWorld(t, store.Options{Engine: e, Rewrap: store.RewrapOff}, "acme")
			n := w.ns("acme", "jira/comments")
			mustPut(t, n, "k", "v")
			old := number(t, e, n, "k")
			failing = true
			if err := act(w); !errors.Is(err, engine.ErrDiskFull) {
				t.Fatalf("without its mirror: %v", err)
			}
			if err := n.Put(t.Context(), []byte("k"), []byte("v")); err == nil && number(t, e, n, "k") == old {
				t.Fatal("a write under a key that is out of use")
			}
			if _, err := n.Get(t.Context(), []byte("k")); err == nil && name == "revocation" {
				t.Fatal("a revoked tenant reads")
			}
			failing = false
			if err := act(w); err != nil {
				t.Fatalf("again: %v", err)
			}
			if err := errors.Join(w.tenant("acme").Revoke(t.Context()), w.tenant("acme").Restore(t.Context())); err != nil {
				t.Fatal(err)
			}
			wantValue(t, n, "k", "v")
		})
	}
}
