package codec_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"math/big"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/sealkv/sealkv/codec"
)

// An xaes is XAES-256-GCM, written down from its specification (c2sp.org/XAES-256-GCM) and not for
// speed: what package keys does with derived keys is held against it.
type xaes struct{ key []byte }

// derived is the AES-256-GCM key for the first 12 bytes of a nonce.
func (x xaes) derived(nonce []byte) []byte {
	block := must(aes.NewCipher(x.key))
	l := make([]byte, 16)
	block.Encrypt(l, l)
	k1 := new(big.Int).Lsh(new(big.Int).SetBytes(l), 1)
	if l[0]&0x80 != 0 {
		k1.Xor(k1, big.NewInt(0x87))
		k1.SetBit(k1, 128, 0)
	}
	var out []byte
	for i := range byte(2) {
		m := new(big.Int).SetBytes(concat([]byte{0, i + 1, 'X', 0}, nonce[:12]))
		half := m.Xor(m, k1).FillBytes(make([]byte, 16))
		block.Encrypt(half, half)
		out = append(out, half...)
	}
	return out
}

func (x xaes) gcm(nonce []byte) cipher.AEAD {
	return must(cipher.NewGCM(must(aes.NewCipher(x.derived(nonce)))))
}

func (x xaes) NonceSize() int { return 24 }
func (x xaes) Overhead() int  { return 16 }

func (x xaes) Seal(dst, nonce, plaintext, aad []byte) []byte {
	return x.gcm(nonce).Seal(dst, nonce[12:], plaintext, aad)
}

func (x xaes) Open(dst, nonce, ciphertext, aad []byte) ([]byte, error) {
	return x.gcm(nonce).Open(dst, nonce[12:], ciphertext, aad)
}

// suiteAEADs are the AEADs that FORMAT.md names.
var suiteAEADs = map[codec.Suite]func(key []byte) cipher.AEAD{
	codec.SuiteXChaCha: func(key []byte) cipher.AEAD { return must(chacha20poly1305.NewX(key)) },
	codec.SuiteXAES:    func(key []byte) cipher.AEAD { return xaes{key} },
}

func TestXAESVectors(t *testing.T) {
	for _, v := range []struct {
		key       byte
		aad, want string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		key := make([]byte, codec.KeyLen)
		for i := range key {
			key[i] = v.key
		}
		got := xaes{key}.Seal(nil, []byte("ABCDEFGHIJKLMNOPQRSTUVWX"), []byte("XAES-256-GCM"), []byte(v.aad))
		if hex.EncodeToString(got) != v.want {
			t.Errorf("%x, want %s", got, v.want)
		}
	}
}
