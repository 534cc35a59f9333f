package keys

import (
	"crypto/cipher"
	"crypto/fips140"
	"crypto/rand"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/internal/xaes"
)

// An xchacha is the aead of suite 1.
type xchacha struct {
	a     cipher.AEAD
	seals *sealCount // nil where nobody counts
}

func newXChaCha(key *secret, p *prefixes) (xchacha, error) {
	if fips140.Enforced() {
		return xchacha{}, fmt.Errorf("%w: suite %s; choose %s in the policy", ErrNotApproved, codec.SuiteXChaCha, codec.SuiteXAES)
	}
	a, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		panic(fmt.Errorf("keys: setting up the AEAD: %w", err)) // impossible with this length
	}
	if p == nil {
		return xchacha{a: a}, nil
	}
	return xchacha{a, p.seals}, nil
}

func (x xchacha) seal(dst, plaintext, aad []byte) []byte {
	at := len(dst)
	var room [codec.NonceLen]byte // copied at once, so that it need not escape
	dst = append(dst, room[:]...)
	nonce := dst[at:]
	rand.Read(nonce)
	if nonce[0] == 0 && nonce[1] == 0 && nonce[2] < 16 { // one in sealsPerRun
		x.seals.begin()
	}
	return x.a.Seal(dst, nonce, plaintext, aad)
}

func (x xchacha) open(dst, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < codec.SealOverhead {
		return dst, ErrAuthentication
	}
	out, err := x.a.Open(dst, sealed[:codec.NonceLen], sealed[codec.NonceLen:], aad)
	if err != nil {
		return dst, ErrAuthentication
	}
	return out, nil
}

func (x xchacha) wipe() { xaes.Wipe(x.a) }
