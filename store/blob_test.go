package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
)

const chunk = 64 << 10

// content is size bytes that are nowhere the same.
func content(size int, seed uint64) []byte {
	out := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(out)
	return out
}

func mustCreate(t *testing.T, n *store.Namespace, key string, value []byte) {
	t.Helper()
	w, err := n.Create(t.Context(), []byte(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(value)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t *testing.T, n *store.Namespace, key string) *store.Reader {
	t.Helper()
	r, err := n.Open(t.Context(), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func wantContent(t *testing.T, n *store.Namespace, key string, want []byte) {
	t.Helper()
	r := mustOpen(t, n, key)
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) || r.Size() != int64(len(want)) {
		t.Fatalf("%d bytes of %d, %v; want %d", len(got), r.Size(), err, len(want))
	}
}

// wantNoChunks fails the test if a chunk or an entry of the journal is left in the engine.
func wantNoChunks(t *testing.T, e engine.Engine) {
	t.Helper()
	for _, kind := range []codec.Kind{codec.KindChunk, codec.KindJournal} {
		if keys, _ := rawAll(t, e, kind); len(keys) > 0 {
			t.Fatalf("%d of kind %#x are left over", len(keys), kind)
		}
	}
}

var blobSizes = []int{
	0, 1, 1000, chunk - 1, chunk, chunk + 1, 2*chunk - 1, 2 * chunk, 2*chunk + 1, store.DefaultInline, store.DefaultInline + 1,
	8*chunk - 1, 8 * chunk, 8*chunk + 1, 16*chunk - 1, 16 * chunk, 16*chunk + 1, 50*chunk + 77,
}

// Values of every size around the seams go in and out in a stream, under one key and under two,
// in one record and in chunks, however they are cut into calls.
func TestStreams(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine.Engine) {
		w := newWorld(t, store.Options{Engine: e, Inline: -1}, "acme")
		for _, inline := range []int{-1, 0} {
			for _, name := range []string{"jira/comments", "jira/attachments"} {
				n := w.ns("acme", name)
				for i, size := range blobSizes {
					testStream(t, n, fmt.Sprint("k", inline, size), content(size, uint64(i)))
				}
			}
			if inline == 0 {
				break
			}
		}
	})
}

func testStream(t *testing.T, n *store.Namespace, key string, want []byte) {
	t.Helper()
	mustCreate(t, n, key, want)
	wantValue(t, n, key, string(want))
	r := mustOpen(t, n, key)
	if len(want) <= 1000 {
		if err := iotest.TestReader(r, want); err != nil {
			t.Fatalf("%d bytes: %v", len(want), err)
		}
	}
	testRanges(t, r, want)
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	if k, err := r.WriteTo(&all); err != nil || k != int64(len(want)) || !bytes.Equal(all.Bytes(), want) {
		t.Fatalf("WriteTo: %d bytes of %d, %v", k, len(want), err)
	}
	w, err := n.Create(t.Context(), []byte(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := w.ReadFrom(iotest.HalfReader(bytes.NewReader(want)))
	if err = errors.Join(err, w.Close()); err != nil || k != int64(len(want)) {
		t.Fatalf("ReadFrom: %d bytes, %v", k, err)
	}
	wantContent(t, n, key, want)
}

// testRanges compares ranges around the seams, and others.
func testRanges(t *testing.T, r *store.Reader, want []byte) {
	t.Helper()
	whole := bytes.NewReader(want)
	offsets := []int64{0, 1, int64(len(want)) - 1, int64(len(want)), int64(len(want)) + 10}
	for at := int64(chunk); at <= int64(len(want)); at += 7 * chunk {
		offsets = append(offsets, at-1, at, at+1, rand.Int64N(int64(len(want))))
	}
	for _, offset := range offsets {
		for _, length := range []int{0, 1, 1000, chunk, chunk + 1, 3 * chunk} {
			got, expected := make([]byte, length), make([]byte, length)
			offset := max(offset, 0)
			k, err := r.ReadAt(got, offset)
			k2, err2 := whole.ReadAt(expected, offset)
			if length > 0 && err != err2 || k != k2 || !bytes.Equal(got, expected) {
				t.Fatalf("ReadAt(%d bytes, %d) of %d: %d, %v; want %d, %v", length, offset, len(want), k, err, k2, err2)
			}
			if _, err := r.Seek(offset, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			clear(got)
			if k, err := io.ReadFull(r, got); k != k2 || !bytes.Equal(got, expected) || (err == nil) != (k == length) {
				t.Fatalf("Seek(%d), %d bytes of %d: %d, %v", offset, length, len(want), k, err)
			}
		}
	}
}

// What is short enough is stored in its record, whichever way it came.
func TestShortStreamsAreRecords(t *testing.T) {
	e := newKept()
	n := newWorld(t, store.Options{Engine: e}, "acme").ns("acme", "jira/attachments")
	for _, size := range []int{0, 1, store.DefaultInline} {
		testStream(t, n, "k", content(size, 1))
	}
	wantNoChunks(t, e)
}

// An open reader reads what it was opened on, while that is replaced or deleted and collected.
func TestReaderOfReplacedValue(t *testing.T) {
	acts := map[string]func(n *store.Namespace) error{
		"replaced": func(n *store.Namespace) error {
			return n.Put(t.Context(), []byte("k"), content(5*chunk, 9))
		},
		"replaced by a short one": func(n *store.Namespace) error { return n.Put(t.Context(), []byte("k"), []byte("v")) },
		"deleted":                 func(n *store.Namespace) error { return n.Delete(t.Context(), []byte("k")) },
	}
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			e := newKept()
			w := newWorld(t, store.Options{Engine: e, Inline: 100}, "acme")
			n := w.ns("acme", "jira/attachments")
			want := content(20*chunk+5, 1)
			mustCreate(t, n, "k", want)
			r := mustOpen(t, n, "k")
			part := make([]byte, 3*chunk)
			if _, err := io.ReadFull(r, part); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := errors.Join(act(n), w.Collect(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			rest, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(append(part, rest...), want) {
				t.Fatalf("%d bytes, %v", len(part)+len(rest), err)
			}
			if err := errors.Join(r.Close(), n.Delete(t.Context(), []byte("k")), w.Collect(t.Context())); err != nil {
				t.Fatal(err)
			}
			wantNoChunks(t, e)
			if _, err := r.Read(part); !errors.Is(err, fs.ErrClosed) {
				t.Fatalf("a closed reader reads: %v", err)
			}
		})
	}
}

// A revocation, and the end of a max-age, reach an open reader at the next chunk.
func TestReaderLosesItsKeys(t *testing.T) {
	var later atomic.Int64
	w := newWorld(t, store.Options{Inline: 100, Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) }}, "acme")
	for name, lose := range map[string]struct {
		n     *store.Namespace
		act   func()
		class error
	}{
		"revoked": {w.ns("acme", "jira/comments"), func() {
			if err := w.tenant("acme").Revoke(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, store.ErrKeyRevoked},
		"expired": {w.ns("acme", "jira/cached-content"), func() { later.Store(int64(10 * 365 * 24 * time.Hour)) }, store.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			for key, size := range map[string]int{"chunked": 40 * chunk, "short": 100} {
				mustCreate(t, lose.n, key, content(size, 1))
			}
			long, short := mustOpen(t, lose.n, "chunked"), mustOpen(t, lose.n, "short")
			buf := make([]byte, 10*chunk+100) // so that chunks were opened ahead
			if _, err := io.ReadFull(long, buf); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond) // what is opened ahead is there
			lose.act()
			rest, err := io.ReadAll(long)
			if len(rest) > chunk-100 || !errors.Is(err, lose.class) {
				t.Fatalf("%d bytes more, %v", len(rest), err)
			}
			for _, r := range []*store.Reader{long, short} {
				if k, err := r.ReadAt(buf[:10], 0); k != 0 || !errors.Is(err, lose.class) {
					t.Fatalf("ReadAt: %d bytes, %v", k, err)
				}
			}
			if k, err := short.Read(buf); k != 0 || !errors.Is(err, lose.class) {
				t.Fatalf("Read: %d bytes, %v", k, err)
			}
		})
	}
}

// A reader learns of a key that was destroyed although values under it were left.
func TestReaderOfDestroyedKey(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 100, Rewrap: store.RewrapOff}, "acme")
	n := w.ns("acme", "jira/comments")
	mustCreate(t, n, "k", content(40*chunk, 1))
	number := numberOf(t, w, "k")
	rotate(t, w)
	r := mustOpen(t, n, "k")
	if _, err := io.CopyN(io.Discard, r, 3*chunk); err != nil {
		t.Fatal(err)
	}
	if err := w.tenant("acme").RetireDataKey(t.Context(), "jira/comments", number, false); !errors.Is(err, store.ErrNeeded) {
		t.Fatal(err)
	}
	if err := w.tenant("acme").RetireDataKey(t.Context(), "jira/comments", number, true); err != nil {
		t.Fatal(err)
	}
	if k, err := io.Copy(io.Discard, r); k >= chunk || !errors.Is(err, store.ErrKeyDestroyed) {
		t.Fatalf("%d bytes more, %v", k, err)
	}
}

