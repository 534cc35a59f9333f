package root_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"github.com/sealkv/sealkv/keys/root"
	"pgregory.net/rapid"
)

// TestContextVector holds the encoding still: it is in the AAD of every wrap on disk.
func TestContextVector(t *testing.T) {
	bound := root.Context{Store: [16]byte{0: 0xa0, 15: 0x0a}, Tenant: "acme", Domain: "tenant", Version: 258}
	const expect = "a000000000000000000000000000000a" + "00000004" + "61636d65" + "00000006" + "74656e616e74" + "00000102"
	if got := hex.EncodeToString(bound.AppendAAD(nil)); got != expect {
		t.Errorf("AppendAAD = %s, want %s", got, expect)
	}
}

// TestContextInjective draws from few values, so that equal fields and shifted borders between
// tenant and domain are common.
func TestContextInjective(t *testing.T) {
	contexts := rapid.Custom(func(t *rapid.T) root.Context {
		name := rapid.StringOfN(rapid.SampledFrom([]rune("a\x00")), 0, 6, -1)
		return root.Context{
			Store:   [16]byte{15: rapid.SampledFrom([]byte{0, 1}).Draw(t, "store")},
			Tenant:  name.Draw(t, "tenant"),
			Domain:  name.Draw(t, "domain"),
			Version: rapid.SampledFrom([]uint32{0, 1, 1 << 24}).Draw(t, "version"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := contexts.Draw(t, "a"), contexts.Draw(t, "b")
		if same := bytes.Equal(a.AppendAAD(nil), b.AppendAAD(nil)); same != (a == b) {
			t.Fatalf("equal encodings: %v, equal contexts: %v", same, a == b)
		}
	})
}

func TestThrottledIsUnavailable(t *testing.T) {
	err := fmt.Errorf("wrapping: %w", root.ErrThrottled)
	if !errors.Is(err, root.ErrUnavailable) || errors.Is(root.ErrUnavailable, root.ErrThrottled) {
		t.Error("ErrThrottled must be an ErrUnavailable, and not the reverse")
	}
}
