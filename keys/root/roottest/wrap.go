package roottest

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sealkv/sealkv/keys/root"
)

func testRoundTrip(t *testing.T, s Subject) {
	for n := 1; n <= root.MaxPlaintext; n++ {
		plaintext := secret(n)
		w := wrap(t, s.Key, plaintext)
		wantUnwrap(t, s.Key, w, plaintext)
		if len(w.Ciphertext) > root.MaxCiphertext {
			t.Errorf("a ciphertext of %d bytes is longer than MaxCiphertext", len(w.Ciphertext))
		}
		if n >= 8 && bytes.Contains(w.Ciphertext, plaintext[:8]) {
			t.Error("the ciphertext holds the plaintext")
		}
		if w.KeyVersion == "" || !utf8.ValidString(w.KeyVersion) {
			t.Errorf("KeyVersion %q cannot be shown", w.KeyVersion)
		}
	}
}

func testLengths(t *testing.T, s Subject) {
	for _, n := range []int{0, root.MaxPlaintext + 1, 1 << 20} {
		_, err := s.Key.Wrap(t.Context(), make([]byte, n), sample())
		wantError(t, err, root.ErrInvalid)
	}
}

// testFresh tests that one secret wrapped twice cannot be seen to be one.
func testFresh(t *testing.T, s Subject) {
	seen := make(map[string]bool)
	for range 64 {
		seen[string(wrap(t, s.Key, secret(32)).Ciphertext)] = true
	}
	if len(seen) != 64 {
		t.Errorf("64 wraps have %d different ciphertexts", len(seen))
	}
}

func testContext(t *testing.T, s Subject) {
	w := wrap(t, s.Key, secret(64))
	for name, change := range map[string]func(c *root.Context){
		"FirstStoreByte":  func(c *root.Context) { c.Store[0] ^= 1 },
		"LastStoreByte":   func(c *root.Context) { c.Store[15] ^= 1 },
		"Tenant":          func(c *root.Context) { c.Tenant = "acmf" },
		"TenantCase":      func(c *root.Context) { c.Tenant = "Acme" },
		"NoTenant":        func(c *root.Context) { c.Tenant = "" },
		"TenantWithZero":  func(c *root.Context) { c.Tenant += "\x00" },
		"Domain":          func(c *root.Context) { c.Domain = "platform" },
		"NoDomain":        func(c *root.Context) { c.Domain = "" },
		"BorderToTheLeft": func(c *root.Context) { c.Tenant, c.Domain = "acm", "etenant" },
		"BorderToRight":   func(c *root.Context) { c.Tenant, c.Domain = "acmet", "enant" },
		"Swapped":         func(c *root.Context) { c.Tenant, c.Domain = c.Domain, c.Tenant },
		"Version":         func(c *root.Context) { c.Version++ },
		"NoVersion":       func(c *root.Context) { c.Version = 0 },
		"HighVersionBit":  func(c *root.Context) { c.Version |= 1 << 31 },
	} {
		t.Run(name, func(t *testing.T) {
			bound := sample()
			change(&bound)
			wantRefused(t, s.Key, w, bound, root.ErrInvalid)
		})
	}
	wantUnwrap(t, s.Key, w, secret(64))
}

// testPlatform tests the Context that has no tenant.
func testPlatform(t *testing.T, s Subject) {
	bound := sample()
	bound.Tenant, bound.Domain = "", "platform"
	w, err := s.Key.Wrap(t.Context(), secret(64), bound)
	if err != nil {
		t.Fatalf("Wrap: %v", err)
	}
	got, err := s.Key.Unwrap(t.Context(), w, bound)
	if err != nil || !bytes.Equal(got, secret(64)) {
		t.Errorf("Unwrap for the platform: %v", err)
	}
	wantRefused(t, s.Key, w, sample(), root.ErrInvalid)
}

