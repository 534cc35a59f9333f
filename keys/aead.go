package keys

import (
	"fmt"

	"github.com/sealkv/sealkv/codec"
)

// An aead seals and opens under one key of one suite. It is safe for concurrent use.
type aead interface {
	// seal appends nonce ‖ ciphertext ‖ tag of plaintext to dst. What is random of the nonce is drawn
	// from crypto/rand for every call, never from a pool: a cloned machine would draw it again.
	seal(dst, plaintext, aad []byte) []byte
	// open appends the plaintext of sealed to dst, whose free room must not overlap sealed, or returns
	// dst and ErrAuthentication.
	open(dst, sealed, aad []byte) ([]byte, error)
	// wipe overwrites the key. The aead must not be in use any more.
	wipe()
}

// newAEAD consumes key: it returns a suite's AEAD under it and wipes it. prefixes are those of suite
// 2, and count the seals of both; nil will do for a key that is not opened again.
func newAEAD(suite codec.Suite, key *secret, prefixes *prefixes) (aead, error) {
	defer key.wipe()
	switch suite {
	case codec.SuiteXChaCha:
		return newXChaCha(key, prefixes)
	case codec.SuiteXAES:
		return newXAES(key, prefixes), nil
	}
	return nil, fmt.Errorf("%w: %s", codec.ErrUnsupported, suite)
}
