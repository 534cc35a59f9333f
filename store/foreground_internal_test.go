package store

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"testing"

	"github.com/sealkv/sealkv/keys/root/roottest"
)

// Whatever users do with records is noticed by work in the background, and that does not notice
// itself.
func TestForeground(t *testing.T) {
	ctx := t.Context()
	roots := roottest.Opener{"test://platform": roottest.NewKey("platform")}
	s, err := Create(ctx, filepath.Join(t.TempDir(), "store"), "test://platform", &Options{Roots: roots, CollectEvery: -1, NoSync: true, Inline: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	acme, err := s.AddTenant(ctx, "acme", nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := acme.Namespace("jira/comments")
	if err != nil {
		t.Fatal(err)
	}
	long := make([]byte, 1<<20)
	snapshot := func(read func(*Snapshot) error) error {
		snapshot, err := s.Snapshot(ctx)
		if err != nil {
			return err
		}
		defer snapshot.Close()
		return read(snapshot)
	}
	p := newPace(0, 0, s.foreground)
	for _, op := range []struct {
		name string
		do   func() error
	}{
		{"Put", func() error { return n.Put(ctx, []byte("k"), []byte("v")) }},
		{"Put of a long value", func() error { return n.Put(ctx, []byte("long"), long) }},
		{"PutIfAbsent", func() error { return n.PutIfAbsent(ctx, []byte("new"), []byte("v")) }},
		{"CompareAndSwap", func() error { return n.CompareAndSwap(ctx, []byte("k"), []byte("v"), []byte("v")) }},
		{"Get", func() error { _, err := n.Get(ctx, []byte("k")); return err }},
		{"Get of a long value", func() error { _, err := n.Get(ctx, []byte("long")); return err }},
		{"Has", func() error { _, err := n.Has(ctx, []byte("k")); return err }},
		{"Delete", func() error { return n.Delete(ctx, []byte("new")) }},
		{"Commit", func() error { b := s.NewBatch(); b.Put(n, []byte("k"), []byte("v")); return b.Commit(ctx) }},
		{"Scan", func() error { _, err := scanAll(ctx, n); return err }},
		{"Create", func() error {
			w, err := n.Create(ctx, []byte("stream"), nil)
			if err != nil {
				return err
			}
			defer w.Abort()
			if _, err := io.Copy(w, bytes.NewReader(long)); err != nil {
				return err
			}
			return w.Close()
		}},
		{"Open", func() error {
			r, err := n.Open(ctx, []byte("stream"))
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(io.Discard, r)
			return err
		}},
		{"Snapshot.Get", func() error {
			return snapshot(func(s *Snapshot) error { _, err := s.Get(ctx, n, []byte("k")); return err })
		}},
	} {
		p.busy()
		if err := op.do(); err != nil {
			t.Fatalf("%s: %v", op.name, err)
		}
		if !p.busy() {
			t.Errorf("%s is not noticed", op.name)
		}
		if p.busy() {
			t.Errorf("%s is noticed twice", op.name)
		}
	}
	if _, err := acme.RotateDataKeys(ctx); err != nil {
		t.Fatal(err)
	}
	done, err := acme.Sweep(ctx, nil)
	if err != nil || done[0].Rewrapped != 3 {
		t.Fatal(done, err)
	}
	if _, err := s.Coverage(ctx, &CoverageOptions{Exact: true}); err != nil {
		t.Fatal(err)
	}
	if raw, err := n.raw(ctx, []byte("long")); err != nil || n.resealChunks(ctx, []byte("long"), raw) != nil {
		t.Fatal("a long value is not sealed anew")
	}
	if err := s.Collect(ctx); err != nil {
		t.Fatal(err)
	}
	if p.busy() {
		t.Error("work in the background notices itself")
	}
	if newPace(0, 0, nil).busy() {
		t.Error("urgent work waits for others")
	}
}

func scanAll(ctx context.Context, n *Namespace) (entries int, err error) {
	for _, err := range n.Scan(ctx, nil) {
		if err != nil {
			return entries, err
		}
		entries++
	}
	return entries, nil
}