func testCiphertext(t *testing.T, s Subject) {
	w := wrap(t, s.Key, secret(32))
	refused := func(t *testing.T, ciphertext []byte) {
		t.Helper()
		wantRefused(t, s.Key, root.Wrapped{Ciphertext: ciphertext, KeyVersion: w.KeyVersion}, sample(), root.ErrInvalid)
	}
	t.Run("Flipped", func(t *testing.T) {
		for bit := range len(w.Ciphertext) * 8 {
			flipped := bytes.Clone(w.Ciphertext)
			flipped[bit/8] ^= 1 << (bit % 8)
			refused(t, flipped)
		}
	})
	t.Run("CutAtEnd", func(t *testing.T) {
		for n := range w.Ciphertext {
			refused(t, w.Ciphertext[:n])
		}
	})
	t.Run("CutAtStart", func(t *testing.T) {
		for n := range w.Ciphertext {
			refused(t, w.Ciphertext[n+1:])
		}
	})
	t.Run("Longer", func(t *testing.T) {
		refused(t, slices.Concat(w.Ciphertext, []byte{0}))
		refused(t, slices.Concat([]byte{0}, w.Ciphertext))
		refused(t, slices.Concat(w.Ciphertext, w.Ciphertext))
		refused(t, make([]byte, root.MaxCiphertext+1))
	})
	t.Run("Nil", func(t *testing.T) { refused(t, nil) })
	wantUnwrap(t, s.Key, w, secret(32))
}

// testKeyVersion allows ErrRevoked, for a provider cannot tell a version that it never had from
// one that is gone.
func testKeyVersion(t *testing.T, s Subject) {
	w := wrap(t, s.Key, secret(32))
	other := w.KeyVersion[:len(w.KeyVersion)-1] + "0"
	if other == w.KeyVersion {
		other = w.KeyVersion[:len(w.KeyVersion)-1] + "1"
	}
	for _, version := range []string{"", other, w.KeyVersion + "0", "no such version", strings.Repeat("9", 4096)} {
		changed := root.Wrapped{Ciphertext: w.Ciphertext, KeyVersion: version}
		wantRefused(t, s.Key, changed, sample(), root.ErrInvalid, root.ErrRevoked)
	}
}

func testAnotherKey(t *testing.T, one, other root.Key) {
	w := wrap(t, one, secret(32))
	wantRefused(t, other, w, sample(), root.ErrInvalid, root.ErrRevoked)
	w.KeyVersion = wrap(t, other, secret(32)).KeyVersion
	wantRefused(t, other, w, sample(), root.ErrInvalid)
}

// testBuffers tests that slices are neither kept nor shared nor written to.
func testBuffers(t *testing.T, s Subject) {
	plaintext := secret(32)
	w := wrap(t, s.Key, plaintext)
	if !bytes.Equal(plaintext, secret(32)) {
		t.Error("Wrap wrote to the plaintext")
	}
	clear(plaintext)

	kept := bytes.Clone(w.Ciphertext)
	got, err := s.Key.Unwrap(t.Context(), w, sample())
	if err != nil {
		t.Fatalf("Unwrap: %v", err)
	}
	clear(got[:cap(got)])
	if !bytes.Equal(w.Ciphertext, kept) {
		t.Error("wiping the result of Unwrap changed the ciphertext")
	}
	wantUnwrap(t, s.Key, w, secret(32))

	second := wrap(t, s.Key, secret(32))
	clear(w.Ciphertext[:cap(w.Ciphertext)])
	wantUnwrap(t, s.Key, second, secret(32))
	wantUnwrap(t, s.Key, root.Wrapped{Ciphertext: kept, KeyVersion: w.KeyVersion}, secret(32))
}

func testRedacted(t *testing.T, s Subject) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, s.Key); got != "REDACTED" {
			t.Errorf("the key prints as %q with %s", got, verb)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("opened", "key", s.Key)
	if !strings.HasSuffix(log.String(), "key=REDACTED\n") {
		t.Errorf("the key is logged as %q", log.String())
	}
}