// An open reader needs its key, though nothing else does.
func TestReaderHoldsOffRetiring(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 100}, "acme")
	n := w.ns("acme", "jira/comments")
	mustCreate(t, n, "k", content(3*chunk, 1))
	number := numberOf(t, w, "k")
	r := mustOpen(t, n, "k")
	rotate(t, w)
	if _, err := w.tenant("acme").Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	retire := func() error {
		return w.tenant("acme").RetireDataKey(t.Context(), "jira/comments", number, false)
	}
	if err := retire(); !errors.Is(err, store.ErrNeeded) {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), retire()); err != nil {
		t.Fatal(err)
	}
}

// The end of a transition seals chunks anew, and never over what was written meanwhile.
func TestOvertakenReseal(t *testing.T) {
	for _, act := range []string{"put", "delete"} {
		g := newGatekeeper(newKept())
		w := policyWorld(t, "both", store.Options{Engine: g.engine, Rewrap: store.RewrapInline})
		n := w.ns("acme", "jira/comments")
		mustCreate(t, n, "k", content(40*chunk, 1))
		apply(t, w, 2, "tenant", false)
		n = w.ns("acme", "jira/comments")
		g.hold(n, "k")
		read := make(chan error, 1)
		go func() {
			_, err := n.Get(context.Background(), []byte("k"))
			read <- err
		}()
		<-g.arrived
		wantContent(t, n, "k", content(40*chunk, 1)) // the old one is there all the while
		var err error
		if act == "put" {
			err = n.Put(t.Context(), []byte("k"), []byte("new"))
		} else {
			err = n.Delete(t.Context(), []byte("k"))
		}
		g.letGo()
		if err := errors.Join(err, <-read); err != nil {
			t.Fatal(err)
		}
		if act == "put" {
			wantValue(t, n, "k", "new")
		} else {
			wantError(t, n, "k", store.ErrNotFound)
		}
		if got := w.Stats(); got.Lost == 0 {
			t.Fatalf("%s: %+v", act, got)
		}
	}
}

