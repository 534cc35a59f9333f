package store_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
)

// firstOf makes a hook that acts the first time that it meets an engine key after it was armed.
func firstOf(key []byte, act func()) (hook func([]byte), arm func()) {
	var armed atomic.Bool
	return func(at []byte) {
		if bytes.Equal(at, key) && armed.CompareAndSwap(true, false) {
			act()
		}
	}, func() { armed.Store(true) }
}

// A Reader that opens while the collector looks at its value either keeps it or reads the one that
// took its place: whichever of the two comes first at each of their steps.
func TestReaderAgainstCollector(t *testing.T) {
	old, later := content(70*chunk, 1), content(70*chunk, 2)
	type scene struct {
		e *hooked
		w *world
		n *store.Namespace
	}
	begin := func(t *testing.T) *scene {
		s := &scene{e: &hooked{Engine: newKept()}}
		s.w = newWorld(t, store.Options{Engine: s.e}, "acme")
		s.n = s.w.ns("acme", "jira/attachments")
		mustCreate(t, s.n, "k", old)
		return s
	}
	at := recordKey("acme", "jira/attachments", "k")
	end := func(t *testing.T, s *scene) {
		t.Helper()
		s.e.read, s.e.got = nil, nil
		if err := errors.Join(s.n.Delete(t.Context(), []byte("k")), s.w.Collect(t.Context())); err != nil {
			t.Fatal(err)
		}
		wantNoChunks(t, s.e)
	}

	t.Run("opened and replaced before the collector has read the record", func(t *testing.T) {
		s := begin(t)
		var r *store.Reader
		hook, arm := firstOf(at, func() { r = mustOpen(t, s.n, "k"); mustCreate(t, s.n, "k", later) })
		s.e.read = hook
		arm()
		if err := s.w.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := r.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), old) {
			t.Fatalf("%d bytes, %v", got.Len(), err)
		}
		r.Close()
		end(t, s)
	})
	t.Run("replaced and collected after the reader has read the record", func(t *testing.T) {
		s := begin(t)
		hook, arm := firstOf(at, func() {
			mustCreate(t, s.n, "k", later)
			if err := s.w.Collect(context.Background()); err != nil {
				t.Error(err)
			}
		})
		s.e.got = hook
		arm()
		wantContent(t, s.n, "k", later)
		end(t, s)
	})
	t.Run("replaced and collected while a Get reads", func(t *testing.T) {
		s := begin(t)
		hook, arm := firstOf(at, func() {
			mustCreate(t, s.n, "k", later)
			if err := s.w.Collect(context.Background()); err != nil {
				t.Error(err)
			}
		})
		s.e.got = hook
		arm()
		wantValue(t, s.n, "k", string(later))
		end(t, s)
	})
	t.Run("closed by its writer after the collector has seen it pending", func(t *testing.T) {
		s := begin(t)
		out, err := s.n.Create(t.Context(), []byte("k"), nil)
		if err == nil {
			_, err = out.Write(later)
		}
		if err != nil {
			t.Fatal(err)
		}
		hook, arm := firstOf(at, func() { // of the entry before it
			if err := out.Close(); err != nil {
				t.Error(err)
			}
		})
		s.e.read = hook
		arm()
		if err := s.w.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.e.read = nil
		wantContent(t, s.n, "k", later)
		end(t, s)
	})
}

// The journal has a blob's entry from before its first chunk until after its last, and a manifest
// comes when every chunk is there: whatever is cut short can be found and collected.
func TestOrderOfABlob(t *testing.T) {
	inner := newKept()
	e := &hooked{Engine: inner}
	w := newWorld(t, store.Options{Engine: e, Inline: 100}, "acme")
	e.before = func(ws []write) error {
		for _, one := range ws {
			k, err := codec.ParseKey(one.key)
			if err != nil {
				continue // of the store itself
			}
			chunks, _ := rawAll(t, inner, codec.KindChunk)
			here := 0
			for _, key := range chunks {
				if c, err := codec.ParseKey(key); err == nil && k.Kind == codec.KindJournal && c.Blob() == k.Blob() {
					here++
				}
			}
			var env codec.Envelope
			switch {
			case k.Kind == codec.KindChunk:
				time.Sleep(time.Millisecond) // so that who does not wait for it is too early
				id := k.Blob()
				if rawGet(t, inner, append(codec.AppendPrefix(nil, codec.KindJournal, "acme", string(k.Namespace)), id[:]...)) == nil {
					t.Error("a chunk without an entry in the journal")
				}
			case k.Kind == codec.KindJournal && one.value == nil && here > 0:
				t.Errorf("an entry is deleted before %d chunks", here)
			case k.Kind == codec.KindRecord && one.value != nil && env.Parse(one.value) == nil && env.Chunked:
				have := uint64(0)
				for _, key := range chunks {
					if c, err := codec.ParseKey(key); err == nil && c.Blob() == env.Blob.ID {
						have++
					}
				}
				if have != env.Blob.Chunks() {
					t.Errorf("a manifest of %d chunks, of which %d are there", env.Blob.Chunks(), have)
				}
			}
		}
		return nil
	}
	n := w.ns("acme", "jira/attachments")
	b := w.NewBatch()
	if err := errors.Join(
		n.Put(t.Context(), []byte("put"), content(20*chunk, 1)), n.Put(t.Context(), []byte("put"), content(3*chunk, 1)),
		b.Put(n, []byte("batch"), content(20*chunk, 2)), b.Put(n, []byte("batch2"), content(200, 2)), b.Commit(t.Context()),
		n.CompareAndSwap(t.Context(), []byte("put"), content(3*chunk, 1), content(4*chunk, 1)),
	); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, n, "stream", content(30*chunk+1, 3))
	mustCreate(t, n, "empty", nil)
	rotate(t, w)
	sweep(t, w, nil)
	for _, key := range []string{"put", "batch", "stream"} {
		if err := errors.Join(n.Delete(t.Context(), []byte(key)), w.Collect(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	checkBlobs(t, inner)
}
