package keyfile

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/sealkv/sealkv/keys/root"
	"golang.org/x/crypto/chacha20poly1305"
)

// The formats of a ciphertext, its first byte. On disk; must not change.
const (
	formatXChaCha = 1 // XChaCha20-Poly1305 with 24 random bytes of nonce
	formatGCM     = 2 // AES-256-GCM with 12
)

const (
	gcmNonceLen = 12
	tagLen      = 16 // of both
)

// errNotOurs gives no reason.
var errNotOurs = fmt.Errorf("the wrap was not made by this key with this context: %w", root.ErrInvalid)

var errNotApproved = fmt.Errorf("the wrap is by XChaCha20-Poly1305, which GODEBUG=fips140=only does not allow; "+
	"with GODEBUG=fips140=on, have the key wrapped anew: %w", root.ErrInvalid)

// A wrapper wraps under one key.
type wrapper struct {
	id      string
	xchacha cipher.AEAD // nil where GODEBUG=fips140=only does not allow it
	gcm     cipher.AEAD // draws its nonces, and puts them first
}

func (k *keyLine) wrapper() *wrapper {
	w := &wrapper{id: k.ID, gcm: k.gcm()}
	if !fips140.Enforced() {
		w.xchacha = k.xchacha()
	}
	return w
}

func (k *keyLine) xchacha() cipher.AEAD {
	wrapKey := k.derive(labelWrap, chacha20poly1305.KeySize)
	defer clear(wrapKey)
	return must(chacha20poly1305.NewX(wrapKey))
}

func (k *keyLine) gcm() cipher.AEAD {
	wrapKey := k.derive(labelWrapGCM, 32)
	defer clear(wrapKey)
	return must(cipher.NewGCMWithRandomNonce(must(aes.NewCipher(wrapKey))))
}

// must panics on errors that lengths alone could cause.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Errorf("keyfile: %w", err))
	}
	return v
}

// wrap makes format 1, or format 2 under FIPS 140: also where both are allowed, so that a process with
// GODEBUG=fips140=on can bring wraps from the one to the other.
func (w *wrapper) wrap(plaintext []byte, bound root.Context) []byte {
	if fips140.Enabled() {
		return w.gcm.Seal([]byte{formatGCM}, nil, plaintext, w.aad(labelWrapGCM, bound))
	}
	b := make([]byte, 1+chacha20poly1305.NonceSizeX, 1+chacha20poly1305.NonceSizeX+len(plaintext)+tagLen)
	b[0] = formatXChaCha
	nonce := b[1:]
	rand.Read(nonce) // never fails
	return w.xchacha.Seal(b, nonce, plaintext, w.aad(labelWrap, bound))
}

func (w *wrapper) unwrap(b []byte, bound root.Context) (plaintext []byte, err error) {
	err = errors.New("unknown format")
	switch {
	case inBounds(b, formatXChaCha, chacha20poly1305.NonceSizeX) && w.xchacha == nil:
		return nil, errNotApproved
	case inBounds(b, formatXChaCha, chacha20poly1305.NonceSizeX):
		nonce, sealed := b[1:1+chacha20poly1305.NonceSizeX], b[1+chacha20poly1305.NonceSizeX:]
		plaintext, err = w.xchacha.Open(nil, nonce, sealed, w.aad(labelWrap, bound))
	case inBounds(b, formatGCM, gcmNonceLen):
		plaintext, err = w.gcm.Open(nil, nil, b[1:], w.aad(labelWrapGCM, bound))
	}
	if err != nil {
		return nil, errNotOurs
	}
	return plaintext, nil
}

// inBounds reports whether b is of a format and may have been made of 1 to root.MaxPlaintext bytes.
func inBounds(b []byte, format byte, nonceLen int) bool {
	n := len(b) - 1 - nonceLen - tagLen
	return n >= 1 && n <= root.MaxPlaintext && b[0] == format
}

// aad is what the tag of a wrap covers; the id has a fixed length.
func (w *wrapper) aad(label string, bound root.Context) []byte {
	return bound.AppendAAD([]byte(label + w.id))
}