// Neither a reader nor a writer between two calls holds up a rotation, and both go on after it.
func TestStreamsAcrossRotation(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 100}, "acme")
	n := w.ns("acme", "jira/attachments")
	want := content(30*chunk, 1)
	mustCreate(t, n, "k", want)
	r := mustOpen(t, n, "k")
	out, err := n.Create(t.Context(), []byte("copy"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := io.CopyN(out, r, 10*chunk); err != nil {
			t.Fatal(err)
		}
		rotate(t, w)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, n, "copy", want)
}

// A writer that is given up, one way or another, leaves what was there and nothing of its own.
func TestUnfinishedWriters(t *testing.T) {
	for name, end := range map[string]func(w *store.Writer, cancel func()) error{
		"aborted": func(w *store.Writer, _ func()) error { w.Abort(); w.Abort(); return w.Close() },
		"cancelled": func(w *store.Writer, cancel func()) error {
			cancel()
			return w.Close()
		},
		"cancelled while writing": func(w *store.Writer, cancel func()) error {
			cancel()
			if _, err := w.Write([]byte("more")); !errors.Is(err, context.Canceled) {
				return nil
			}
			return w.Close()
		},
	} {
		for _, size := range []int{10, 40 * chunk} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				onEngines(t, func(t *testing.T, e engine.Engine) {
					n := newWorld(t, store.Options{Engine: e}, "acme").ns("acme", "jira/attachments")
					mustPut(t, n, "k", "old")
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					w, err := n.Create(ctx, []byte("k"), nil)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := w.Write(content(size, 1)); err != nil {
						t.Fatal(err)
					}
					if err := end(w, cancel); err == nil || w.Close() == nil {
						t.Fatal("it was stored")
					}
					wantValue(t, n, "k", "old")
					wantNoChunks(t, e)
				})
			})
		}
	}
}

