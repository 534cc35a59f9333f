package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// What doc comments promise of arguments that are odd.

func TestOddOptions(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, opts := range []*store.Options{nil, {}} { // Roots is required
		if s, err := store.Open(t.Context(), w.dir, opts); err == nil {
			s.Close()
			t.Error("opened without Roots")
		}
		if _, err := store.Create(t.Context(), filepath.Join(t.TempDir(), "new"), platformURI, opts); err == nil {
			t.Error("created without Roots")
		}
	}
	if _, err := store.Create(t.Context(), w.dir, platformURI, &w.opts); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a whole store: %v", err)
	}
	if _, err := store.Open(t.Context(), t.TempDir(), &w.opts); !errors.Is(err, store.ErrNoStore) {
		t.Errorf("an empty directory: %v", err)
	}
	other := t.TempDir()
	note := filepath.Join(other, "note")
	if err := os.WriteFile(note, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{other, note} {
		if _, err := store.Create(t.Context(), dir, platformURI, &w.opts); err == nil {
			t.Errorf("%s is not empty, and a store was made there", dir)
		}
	}
	if text, err := os.ReadFile(note); err != nil || string(text) != "mine" {
		t.Errorf("the file that was there: %q, %v", text, err)
	}
}

func TestLengths(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	n := w.ns("acme", "jira/comments")
	for length, want := range map[int]error{0: store.ErrInvalidName, 1: nil, store.MaxKeyLen: nil, store.MaxKeyLen + 1: store.ErrTooLarge} {
		key := bytes.Repeat([]byte{0}, length) // any bytes
		if err := n.Put(t.Context(), key, nil); !errors.Is(err, want) {
			t.Errorf("a key of %d bytes: %v", length, err)
		}
		if _, err := n.Get(t.Context(), key); !errors.Is(err, want) {
			t.Errorf("getting a key of %d bytes: %v", length, err)
		}
		if _, err := n.Create(t.Context(), key, &store.CreateOptions{IfAbsent: true}); want != nil && !errors.Is(err, want) {
			t.Errorf("creating a key of %d bytes: %v", length, err)
		}
	}
	for id, want := range map[string]error{
		"": store.ErrInvalidName, "a/b": store.ErrInvalidName, "é": store.ErrInvalidName,
		strings.Repeat("x", 64): nil, strings.Repeat("x", 65): store.ErrInvalidName,
		"ACME": nil, // not acme
		"acme": store.ErrTenantExists,
	} {
		if _, err := w.AddTenant(t.Context(), id, nil); !errors.Is(err, want) {
			t.Errorf("tenant %q: %v", id, err)
		}
	}
	if _, err := w.ns("ACME", "jira/comments").Get(t.Context(), []byte{0}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a tenant's value under an id in capitals: %v", err)
	}
	if n != w.ns("acme", "jira/comments") {
		t.Error("two handles of one namespace")
	}
}

// Put and the batch keep neither slice, and what Get returns is the caller's.
func TestSlicesAreTheCallers(t *testing.T) {
	for _, cache := range []int64{0, 1 << 20} {
		w := newWorld(t, store.Options{ValueCacheBytes: cache, Inline: 1 << 10}, "acme")
		n := w.ns("acme", "jira/comments")
		for _, value := range []string{"short", strings.Repeat("long", 1000)} {
			key, v := []byte("put"), []byte(value)
			if err := n.Put(t.Context(), key, v); err != nil {
				t.Fatal(err)
			}
			b := w.NewBatch()
			copy(key, "two")
			if err := b.Put(n, key, v); err != nil {
				t.Fatal(err)
			}
			clear(key)
			clear(v)
			if err := b.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"put", "two"} {
				for range 3 { // from the cache too
					got, err := n.Get(t.Context(), []byte(key))
					if err != nil || string(got) != value {
						t.Fatalf("%s: %.20q, %v", key, got, err)
					}
					clear(got)
				}
			}
		}
	}
}

