package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/store"
)

// Many goroutines read one Reader at any offset, beside the one that has its position, while the
// keys are rotated; Close waits for them, and after it every call says so.
func TestReaderIsSharedByMany(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 100}, "acme")
	for name, size := range map[string]int{"long": 40*chunk + 7, "short": 90} {
		t.Run(name, func(t *testing.T) {
			n, want := w.ns("acme", "jira/comments"), content(size, 3)
			mustCreate(t, n, name, want)
			r := mustOpen(t, n, name)
			var all sync.WaitGroup
			var reads atomic.Int64
			for range 4 {
				all.Go(func() {
					for {
						at := rand.IntN(size)
						got := make([]byte, 1+rand.IntN(min(size-at, 3*chunk)))
						k, err := r.ReadAt(got, int64(at))
						if errors.Is(err, fs.ErrClosed) {
							return
						}
						if err != nil || !bytes.Equal(got[:k], want[at:at+k]) || k != len(got) {
							t.Errorf("%d bytes at %d: %d, %v", len(got), at, k, err)
							return
						}
						reads.Add(1)
					}
				})
			}
			for range 3 {
				rotate(t, w)
				if _, err := r.Seek(0, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
			}
			for reads.Load() < 20 {
				time.Sleep(time.Millisecond)
			}
			if err := errors.Join(r.Close(), r.Close()); err != nil {
				t.Fatal(err)
			}
			all.Wait()
			_, seek := r.Seek(0, io.SeekStart)
			_, read := r.Read(make([]byte, 1))
			_, to := r.WriteTo(io.Discard)
			for _, err := range []error{seek, read, to} {
				if !errors.Is(err, fs.ErrClosed) {
					t.Errorf("after Close: %v", err)
				}
			}
			if r.Size() != int64(size) {
				t.Error("a closed reader has forgotten its size")
			}
		})
	}
}

// Seek and ReadAt keep to what package io asks of them, and what is wrong with an offset is
// fs.ErrInvalid.
func TestReaderOffsets(t *testing.T) {
	n := newWorld(t, store.Options{Inline: 100}, "acme").ns("acme", "jira/attachments")
	for key, size := range map[string]int{"empty": 0, "short": 50, "long": 2*chunk + 5} {
		want := content(size, 1)
		mustCreate(t, n, key, want)
		r := mustOpen(t, n, key)
		if at, err := r.Seek(-3, io.SeekEnd); size > 3 && (at != int64(size-3) || err != nil) || size < 3 && !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: Seek: %d, %v", key, at, err)
		}
		if at, err := r.Seek(0, io.SeekStart); at != 0 || err != nil {
			t.Error(at, err)
		}
		_, whence := r.Seek(0, 9)
		_, before := r.Seek(-1, io.SeekCurrent)
		_, negative := r.ReadAt(make([]byte, 1), -1)
		for _, err := range []error{whence, before, negative} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s: %v", key, err)
			}
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: after offsets that are none: %d bytes, %v", key, len(got), err)
		}
		if at, err := r.Seek(1<<50, io.SeekStart); at != 1<<50 || err != nil {
			t.Error(at, err)
		}
		if k, err := r.Read(make([]byte, 1)); k != 0 || err != io.EOF {
			t.Errorf("%s: beyond the end: %d, %v", key, k, err)
		}
		if k, err := r.WriteTo(io.Discard); k != 0 || err != nil {
			t.Errorf("%s: WriteTo beyond the end: %d, %v", key, k, err)
		}
	}
}

