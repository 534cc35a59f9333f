package roottest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/sealkv/sealkv/keys/root"
)

func testCancelled(t *testing.T, s Subject) {
	w := wrap(t, s.Key, secret(32))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	bothFail(t, ctx, s.Key, w, root.ErrUnavailable)
	if _, err := s.Key.Unwrap(ctx, w, sample()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %q is not context.Canceled", err)
	}
	wantUnwrap(t, s.Key, w, secret(32))
}

func testConcurrent(t *testing.T, s Subject) {
	shared := wrap(t, s.Key, secret(64))
	hammer(t, s.Key, shared, func() {})
}

// testRotateConcurrently tests that no call fails because versions are added meanwhile.
func testRotateConcurrently(t *testing.T, s Subject) {
	if s.Rotate == nil {
		t.Skip("the provider cannot rotate")
	}
	shared := wrap(t, s.Key, secret(64))
	hammer(t, s.Key, shared, func() {
		for range 4 {
			s.Rotate(t)
		}
	})
}

// hammer wraps and unwraps from several goroutines at once while meanwhile runs.
func hammer(t *testing.T, k root.Key, shared root.Wrapped, meanwhile func()) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			own := secret(i + 1)
			for range 16 {
				w, err := k.Wrap(t.Context(), own, sample())
				if err != nil {
					t.Errorf("Wrap: %v", err)
					return
				}
				wantUnwrap(t, k, w, own)
				wantUnwrap(t, k, shared, secret(64))
			}
		})
	}
	meanwhile()
	wg.Wait()
}

func testReopen(t *testing.T, s Subject) {
	if s.Reopen == nil {
		t.Skip("the provider cannot reopen")
	}
	before := wrap(t, s.Key, secret(32))
	again := s.Reopen(t)
	wantUnwrap(t, again, before, secret(32))
	wantUnwrap(t, s.Key, wrap(t, again, secret(16)), secret(16))
}

func testRotate(t *testing.T, s Subject) {
	if s.Rotate == nil {
		t.Skip("the provider cannot rotate")
	}
	var wraps []root.Wrapped
	seen := make(map[string]bool)
	for range 3 {
		w := wrap(t, s.Key, secret(32))
		if seen[w.KeyVersion] {
			t.Errorf("after rotation Wrap still names version %s", w.KeyVersion)
		}
		if again := wrap(t, s.Key, secret(32)); again.KeyVersion != w.KeyVersion {
			t.Errorf("without rotation the version went from %s to %s", w.KeyVersion, again.KeyVersion)
		}
		seen[w.KeyVersion] = true
		wraps = append(wraps, w)
		s.Rotate(t)
	}
	for _, w := range wraps {
		wantUnwrap(t, s.Key, w, secret(32))
		bound := sample()
		bound.Version++
		wantRefused(t, s.Key, w, bound, root.ErrInvalid)
	}
	// One version's wrap is not another's.
	wraps[0].KeyVersion = wraps[1].KeyVersion
	wantRefused(t, s.Key, wraps[0], sample(), root.ErrInvalid)
}

func testDisable(t *testing.T, s Subject) {
	if s.Disable == nil || s.Enable == nil {
		t.Skip("the provider cannot disable and enable")
	}
	w := wrap(t, s.Key, secret(32))
	for range 2 {
		s.Disable(t)
		bothFail(t, t.Context(), s.Key, w, root.ErrRevoked)
		s.Enable(t)
		wantUnwrap(t, s.Key, w, secret(32))
		wantUnwrap(t, s.Key, wrap(t, s.Key, secret(16)), secret(16))
	}
}

func testBreak(t *testing.T, s Subject) {
	if s.Break == nil || s.Heal == nil {
		t.Skip("the provider cannot break and heal")
	}
	w := wrap(t, s.Key, secret(32))
	for range 2 {
		s.Break(t)
		bothFail(t, t.Context(), s.Key, w, root.ErrUnavailable)
		s.Heal(t)
		wantUnwrap(t, s.Key, w, secret(32))
	}
}
