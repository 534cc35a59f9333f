package codec_test

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/sealkv/sealkv/codec"
)

// The primitives that FORMAT.md names, as the Go libraries have them, against the vectors of
// project Wycheproof: a guard on the dependencies. Package keys is what uses them.

// hexBytes are bytes that JSON has in hex.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// wycheproofVectors calls fn for each vector of a file; V is the shape of a vector, G of what
// its group says of it.
func wycheproofVectors[G, V any](t *testing.T, file string, fn func(group G, vector V)) {
	t.Helper()
	var content struct {
		NumberOfTests int
		TestGroups    []json.RawMessage
	}
	if err := json.Unmarshal(must(fs.ReadFile(wycheproof.TestVectors, file)), &content); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, raw := range content.TestGroups {
		var group G
		var vectors struct{ Tests []V }
		if err := json.Unmarshal(raw, &group); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &vectors); err != nil {
			t.Fatal(err)
		}
		for _, vector := range vectors.Tests {
			n++
			fn(group, vector)
		}
	}
	if n == 0 || n != content.NumberOfTests {
		t.Fatalf("%d vectors in %s, which says %d", n, file, content.NumberOfTests)
	}
}

func TestWycheproofXChaCha20Poly1305(t *testing.T) {
	type vector struct {
		TcID                       int
		Key, IV, AAD, Msg, Ct, Tag hexBytes
		Result                     string
	}
	valid := 0
	wycheproofVectors(t, "xchacha20_poly1305_test.json", func(_ struct{}, v vector) {
		aead := must(chacha20poly1305.NewX(v.Key))
		if aead.NonceSize() != codec.NonceLen || aead.Overhead() != codec.TagLen {
			t.Fatalf("nonces of %d and tags of %d bytes", aead.NonceSize(), aead.Overhead())
		}
		if len(v.IV) != codec.NonceLen {
			if !panics(func() { aead.Open(nil, v.IV, concat(v.Ct, v.Tag), v.AAD) }) {
				t.Errorf("vector %d: a nonce of %d bytes was taken", v.TcID, len(v.IV))
			}
			return
		}
		opened, err := aead.Open(nil, v.IV, concat(v.Ct, v.Tag), v.AAD)
		if v.Result != "valid" {
			if err == nil {
				t.Errorf("vector %d opens", v.TcID)
			}
			return
		}
		valid++
		if err != nil || string(opened) != string(v.Msg) {
			t.Errorf("vector %d opens as %x (%v)", v.TcID, opened, err)
		}
		if sealed := aead.Seal(nil, v.IV, v.Msg, v.AAD); string(sealed) != string(concat(v.Ct, v.Tag)) {
			t.Errorf("vector %d seals as %x", v.TcID, sealed)
		}
	})
	if valid == 0 {
		t.Error("no valid vector")
	}
}

func TestWycheproofHKDF(t *testing.T) {
	type vector struct {
		TcID                 int
		IKM, Salt, Info, OKM hexBytes
		Size                 int
		Result               string
	}
	wycheproofVectors(t, "hkdf_sha256_test.json", func(_ struct{}, v vector) {
		okm, err := hkdf.Key(sha256.New, v.IKM, v.Salt, string(v.Info), v.Size)
		if (err == nil) != (v.Result == "valid") || err == nil && string(okm) != string(v.OKM) {
			t.Errorf("vector %d derives %x (%v)", v.TcID, okm, err)
		}
	})
}

func TestWycheproofHMAC(t *testing.T) {
	type group struct{ TagSize int }
	type vector struct {
		TcID          int
		Key, Msg, Tag hexBytes
		Result        string
	}
	wycheproofVectors(t, "hmac_sha256_test.json", func(g group, v vector) {
		got := mac(v.Key, v.Msg)[:g.TagSize/8]
		if (string(got) == string(v.Tag)) != (v.Result == "valid") {
			t.Errorf("vector %d has %x", v.TcID, got)
		}
	})
}

func panics(fn func()) (did bool) {
	defer func() { did = recover() != nil }()
	fn()
	return false
}