// A WriteTo that its writer ends says so, and goes on from there.
func TestWriteToOfABrokenWriter(t *testing.T) {
	n := newWorld(t, store.Options{Inline: 100}, "acme").ns("acme", "jira/attachments")
	want := content(10*chunk, 1)
	mustCreate(t, n, "k", want)
	r := mustOpen(t, n, "k")
	var out bytes.Buffer
	k, err := r.WriteTo(iotest.TruncateWriter(&out, 0))
	if err != nil || k != int64(len(want)) {
		t.Fatal(k, err)
	}
	r.Seek(0, io.SeekStart)
	broken := errors.New("broken")
	if k, err := r.WriteTo(&breaking{Writer: &out, left: 3, err: broken}); err != broken || k != 3*chunk {
		t.Fatalf("%d bytes, %v", k, err)
	}
	if _, err := r.WriteTo(&out); err != nil || !bytes.Equal(out.Bytes(), want) {
		t.Fatalf("%d bytes, %v", out.Len(), err)
	}
}

// A breaking writer takes a few writes.
type breaking struct {
	io.Writer
	left int
	err  error
}

func (b *breaking) Write(p []byte) (int, error) {
	if b.left--; b.left < 0 {
		return 0, b.err
	}
	return b.Writer.Write(p)
}

// A value has the time that it was begun, where it is in chunks, and that of its first write, where
// its namespace keeps one: whoever asks, with a key or without.
func TestTimesOfValues(t *testing.T) {
	w, ns, move := aging(t, store.Options{Inline: 100, Rewrap: store.RewrapInline})
	dated := ns()
	began := w.opts.Now()
	mustCreate(t, dated, "long", content(300, 1))
	mustCreate(t, dated, "short", content(10, 1))
	mustCreate(t, w.ns("acme", "jira/comments"), "long", content(300, 1))
	mustCreate(t, w.ns("acme", "jira/comments"), "short", content(10, 1))
	move(time.Hour)
	rotateAcme(t, w)
	for _, c := range []struct {
		n                 *store.Namespace
		key               string
		written, modified time.Time
	}{
		{dated, "long", began, began}, {dated, "short", began, began},
		{w.ns("acme", "jira/comments"), "long", time.Time{}, began}, {w.ns("acme", "jira/comments"), "short", time.Time{}, time.Time{}},
	} {
		for range 2 { // as it was, and rewrapped
			r := mustOpen(t, c.n, c.key)
			info, err := fs.Stat(c.n.FS(t.Context()), c.key)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Written().Equal(c.written) || !r.ModTime().Equal(c.modified) || !info.ModTime().Equal(c.modified) || info.Size() != r.Size() {
				t.Errorf("%s %s: %v, %v, %v; want %v, %v", c.n.Name(), c.key, r.Written(), r.ModTime(), info.ModTime(), c.written, c.modified)
			}
			r.Close()
		}
	}
	old := began.Add(-24 * time.Hour)
	out, err := dated.Create(t.Context(), []byte("imported"), &store.CreateOptions{Written: old})
	if err == nil {
		_, err = out.Write(content(300, 1))
	}
	if err = errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	if r := mustOpen(t, dated, "imported"); !r.Written().Equal(old) {
		t.Errorf("written %v, want %v", r.Written(), old)
	}
}

