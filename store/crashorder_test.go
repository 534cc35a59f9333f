package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sealkv/sealkv/keys/root"
)

// Whatever was written before a retirement is durable when the keyring has it: there may be rewraps
// among it that nobody has waited for.
func TestRetirementComesAfterTheRewraps(t *testing.T) {
	s := newStage(t, "tenant")
	for _, step := range []func(*stage) error{rotateData, sweepAll} {
		if err := step(s); err != nil {
			t.Fatal(err)
		}
	}
	b := s.camera.NewBatch() // as a rewrap is applied
	at := recordKey("acme", "jira/comments", "rewrapped")
	b.Set(at, rawGet(t, s.camera, recordKey("acme", "jira/comments", "short")))
	if err := s.camera.Apply(t.Context(), b, false); err != nil {
		t.Fatal(err)
	}
	b.Close()
	s.camera.start(s.dir + "/keyring.db")
	if err := retire(false, "jira/comments")(s); err != nil {
		t.Fatal(err)
	}
	retired := 0
	for _, p := range s.camera.stop() {
		if p.commits == 0 {
			continue
		}
		retired++
		if e := p.lay(t, t.TempDir()); rawGet(t, e, at) == nil {
			t.Errorf("%s: the keyring has the retirement, the engine not what came before it", p.name)
		} else if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if retired == 0 {
		t.Error("there was no retirement")
	}
}

// failingRoot unwraps so many times and then no more.
type failingRoot struct {
	root.Key
	left *atomic.Int64
}

func (r failingRoot) Unwrap(ctx context.Context, w root.Wrapped, bound root.Context) ([]byte, error) {
	if r.left.Add(-1) < 0 {
		return nil, root.ErrInvalid
	}
	return r.Key.Unwrap(ctx, w, bound)
}

// The old root's wrap stays until the new root has unwrapped what it wrapped, and again what the
// keyring has of that.
func TestRootThatDoesNotUnwrap(t *testing.T) {
	for name, rotate := range map[string]func(s *stage) error{
		"tenant":   toRoot("acme", "test://next"),
		"platform": func(s *stage) error { return s.RotatePlatformRoot(s.t.Context(), "test://next") },
		"hosted":   toRoot("globex", "test://next"),
	} {
		for unwraps := range int64(2) {
			t.Run(fmt.Sprintf("%s after %d", name, unwraps), func(t *testing.T) { testFailingRoot(t, unwraps, rotate) })
		}
	}
}

func testFailingRoot(t *testing.T, unwraps int64, rotate func(s *stage) error) {
	s := newStage(t, "tenant")
	was := s.read()
	var left atomic.Int64
	left.Store(unwraps)
	s.opts.Roots = root.OpenerFunc(func(ctx context.Context, uri string) (root.Key, error) {
		key, err := s.roots.OpenRoot(ctx, uri)
		if uri == "test://next" {
			key = failingRoot{key, &left}
		}
		return key, err
	})
	c := s.reopened(t)
	if err := rotate(c); !errors.Is(err, root.ErrInvalid) || left.Load() >= 0 {
		t.Fatalf("a root that does not unwrap: %v", err)
	}
	c = c.reopened(t)
	if diff := differences(c.read(), was); len(diff) > 0 {
		t.Errorf("under the old root: %v", diff)
	}
	left.Store(1000)
	if err := rotate(c); err != nil {
		t.Fatalf("again: %v", err)
	}
	c = c.reopened(t)
	if diff := differences(c.read(), was); len(diff) > 0 {
		t.Errorf("under the new root: %v", diff)
	}
}

// reopened closes the store and opens it again.
func (s *stage) reopened(t *testing.T) *stage {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.camera.start(s.dir + "/keyring.db")
	out, err := s.at(t, &s.camera.stop()[0])
	if err != nil {
		t.Fatal(err)
	}
	return out
}
