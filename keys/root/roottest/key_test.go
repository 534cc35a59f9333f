package roottest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/roottest"
)

func TestKey(t *testing.T) {
	made := 0
	roottest.Run(t, func(t *testing.T) roottest.Subject {
		made++
		name := fmt.Sprintf("key-%d", made)
		k := roottest.NewKey(name)
		return roottest.Subject{
			Key:     k,
			Reopen:  func(*testing.T) root.Key { return roottest.NewKey(name) },
			Rotate:  func(*testing.T) { k.Rotate() },
			Disable: func(*testing.T) { k.SetError(root.ErrRevoked) },
			Enable:  func(*testing.T) { k.SetError(nil) },
			Break:   func(*testing.T) { k.SetError(root.ErrThrottled) },
			Heal:    func(*testing.T) { k.SetError(nil) },
		}
	})
}

func TestCalls(t *testing.T) {
	k := roottest.NewKey("acme")
	w, err := k.Wrap(t.Context(), []byte("secret"), root.Context{})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	k.SetError(broken)
	for range 2 {
		if _, err := k.Unwrap(t.Context(), w, root.Context{}); err != broken {
			t.Errorf("Unwrap: %v, want the error that was set", err)
		}
	}
	if wraps, unwraps := k.Calls(); wraps != 1 || unwraps != 2 {
		t.Errorf("Calls = %d, %d, want 1, 2", wraps, unwraps)
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := roottest.NewKey("acme")
		k.Delay(time.Minute)
		begin := time.Now()
		if _, err := k.Wrap(t.Context(), []byte("secret"), root.Context{}); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begin); waited != time.Minute {
			t.Errorf("waited %v, want a minute", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := k.Wrap(ctx, []byte("secret"), root.Context{})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, root.ErrUnavailable) {
			t.Errorf("Wrap: %v, want the deadline's error and unavailable", err)
		}
	})
}

func TestOpener(t *testing.T) {
	opener := roottest.Opener{"test://acme": roottest.NewKey("acme")}
	k, err := opener.OpenRoot(t.Context(), "test://acme")
	if err != nil || k != opener["test://acme"] {
		t.Errorf("OpenRoot = %v, %v, want the key in the map", k, err)
	}
	if _, err := opener.OpenRoot(t.Context(), "test://initech"); !errors.Is(err, root.ErrUnavailable) {
		t.Errorf("OpenRoot of an unknown URI: %v, want unavailable", err)
	}
}
