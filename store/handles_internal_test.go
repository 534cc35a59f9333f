package store

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/sealkv/sealkv/keys/root/roottest"
)

func (s *Store) handles() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.namespaces)
}

// eventually collects garbage until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
		runtime.GC()
	}
}

// What the store knows of a namespace goes when nobody holds it and its keys are locked, and not
// before: memory grows with the keys in use.
func TestHandlesGo(t *testing.T) {
	const uri = "test:platform"
	ctx := t.Context()
	s, err := Create(ctx, filepath.Join(t.TempDir(), "store"), uri, &Options{Roots: roottest.Opener{uri: roottest.NewKey("platform")}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	acme, err := s.AddTenant(ctx, "acme", nil)
	if err != nil {
		t.Fatal(err)
	}
	handle := func(name string) *Namespace {
		n, err := acme.Namespace(name)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i := range 100 {
		handle(fmt.Sprintf("product-%d/marketplace", i))
	}
	eventually(t, "handles stay that nobody holds", func() bool { return s.handles() == 0 })

	used := weak.Make(handle("jira/comments"))
	if err := used.Value().Put(ctx, []byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		runtime.GC()
	}
	if used.Value() == nil || handle("jira/comments") != used.Value() {
		t.Error("a namespace is gone whose keys are open: its next handle opens them again")
	}
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acme.Sweep(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := acme.Revoke(ctx); err != nil { // locks its keys
		t.Fatal(err)
	}
	for range 5 {
		runtime.GC()
	}
	if used.Value() == nil || s.heldOpen(used.Value()) == "" {
		t.Error("a namespace that was swept under a snapshot is gone: nobody knows that it is needed")
	}
	if err := snapshot.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a handle stays that nobody holds, whose keys are locked", func() bool { return s.handles() == 0 })
}