// A Writer that has ended takes nothing more, and says the same again.
func TestWriterAfterItsEnd(t *testing.T) {
	e := newKept()
	n := newWorld(t, store.Options{Engine: e, Inline: 100}, "acme").ns("acme", "jira/attachments")
	for _, size := range []int{10, 20 * chunk} {
		w, err := n.Create(t.Context(), []byte("k"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content(size, 1)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Close(), w.Close()); err != nil {
			t.Fatal(err)
		}
		w.Abort()
		if k, err := w.Write([]byte("more")); k != 0 || !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Write after Close: %d, %v", k, err)
		}
		if k, err := w.ReadFrom(bytes.NewReader([]byte("more"))); k != 0 || !errors.Is(err, fs.ErrClosed) {
			t.Errorf("ReadFrom after Close: %d, %v", k, err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		wantContent(t, n, "k", content(size, 1))
	}
	w, err := n.Create(t.Context(), []byte("k2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(content(20*chunk, 2))
	w.Abort()
	for range 2 {
		if _, err := w.Write([]byte("more")); !errors.Is(err, store.ErrAborted) {
			t.Errorf("Write after Abort: %v", err)
		}
		if err := w.Close(); !errors.Is(err, store.ErrAborted) {
			t.Errorf("Close after Abort: %v", err)
		}
	}
	wantError(t, n, "k2", store.ErrNotFound)
}

// What a source says is the caller's to judge: the Writer goes on, or is given up.
func TestReadFromABrokenSource(t *testing.T) {
	e := newKept()
	n := newWorld(t, store.Options{Engine: e, Inline: 100}, "acme").ns("acme", "jira/attachments")
	want := content(20*chunk+5, 1)
	for _, size := range []int{0, 10, 8 * chunk, 8*chunk + 1, 17 * chunk} {
		w, err := n.Create(t.Context(), []byte("k"), nil)
		if err != nil {
			t.Fatal(err)
		}
		broken := errors.New("broken")
		k, err := w.ReadFrom(io.MultiReader(bytes.NewReader(want[:size]), iotest.ErrReader(broken)))
		if err != broken || k != int64(size) {
			t.Fatalf("%d bytes of %d, %v", k, size, err)
		}
		if k, err := w.ReadFrom(iotest.OneByteReader(bytes.NewReader(want[size:]))); err != nil || k != int64(len(want)-size) {
			t.Fatalf("%d bytes more, %v", k, err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		wantContent(t, n, "k", want)
	}
}

// Create refuses what it can at once, by the errors that Put has.
func TestCreateIsRefused(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "v")
	for key, want := range map[string]error{"": store.ErrInvalidName, string(make([]byte, 1025)): store.ErrTooLarge} {
		if _, err := n.Create(t.Context(), []byte(key), nil); !errors.Is(err, want) {
			t.Errorf("%d bytes of key: %v", len(key), err)
		}
		if _, err := n.Open(t.Context(), []byte(key)); !errors.Is(err, want) {
			t.Errorf("%d bytes of key: %v", len(key), err)
		}
	}
	if _, err := n.Open(t.Context(), []byte("none")); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Create(t.Context(), []byte("k"), nil); !errors.Is(err, store.ErrKeyRevoked) {
		t.Error(err)
	}
	w.opts.ReadOnly = true
	w.reopen()
	if _, err := w.ns("acme", "jira/comments").Create(t.Context(), []byte("k"), nil); !errors.Is(err, store.ErrReadOnly) {
		t.Error(err)
	}
}

// A revocation reaches a Writer at its next run, and nothing of it is left.
func TestRevokedWhileWriting(t *testing.T) {
	e := newKept()
	w := newWorld(t, store.Options{Engine: e}, "acme")
	n := w.ns("acme", "jira/comments")
	out, err := n.Create(t.Context(), []byte("k"), nil)
	if err == nil {
		_, err = out.Write(content(20*chunk, 1))
	}
	if err = errors.Join(err, w.tenant("acme").Revoke(t.Context())); err != nil {
		t.Fatal(err)
	}
	k, err := out.ReadFrom(&endless{size: 1 << 40})
	if !errors.Is(err, store.ErrKeyRevoked) || k > 9*chunk {
		t.Fatalf("%d bytes more, %v", k, err)
	}
	if err := out.Close(); !errors.Is(err, store.ErrKeyRevoked) {
		t.Error(err)
	}
	wantNoChunks(t, e)
}

// A tenant that has revoked its root takes part in nothing, and its blobs are counted, listed,
// verified by their heads, expired, deleted and collected all the same.
func TestBlobsOfARevokedTenant(t *testing.T) {
	e := newKept()
	w, ns, move := aging(t, store.Options{Inline: 100, Engine: e})
	expiring, n := ns(), w.ns("acme", "jira/comments")
	for i := range 4 {
		mustCreate(t, expiring, fmt.Sprint("k", i), content(10*chunk, 1))
		mustCreate(t, n, fmt.Sprint("k", i), content(70*chunk, 1))
	}
	if _, err := io.Copy(io.Discard, mustOpen(t, n, "k0")); err != nil {
		t.Fatal(err)
	}
	w.roots["test://acme"].SetError(root.ErrRevoked)
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.reopen() // nothing of the tenant's is in memory
	expiring, n = ns(), w.ns("acme", "jira/comments")
	for _, n := range []*store.Namespace{n, expiring} {
		listed := 0
		for _, err := range n.Scan(t.Context(), &store.ScanOptions{KeysOnly: true}) {
			if listed++; err != nil {
				t.Fatal(err)
			}
		}
		entries, err := fs.ReadDir(n.FS(t.Context()), ".")
		if err != nil || len(entries) != 4 || listed != 4 {
			t.Errorf("%d and %d are listed, %v", listed, len(entries), err)
		}
		if info, err := entries[0].Info(); err != nil || info.Size() < 10*chunk {
			t.Error(err)
		}
		if head, err := w.Head(t.Context(), "acme", n.Name(), []byte("k1")); err != nil || head.Chunks < 10 {
			t.Errorf("%+v, %v", head, err)
		}
	}
	wantError(t, n, "k0", store.ErrKeyRevoked)
	if v := verify(t, w, store.VerifyOptions{HeadsOnly: true}); v.Bad() != 0 || v.Rows[0].Blobs+v.Rows[1].Blobs != 8 || v.Leftover != 0 {
		t.Errorf("%+v", v)
	}
	chunks, _ := rawAll(t, e, codec.KindChunk)
	move(maxAge)
	if err := errors.Join(n.Delete(t.Context(), []byte("k0")), n.Delete(t.Context(), []byte("k1")), w.Collect(t.Context())); err != nil {
		t.Fatal(err)
	}
	left, _ := rawAll(t, e, codec.KindChunk)
	if len(chunks) != 4*80 || len(left) != 2*70 || w.Stats().Expired != 4 || w.Stats().Chunks != 4*10+2*70 {
		t.Errorf("%d chunks of %d, %+v", len(left), len(chunks), w.Stats())
	}
	if v := verify(t, w, store.VerifyOptions{}); v.Bad() != 0 || v.Rows[0].Dark != 2 {
		t.Errorf("%+v", v)
	}
	checkBlobs(t, e)
	w.roots["test://acme"].SetError(nil)
	if err := w.tenant("acme").Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantContent(t, n, "k2", content(70*chunk, 1))
	wantError(t, expiring, "k2", store.ErrNotFound)
}

// A backup that is taken while a Writer is at work has nothing of what it had not closed, once
// restored and collected, and the rest whole. The Writer goes on.
func TestBackupBesideAWriter(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 100}, "acme")
	n := w.ns("acme", "jira/attachments")
	mustCreate(t, n, "k", content(70*chunk, 1))
	mustCreate(t, n, "garbage", content(9*chunk, 1))
	reader := mustOpen(t, n, "garbage")
	out, err := n.Create(t.Context(), []byte("k"), nil)
	if err == nil {
		_, err = out.Write(content(20*chunk, 2))
	}
	if err = errors.Join(err, n.Delete(t.Context(), []byte("garbage")), w.Collect(t.Context())); err != nil {
		t.Fatal(err)
	}
	dir, _ := backup(t, w)
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, n, "k", content(20*chunk, 2))
	if got, err := io.ReadAll(reader); err != nil || !bytes.Equal(got, content(9*chunk, 1)) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	again, _ := restored(t, w, dir, "")
	wantContent(t, again.ns("acme", "jira/attachments"), "k", content(70*chunk, 1))
	if v := verify(t, again, store.VerifyOptions{}); v.Leftover != 2 || v.Bad() != 0 {
		t.Errorf("%+v", v)
	}
	if err := again.Collect(context.Background()); err != nil {
		t.Fatal(err)
	}
	if v := verify(t, again, store.VerifyOptions{}); v.Leftover != 0 || v.Bad() != 0 || v.Rows[0].Blobs != 1 {
		t.Errorf("%+v", v)
	}
	wantContent(t, again.ns("acme", "jira/attachments"), "k", content(70*chunk, 1))
}
