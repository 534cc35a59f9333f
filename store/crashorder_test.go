package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/store"
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

// oneWay is a root that wraps what it does not unwrap.
type oneWay struct{ root.Key }

func (oneWay) Unwrap(context.Context, root.Wrapped, root.Context) ([]byte, error) {
	return nil, root.ErrInvalid
}

// The old root's wrap stays until the new root has unwrapped what it wrapped.
func TestRootThatDoesNotUnwrap(t *testing.T) {
	for name, rotate := range map[string]func(s *stage) error{
		"tenant":   toRoot("acme", "test://next"),
		"platform": func(s *stage) error { return s.RotatePlatformRoot(s.t.Context(), "test://next") },
		"enroll":   toRoot("globex", "test://next"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "tenant")
			was := s.read()
			s.camera.start(s.dir + "/keyring.db")
			s.Close()
			points := s.camera.stop()
			s.opts.Roots = root.OpenerFunc(func(ctx context.Context, uri string) (root.Key, error) {
				key, err := s.roots.OpenRoot(ctx, uri)
				if uri == "test://next" {
					key = oneWay{key}
				}
				return key, err
			})
			c, err := s.at(t, &points[len(points)-1])
			if err != nil {
				t.Fatal(err)
			}
			if err := rotate(c); !errors.Is(err, store.ErrKeyUnavailable) && !errors.Is(err, root.ErrInvalid) {
				t.Fatalf("a root that does not unwrap: %v", err)
			}
			c.camera.start(c.dir + "/keyring.db")
			c.Close()
			points = c.camera.stop()
			again, err := c.at(t, &points[len(points)-1])
			if err != nil {
				t.Fatal(err)
			}
			if diff := differences(again.read(), was); len(diff) > 0 {
				t.Errorf("under the old root: %v", diff)
			}
		})
	}
}