func TestBatchPromises(t *testing.T) {
	w, other := newWorld(t, store.Options{}, "acme"), newWorld(t, store.Options{}, "acme")
	n := w.ns("acme", "jira/comments")
	b := w.NewBatch()
	if err := b.Put(other.ns("acme", "jira/comments"), []byte("k"), nil); err == nil {
		t.Error("took a namespace of another store")
	}
	if err := b.Put(n, nil, nil); !errors.Is(err, store.ErrInvalidName) || b.Len() != 0 {
		t.Errorf("%v, %d operations", err, b.Len())
	}
	value := make([]byte, 200<<10)
	for {
		length, size := b.Len(), b.Size()
		err := b.Put(n, []byte{byte(length)}, value)
		if err == nil {
			continue
		}
		if !errors.Is(err, store.ErrTooLarge) || b.Len() != length || b.Size() != size || length < 5 {
			t.Fatalf("%v after %d operations of %d bytes, now %d of %d", err, length, size, b.Len(), b.Size())
		}
		break
	}
	for range 2 { // it stays as it is
		if err := b.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.Reset()
	if err := b.Delete(n, []byte{0}); err != nil || b.Len() != 1 {
		t.Fatal(err)
	}
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[byte]bool{0: false, 1: true} {
		if has, err := n.Has(t.Context(), []byte{key}); has != want || err != nil {
			t.Errorf("key %d: %v, %v", key, has, err)
		}
	}
}

// A time still to come is now, and a namespace without a max-age keeps none. Has says of what has
// expired that it is not there, before it is collected.
func TestPutWrittenPromises(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	w := newWorld(t, store.Options{Now: func() time.Time { return now }}, "acme")
	cached, kept := w.ns("acme", "jira/cached-content"), w.ns("acme", "jira/comments")
	for key, written := range map[string]time.Time{"none": {}, "later": now.Add(time.Hour), "before": now.Add(-time.Hour)} {
		for _, n := range []*store.Namespace{cached, kept} {
			if err := n.PutWritten(t.Context(), []byte(key), []byte("v"), written); err != nil {
				t.Fatal(err)
			}
			want := time.Time{}
			if n == cached {
				want = now
				if key == "before" {
					want = written
				}
			}
			head, err := w.Head(t.Context(), "acme", n.Name(), []byte(key))
			if err != nil || !head.Written.Equal(want) {
				t.Errorf("%s in %s: written %v, want %v (%v)", key, n.Name(), head.Written, want, err)
			}
		}
	}
	now = now.Add(cached.MaxAge() - time.Minute)
	for key, want := range map[string]bool{"before": false, "later": true} {
		if has, err := cached.Has(t.Context(), []byte(key)); has != want || err != nil {
			t.Errorf("%s: %v, %v", key, has, err)
		}
	}
}

func TestReaderPositions(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 10}, "acme")
	n := w.ns("acme", "jira/attachments")
	for _, value := range []string{"", "short", strings.Repeat("chunk", 40000)} {
		mustPut(t, n, "k", value)
		r, err := n.Open(t.Context(), []byte("k"))
		if err != nil {
			t.Fatal(err)
		}
		if at, err := r.Seek(int64(len(value))+1000, io.SeekStart); err != nil || at != int64(len(value))+1000 {
			t.Errorf("beyond the end: %d, %v", at, err)
		}
		if k, err := r.Read(make([]byte, 1)); k != 0 || err != io.EOF {
			t.Errorf("reading there: %d, %v", k, err)
		}
		if _, err := r.Seek(-1, io.SeekStart); err == nil {
			t.Error("before the beginning")
		}
		if _, err := r.Seek(0, 3); err == nil {
			t.Error("from nowhere")
		}
		if k, err := r.ReadAt(make([]byte, 2), int64(max(len(value)-1, 0))); err != io.EOF || k != min(len(value), 1) {
			t.Errorf("ReadAt over the end: %d, %v", k, err)
		}
		if _, err := r.ReadAt(make([]byte, 2), -1); err == nil {
			t.Error("ReadAt before the beginning")
		}
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			t.Error(err)
		}
		var whole bytes.Buffer
		if k, err := r.WriteTo(&whole); k != int64(len(value)) || err != nil || whole.String() != value {
			t.Errorf("%d of %d bytes, %v", k, len(value), err)
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	}
}

// A deletion deletes, and needs no key, also where every value is in chunks.
func TestBatchDeletesChunked(t *testing.T) {
	w := newWorld(t, store.Options{Inline: -1}, "acme")
	n, b := w.ns("acme", "jira/comments"), w.NewBatch()
	for _, key := range []string{"a", "b"} {
		mustPut(t, n, key, "v")
	}
	err := errors.Join(b.Put(n, []byte("c"), nil), b.Delete(n, []byte("a")), b.Commit(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, n, "a", store.ErrNotFound)
	wantValue(t, n, "c", "")
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	if err := errors.Join(b.Delete(n, []byte("b")), b.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
	wantError(t, n, "b", store.ErrNotFound)
}

// A batch that takes an operation can be committed, also where each takes the most that one can: in chunks,
// with a time.
func TestFullBatchCommits(t *testing.T) {
	w := newWorld(t, store.Options{Engine: mem.New(), Inline: -1}, "acme")
	n, b, puts := w.ns("acme", "jira/cached-content"), w.NewBatch(), 0
	for {
		err := b.Put(n, fmt.Appendf(nil, "%01024d", puts), nil)
		if errors.Is(err, store.ErrTooLarge) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		puts++
	}
	if err := b.Commit(t.Context()); err != nil {
		t.Fatalf("%d puts of %d bytes: %v", puts, b.Size(), err)
	}
	if puts < 3300 {
		t.Errorf("only %d puts fit", puts)
	}
}
