// Package roottest tests root-key providers, and has one in memory for the tests of others.
//
// A provider calls [Run] in a test of its own. Packages that need a root key, and one that fails
// or is slow when they say so, take [NewKey] and [Opener].
package roottest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/sealkv/sealkv/keys/root"
)

// A Provider makes a root key that no other test has seen. What it needs to clean up goes to
// t.Cleanup.
type Provider func(t *testing.T) Subject

// A Subject is a fresh root key, and the ways to act on it from outside. Tests that need a way
// which is nil are skipped; Disable and Enable, and Break and Heal, come in pairs.
type Subject struct {
	Key root.Key

	Reopen  func(t *testing.T) root.Key // opens the same key again, as after a restart
	Rotate  func(t *testing.T)          // adds a version
	Disable func(t *testing.T)          // makes the key unusable, reversibly
	Enable  func(t *testing.T)          // undoes Disable
	Break   func(t *testing.T)          // makes the provider unreachable
	Heal    func(t *testing.T)          // undoes Break
}

// Run tests that the keys of p keep the promises of root.Key. Run it with -race.
func Run(t *testing.T, p Provider) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Subject)
	}{
		{"RoundTrip", testRoundTrip},
		{"Lengths", testLengths},
		{"Fresh", testFresh},
		{"Context", testContext},
		{"Platform", testPlatform},
		{"Ciphertext", testCiphertext},
		{"KeyVersion", testKeyVersion},
		{"Buffers", testBuffers},
		{"Redacted", testRedacted},
		{"Cancelled", testCancelled},
		{"Concurrent", testConcurrent},
		{"Reopen", testReopen},
		{"Rotate", testRotate},
		{"RotateConcurrently", testRotateConcurrently},
		{"Disable", testDisable},
		{"Break", testBreak},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, p(t)) })
	}
	t.Run("AnotherKey", func(t *testing.T) { testAnotherKey(t, p(t).Key, p(t).Key) })
}

// sample is a Context with all fields set.
func sample() root.Context {
	return root.Context{
		Store:   [16]byte{0: 1, 15: 2},
		Tenant:  "acme",
		Domain:  "tenant",
		Version: 7,
	}
}

// secret returns n bytes, none of them zero.
func secret(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i + 1)
	}
	return b
}

func wrap(t *testing.T, k root.Key, plaintext []byte) root.Wrapped {
	t.Helper()
	w, err := k.Wrap(t.Context(), plaintext, sample())
	if err != nil {
		t.Fatalf("Wrap: %v", err)
	}
	return w
}

// wantUnwrap checks that w unwraps to want.
func wantUnwrap(t *testing.T, k root.Key, w root.Wrapped, want []byte) {
	t.Helper()
	got, err := k.Unwrap(t.Context(), w, sample())
	if err != nil {
		t.Errorf("Unwrap of a wrap under %s: %v", w.KeyVersion, err)
	} else if !bytes.Equal(got, want) {
		t.Errorf("Unwrap of a wrap under %s gave other bytes than Wrap took", w.KeyVersion)
	}
}

// wantRefused checks that w does not unwrap, with an error that is one of want.
func wantRefused(t *testing.T, k root.Key, w root.Wrapped, bound root.Context, want ...error) {
	t.Helper()
	got, err := k.Unwrap(t.Context(), w, bound)
	if got != nil {
		t.Errorf("Unwrap returned %d bytes that it should refuse", len(got))
	}
	wantError(t, err, want...)
}

// wantError checks that err is exactly one of the three errors that decide what happens to open
// keys, and that this one is among want.
func wantError(t *testing.T, err error, want ...error) {
	t.Helper()
	var is []error
	for _, class := range []error{root.ErrRevoked, root.ErrUnavailable, root.ErrInvalid} {
		if errors.Is(err, class) {
			is = append(is, class)
		}
	}
	if len(is) != 1 {
		t.Errorf("error %v is %d of revoked, unavailable and invalid, want exactly one", err, len(is))
		return
	}
	if !slices.Contains(want, is[0]) {
		t.Errorf("error %v, want one of %v", err, want)
	}
}

// bothFail checks that neither Wrap nor Unwrap of w works.
func bothFail(t *testing.T, ctx context.Context, k root.Key, w root.Wrapped, want error) {
	t.Helper()
	fresh, err := k.Wrap(ctx, secret(32), sample())
	if fresh.Ciphertext != nil {
		t.Error("Wrap returned a ciphertext and an error")
	}
	wantError(t, err, want)
	plaintext, err := k.Unwrap(ctx, w, sample())
	if plaintext != nil {
		t.Error("Unwrap returned a plaintext and an error")
	}
	wantError(t, err, want)
}
