package keys

import (
	"crypto/cipher"
	"crypto/fips140"
	"fmt"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/internal/xaes"
)

// A stream seals and opens the chunks of one value under the nonces of codec.PutChunkNonce.
type stream struct {
	a cipher.AEAD // takes the last NonceSize bytes of a nonce
}

// newStream consumes key: it returns a suite's stream under it and wipes it.
func newStream(suite codec.Suite, key *secret) (stream, error) {
	defer key.wipe()
	switch suite {
	case codec.SuiteXChaCha:
		x, err := newXChaCha(key, nil)
		return stream{x.a}, err
	case codec.SuiteXAES:
		k, zero := xaes.New((*[codec.KeyLen]byte)(key)), xaes.Prefix{} // as all nonces of chunks begin
		defer k.Wipe()
		if fips140.Enforced() { // such nonces are refused; see open
			return stream{k.Random(&zero)}, nil
		}
		a, err := k.Given(&zero)
		return stream{a}, err
	}
	return stream{}, fmt.Errorf("%w: %s", codec.ErrUnsupported, suite)
}

func (s stream) seal(dst []byte, nonce *[codec.NonceLen]byte, plaintext, aad []byte) ([]byte, error) {
	n := s.a.NonceSize()
	if n == 0 {
		return dst, fmt.Errorf("%w: chunks, whose nonces are counters, are opened and not sealed; keep values shorter", ErrNotApproved)
	}
	return s.a.Seal(dst, nonce[codec.NonceLen-n:], plaintext, aad), nil
}

func (s stream) open(dst []byte, nonce *[codec.NonceLen]byte, sealed, aad []byte) ([]byte, error) {
	n := s.a.NonceSize()
	if n == 0 { // the nonce is taken from before the ciphertext
		whole := append(make([]byte, 0, codec.NonceLen+len(sealed)), nonce[xaes.PrefixLen:]...)
		sealed = append(whole, sealed...)
	}
	out, err := s.a.Open(dst, nonce[codec.NonceLen-n:], sealed, aad)
	if err != nil {
		return dst, ErrAuthentication
	}
	return out, nil
}

func (s stream) wipe() { xaes.Wipe(s.a) }
