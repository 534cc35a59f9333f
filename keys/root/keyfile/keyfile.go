// Package keyfile keeps a root key in a file: the provider that needs no KMS.
//
// # The file
//
// A key file is text, one line for each version of the key, the newest last:
//
//	# anything an operator wants to note
//	SEALKV-ROOT-KEY-1 d5b9c1…40 2026-03-01T09:00:00Z 1x0TGq…8= disabled
//	SEALKV-ROOT-KEY-1 07e3aa…9c 2026-11-22T10:30:00Z mZJ2kE…w=
//
// The words of a key line are parted by single spaces: the format; the id, 32 lower-case hex
// digits; the time of creation, RFC 3339 in UTC and whole seconds; 32 random bytes in padded
// base64. The id is derived from the key, so a typo in either is found. A fifth word "disabled"
// makes that version unusable, and a line "disabled" of its own makes the whole key so: this is
// how a key in a file is revoked, and taking the word away is how it comes back. Empty lines and
// lines that begin with # are kept as they are. Every line ends in a newline. Nothing else is
// accepted, so each file has one reading.
//
// The file may be protected by a passphrase. It is then the same text in a passphrase-encrypted
// age file, armored or binary, which can be opened and edited with the age command too.
//
// On Unix the file must be a regular one that only its owner can read (mode 0600 or less); it is
// refused where permissions cannot be told. A symbolic link to it is followed.
//
// # The wrap
//
// The 32 bytes are never used as they are; HKDF-SHA256 without salt makes of them
//
//	id              = 16 bytes, info "sealkv/1 keyfile id", in hex
//	wrap key        = 32 bytes, info "sealkv/1 keyfile wrap"
//	second wrap key = 32 bytes, info "sealkv/1 keyfile wrap 2"
//
// A ciphertext is 0x01 ‖ nonce ‖ sealed. The nonce is 24 random bytes, sealed is
// XChaCha20-Poly1305 under the wrap key, and its AAD is
//
//	"sealkv/1 keyfile wrap" ‖ id ‖ root.Context.AppendAAD
//
// With GODEBUG=fips140=on or only it is 0x02 ‖ nonce ‖ sealed instead, with 12 random bytes, AES-256-GCM,
// the second wrap key, and "sealkv/1 keyfile wrap 2" in the AAD. Both unwrap, but with fips140=only the
// first does not, nor does a file with a passphrase open, for which age needs scrypt and
// ChaCha20-Poly1305.
//
// Neither AEAD commits to its key. What does is the id: a wrap carries it as its
// KeyVersion, Unwrap tries that key and no other, and a file never has two keys with one id. So
// in one file a wrap has one key by construction; two files in which one wrap has two keys would
// take a second key with the id of the first, 2^128 work, or 2^64 for someone who makes both.
//
// All of the above is on disk and must not change.
package keyfile

import (
	"context"
	"sync"

	"github.com/sealkv/sealkv/keys/root"
)

// A PassphraseFunc returns the passphrase that protects the key file at path. It is called for
// protected files only, again each time such a file has changed: one that asks a person should
// remember the answer. Its error is wrapped in root.ErrUnavailable.
type PassphraseFunc func(ctx context.Context, path string) (string, error)

// An Opener opens key files named by URIs of the form file:///absolute/path. Its zero value is
// ready for files without a passphrase. It is safe for concurrent use and must not be copied
// after first use.
type Opener struct {
	// Passphrase is asked for the passphrases of protected files. Nil refuses such files.
	Passphrase PassphraseFunc

	keys sync.Map // path to *key, so that scrypt runs once for a file, not once for a tenant
}

var _ root.Opener = (*Opener)(nil)

// OpenRoot reads the key file that uri names. The Key follows the file from then on: each Wrap
// and Unwrap looks at it again, so that disabling, rotating and removing it take effect at once.
// A disabled file opens; its Wrap and Unwrap return root.ErrRevoked.
//
// The errors, here and from the Key: root.ErrRevoked if the file, or the version that made a
// wrap, is disabled; if that version is no longer in the file; if the process may not read the
// file. root.ErrUnavailable if the file is missing or cannot be read. root.ErrInvalid if the
// URI, the file, its permissions or the passphrase are wrong.
func (o *Opener) OpenRoot(ctx context.Context, uri string) (root.Key, error) {
	path, err := parseURI(uri)
	if err != nil {
		return nil, err
	}
	v, _ := o.keys.LoadOrStore(path, newKey(path, o.Passphrase))
	k := v.(*key)
	if _, err := k.load(ctx); err != nil {
		return nil, k.failed(err)
	}
	return k, nil
}