// The collector knows a writer that takes its time from one that is gone.
func TestCollectionBesideWriter(t *testing.T) {
	e := newKept()
	w := newWorld(t, store.Options{Engine: e}, "acme")
	n := w.ns("acme", "jira/attachments")
	want := content(20*chunk, 1)
	out, err := n.Create(t.Context(), []byte("k"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := w.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if keys, _ := rawAll(t, e, codec.KindJournal); len(keys) != 1 {
		t.Fatalf("%d entries in the journal", len(keys))
	}
	if err := errors.Join(out.Close(), w.Collect(t.Context())); err != nil {
		t.Fatal(err)
	}
	wantContent(t, n, "k", want)
	mustAbandon(t, n)
	w.reopen()
	if err := w.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if keys, _ := rawAll(t, e, codec.KindChunk); len(keys) != 20 {
		t.Fatalf("%d chunks", len(keys))
	}
}

// mustAbandon begins a value and never ends it.
func mustAbandon(t *testing.T, n *store.Namespace) {
	t.Helper()
	w, err := n.Create(t.Context(), []byte("abandoned"), nil)
	if err == nil {
		_, err = w.Write(content(20*chunk, 2))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestCreateIfAbsent(t *testing.T) {
	e := newKept()
	n := newWorld(t, store.Options{Engine: e, Inline: 100}, "acme").ns("acme", "jira/attachments")
	for _, size := range []int{10, 1000} {
		key := fmt.Sprint("k", size)
		for i, want := range []error{nil, store.ErrExists} {
			w, err := n.Create(t.Context(), []byte(key), &store.CreateOptions{IfAbsent: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(content(size, uint64(i))); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); !errors.Is(err, want) {
				t.Fatal(err)
			}
		}
		wantContent(t, n, key, content(size, 0))
	}
	if keys, _ := rawAll(t, e, codec.KindChunk); len(keys) != 1 {
		t.Fatalf("%d chunks", len(keys))
	}
}

// What is longer than Get takes is there for Open.
func TestLongerThanGetTakes(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 64 MiB")
	}
	n := newWorld(t, store.Options{NoSync: true}, "acme").ns("acme", "jira/comments")
	want := content(store.MaxValueLen+1, 1)
	mustCreate(t, n, "k", want)
	if _, err := n.Get(t.Context(), []byte("k")); !errors.Is(err, store.ErrTooLarge) {
		t.Fatal(err)
	}
	wantContent(t, n, "k", want)
}

// A snapshot's reader reads what was there.
func TestSnapshotReader(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 100}, "acme")
	n := w.ns("acme", "jira/comments")
	want := content(10*chunk, 1)
	mustCreate(t, n, "k", want)
	s, err := w.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := errors.Join(n.Delete(t.Context(), []byte("k")), w.Collect(t.Context())); err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), n, []byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

// Readers and writers that outlive their store get errors, and nothing panics.
func TestStreamsOfClosedStore(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 100}, "acme")
	n := w.ns("acme", "jira/attachments")
	mustCreate(t, n, "k", content(30*chunk, 1))
	r := mustOpen(t, n, "k")
	out, err := n.Create(t.Context(), []byte("k2"), nil)
	if err == nil {
		_, err = out.Write(content(20*chunk, 2))
	}
	if err == nil {
		_, err = io.CopyN(io.Discard, r, 10*chunk)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if k, err := io.Copy(io.Discard, r); k >= chunk || !errors.Is(err, store.ErrClosed) {
		t.Errorf("%d bytes more, %v", k, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := out.Close(); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
}
