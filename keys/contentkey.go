package keys

import (
	"crypto/hmac"
	"crypto/sha256"

	"github.com/sealkv/sealkv/codec"
)

// A ContentKey is the key of one value that has several recipients or is stored in chunks.
// Sealing and opening chunks is safe for concurrent use; Wipe must come after.
type ContentKey struct {
	Suite codec.Suite

	key     *secret
	payload aead
	chunks  stream
	head    *secret
}

// NewContentKey draws a content key of a suite, which is that of the data keys that will wrap it. The
// caller wipes it.
func NewContentKey(suite codec.Suite) (*ContentKey, error) { return newContentKey(suite, newSecret()) }

// newContentKey takes key over.
func newContentKey(suite codec.Suite, key *secret) (*ContentKey, error) {
	payload, err := newAEAD(suite, key.deriveLabel(codec.LabelPayload), nil)
	if err != nil {
		key.wipe()
		return nil, err
	}
	chunks, err := newStream(suite, key.deriveLabel(codec.LabelChunks))
	if err != nil {
		key.wipe()
		return nil, err
	}
	return &ContentKey{Suite: suite, key: key, payload: payload, chunks: chunks, head: key.deriveLabel(codec.LabelHead)}, nil
}

// Wipe overwrites the key and its subkeys.
func (c *ContentKey) Wipe() {
	c.key.wipe()
	c.head.wipe()
	c.payload.wipe()
	c.chunks.wipe()
}

// Seal appends nonce ‖ ciphertext ‖ tag of plaintext to dst.
func (c *ContentKey) Seal(dst, plaintext, aad []byte) []byte {
	return c.payload.seal(dst, plaintext, aad)
}

// Open appends the plaintext of sealed to dst, or returns ErrAuthentication.
func (c *ContentKey) Open(dst, sealed, aad []byte) ([]byte, error) {
	return c.payload.open(dst, sealed, aad)
}

// SealChunk appends the ciphertext and tag of one chunk to dst. Each index must be sealed once
// in the life of the key: the nonce is the index. The one error is ErrNotApproved.
func (c *ContentKey) SealChunk(dst, plaintext, aad []byte, index uint32, final bool) ([]byte, error) {
	var nonce [codec.NonceLen]byte
	codec.PutChunkNonce(&nonce, index, final)
	return c.chunks.seal(dst, &nonce, plaintext, aad)
}

// OpenChunk appends the plaintext of one chunk to dst, or returns ErrAuthentication.
func (c *ContentKey) OpenChunk(dst, sealed, aad []byte, index uint32, final bool) ([]byte, error) {
	var nonce [codec.NonceLen]byte
	codec.PutChunkNonce(&nonce, index, final)
	return c.chunks.open(dst, &nonce, sealed, aad)
}

// HeadMAC is HMAC-SHA256 under the key's head subkey over input.
func (c *ContentKey) HeadMAC(input []byte) []byte {
	h := hmac.New(sha256.New, c.head[:])
	h.Write(input)
	return h.Sum(nil)
}

// CheckHeadMAC compares in constant time and returns ErrAuthentication where mac is not input's.
func (c *ContentKey) CheckHeadMAC(input, mac []byte) error {
	if !hmac.Equal(c.HeadMAC(input), mac) {
		return ErrAuthentication
	}
	return nil
}
