package store_test

import (
	"errors"
	"testing"

	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store"
)

// Retiring what is retired completes what was cut short; a number that is none is told apart.
func TestRetireTwice(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme", "globex")
	acme := w.tenant("acme")
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	mustPut(t, w.ns("globex", "jira/comments"), "k", "v")
	if _, err := acme.RotateDataKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := acme.RetireDataKey(t.Context(), "jira/comments", 1, false); !errors.Is(err, store.ErrNeeded) {
		t.Fatalf("before a sweep: %v", err)
	}
	sweep(t, w, nil)
	for range 2 {
		if err := acme.RetireDataKey(t.Context(), "jira/comments", 1, false); err != nil {
			t.Fatal(err)
		}
	}
	retired := 0
	for e, err := range w.Audit(0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Act == keys.ActKeyRetire {
			retired++
		}
	}
	if retired != 1 {
		t.Errorf("%d entries of the audit log say that it was retired", retired)
	}
	for _, number := range []uint32{2, 99} { // another tenant's, nobody's
		if err := acme.RetireDataKey(t.Context(), "jira/comments", number, true); !errors.Is(err, store.ErrKeyMismatch) {
			t.Errorf("data key %d: %v", number, err)
		}
	}
}
