package keys_test

import (
	"sync/atomic"
	"testing"
)

type keptThing struct{ wiped atomic.Bool }

func (k *keptThing) Wipe() { k.wiped.Store(true) }

// What a lease keeps ends with it: when it was replaced and the last who had it pinned has left, not before.
func TestLeaseKeeps(t *testing.T) {
	r := newRing(t, nil, "acme")
	s := r.Space("acme", "jira/comments", tenantOnly)
	l, err := s.Pin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if l.Kept() != nil {
		t.Fatal("something is kept that nobody gave")
	}
	first, second := &keptThing{}, &keptThing{}
	if l.Keep(first) != first || l.Keep(second) != first || l.Kept() != first {
		t.Fatal("not the first is kept")
	}
	done := make(chan error, 1)
	go func() {
		_, err := r.RotateDataKeys(t.Context(), "acme")
		done <- err
	}()
	for !l.Unlinked() {
	}
	if first.wiped.Load() {
		t.Fatal("wiped under a pin")
	}
	l.Unpin()
	if err := <-done; err != nil || !first.wiped.Load() || second.wiped.Load() {
		t.Fatalf("after the last has left: %v, %v, %v", err, first.wiped.Load(), second.wiped.Load())
	}
	next, err := s.Pin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Unpin()
	if next.Kept() != nil {
		t.Fatal("the next lease keeps what was the last one's")
	}
}
