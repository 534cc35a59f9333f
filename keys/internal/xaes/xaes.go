// Package xaes derives the keys of XAES-256-GCM (https://c2sp.org/XAES-256-GCM), which is AES-256-GCM
// with a nonce of 24 bytes: the first 12 and the key give an AES-256-GCM key, whose nonce the last
// 12 are. The derivation is that of NIST SP 800-108r1 in counter mode, with AES-CMAC.
//
// Deriving is apart from sealing, so that what is sealed under one prefix shares its derived key.
package xaes

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"reflect"
)

// Lengths in bytes.
const (
	KeyLen    = 32
	PrefixLen = 12 // the part of a nonce that a key is derived from
)

// A Prefix is the first half of a nonce.
type Prefix [PrefixLen]byte

// A Key is a key of XAES-256-GCM. It is safe for concurrent use.
type Key struct {
	block cipher.Block
	k1    [aes.BlockSize]byte // CMAC's subkey for complete blocks
}

// New returns the Key of these bytes, which it keeps no reference to.
func New(key *[KeyLen]byte) *Key {
	k := &Key{block: newBlock(key)}
	k.block.Encrypt(k.k1[:], k.k1[:])
	var carry byte
	for i := len(k.k1) - 1; i >= 0; i-- {
		k.k1[i], carry = k.k1[i]<<1|carry, k.k1[i]>>7
	}
	k.k1[len(k.k1)-1] ^= 0x87 & -carry // in constant time
	return k
}

// Wipe overwrites the key. It must not be in use any more.
func (k *Key) Wipe() {
	wipe(k.block)
	clear(k.k1[:])
}

// derive is the AES-256-GCM key for a prefix.
func (k *Key) derive(prefix *Prefix) (out [KeyLen]byte) {
	for i, half := range [][]byte{out[:aes.BlockSize], out[aes.BlockSize:]} {
		m := [aes.BlockSize]byte{0, byte(i + 1), 'X', 0}
		copy(m[4:], prefix[:])
		subtle.XORBytes(half, m[:], k.k1[:])
		k.block.Encrypt(half, half)
	}
	return out
}

// Random returns the AEAD for a prefix whose nonces, the last halves of XAES-256-GCM's, it draws
// itself and puts before the ciphertext: Seal and Open take an empty nonce. crypto/rand gives them,
// each time anew.
func (k *Key) Random(prefix *Prefix) cipher.AEAD {
	return must(k.gcm(prefix, cipher.NewGCMWithRandomNonce))
}

// Given returns the AEAD for a prefix that takes the last half of each nonce, or the error with which
// Go refuses such nonces under GODEBUG=fips140=only.
func (k *Key) Given(prefix *Prefix) (cipher.AEAD, error) { return k.gcm(prefix, cipher.NewGCM) }

func (k *Key) gcm(prefix *Prefix, mode func(cipher.Block) (cipher.AEAD, error)) (cipher.AEAD, error) {
	key := k.derive(prefix)
	defer clear(key[:])
	block := newBlock(&key)
	defer wipe(block) // the mode has a copy
	return mode(block)
}

// Wipe overwrites the key in an AEAD, of Random and Given or one of golang.org/x/crypto. It must not be
// in use any more.
func Wipe(a cipher.AEAD) { wipe(a) }

// wipe zeroes what a cipher points to, which gives no other access to its key. Where the library has
// changed the shape it does nothing; a test would tell.
func wipe(cipher any) {
	v := reflect.ValueOf(cipher)
	if v.Kind() == reflect.Struct && v.NumField() == 1 && v.Type().Field(0).IsExported() {
		v = v.Field(0) // of the AEAD that draws its nonces
	}
	if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		v.Elem().SetZero()
	}
}

func newBlock(key *[KeyLen]byte) cipher.Block { return must(aes.NewCipher(key[:])) }

// must panics on errors that lengths alone could cause.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Errorf("xaes: %w", err))
	}
	return v
}
