package keyfile_test

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/keyfile"
)

// TestVectors holds format 1 still: key files and wraps that exist are opened forever.
func TestVectors(t *testing.T) {
	for _, name := range []string{"v1.key", "v1-protected.key", "v1-binary.key"} {
		t.Run(name, func(t *testing.T) {
			opener := &keyfile.Opener{Passphrase: answer("correct horse battery staple")}
			k := openKey(t, opener, fromTestdata(t, name))
			vectors := readVectors(t)
			for _, v := range vectors {
				t.Run(v["name"], func(t *testing.T) { v.run(t, k) })
			}
		})
	}
}

// A vector is one paragraph of v1.wraps.
type vector map[string]string

func (v vector) run(t *testing.T, k root.Key) {
	ciphertext, err := hex.DecodeString(v["ciphertext"])
	if err != nil {
		t.Fatal(err)
	}
	bound := root.Context{Tenant: "acme", Domain: "tenant", Version: 7}
	for i := range bound.Store {
		bound.Store[i] = byte(i)
	}
	got, err := k.Unwrap(t.Context(), root.Wrapped{Ciphertext: ciphertext, KeyVersion: v["version"]}, bound)
	switch expect := v["expect"]; expect {
	case "revoked":
		wantError(t, err, root.ErrRevoked)
	case "invalid":
		wantError(t, err, root.ErrInvalid)
	default:
		if err != nil || hex.EncodeToString(got) != expect {
			t.Errorf("Unwrap = %x, %v, want %s", got, err, expect)
		}
	}
}

func readVectors(t *testing.T) []vector {
	text, err := os.ReadFile("testdata/v1.wraps")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	for paragraph := range strings.SplitSeq(string(text), "\n\n") {
		v := make(vector)
		for line := range strings.Lines(paragraph) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && line[0] != '#' {
				v[name] = value
			}
		}
		if v["expect"] != "" {
			all = append(all, v)
		}
	}
	if len(all) < 10 {
		t.Fatalf("%d vectors in v1.wraps, want at least 10", len(all))
	}
	return all
}

// fromTestdata copies a key file to where it may have mode 0600, which git does not keep.
func fromTestdata(t *testing.T, name string) (path string) {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return writeKey(t, raw)
}
