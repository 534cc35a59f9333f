package store

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/sealkv/sealkv/keys/root/roottest"
)

// No index is sealed twice: a value ends where the counter of its chunks does, 2^48 bytes, which
// no test can write.
func TestCounterDoesNotRollOver(t *testing.T) {
	roots := roottest.Opener{"test://platform": roottest.NewKey("platform")}
	s, err := Create(t.Context(), filepath.Join(t.TempDir(), "store"), "test://platform", &Options{Roots: roots, CollectEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	acme, err := s.AddTenant(t.Context(), "acme", nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := acme.Namespace("jira/attachments")
	if err != nil {
		t.Fatal(err)
	}
	w, err := n.newBlobWriter(t.Context(), []byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close(t.Context())
	w.blob.Size = maxBlobLen - chunkSize
	if err := w.seal(t.Context(), make([]byte, chunkSize), false, func() {}); err != nil {
		t.Fatalf("the last chunk: %v", err)
	}
	if err := w.seal(t.Context(), []byte{1}, true, func() {}); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("a byte more: %v", err)
	}
	if w.blob.Size != maxBlobLen || w.blob.Chunks() != 1<<32 {
		t.Fatalf("%d bytes, %d chunks", w.blob.Size, w.blob.Chunks())
	}
}
