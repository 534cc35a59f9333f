// Package root is the seam between sealkv and whatever keeps a root key (KEK): a key file, an
// HSM, a cloud's KMS. A provider wraps and unwraps short secrets under a key whose bytes never
// reach the store. Every provider passes the suite in roottest.
package root

import (
	"context"
	"encoding/binary"
	"errors"
)

// Errors that every provider translates its own into; errors.Is tells them apart. What happens
// to a key that is already open depends on it: revoked closes it at once, unavailable lets it
// run to KeyTTL, invalid is an operator's mistake and changes nothing.
var (
	// ErrRevoked says that the root key exists but must not be used: disabled, access denied,
	// scheduled for destruction, destroyed.
	ErrRevoked = errors.New("root: key revoked")
	// ErrUnavailable says that the provider could not be asked: unreachable, timed out,
	// throttled. It may answer later.
	ErrUnavailable = errors.New("root: key unavailable")
	// ErrThrottled is an ErrUnavailable that asks for a slower pace.
	ErrThrottled error = throttled{}
	// ErrInvalid says that the request cannot succeed as it is: a malformed URI or key file, a
	// wrong passphrase, a ciphertext that was not made by this key or with this Context.
	ErrInvalid = errors.New("root: invalid")
)

type throttled struct{}

func (throttled) Error() string        { return "root: key throttled" }
func (throttled) Is(target error) bool { return target == ErrUnavailable }

// MaxPlaintext is the longest secret in bytes that Wrap must take: a 32-byte key and the
// 32-byte digest of its identity.
const MaxPlaintext = 64

// MaxCiphertext bounds what a provider returns from Wrap, in bytes.
const MaxCiphertext = 4096

// A Context is what a wrap is bound to, besides the key. A provider authenticates all four
// fields (as AAD, or as a KMS's encryption context), so that a wrap moved to another tenant,
// domain, version or store does not unwrap.
type Context struct {
	Store   [16]byte // store id
	Tenant  string   // empty for the platform's own key
	Domain  string   // "tenant" or "platform"
	Version uint32   // of the tenant key
}

// AppendAAD appends the four fields, each of variable length with four bytes of length before
// it: the AAD of a provider that has no encryption context of its own. No two Contexts have the
// same. On disk; must not change.
func (c Context) AppendAAD(b []byte) []byte {
	b = append(b, c.Store[:]...)
	b = appendString(b, c.Tenant)
	b = appendString(b, c.Domain)
	return binary.BigEndian.AppendUint32(b, c.Version)
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// A Wrapped is a secret under a root key.
type Wrapped struct {
	// Ciphertext is the provider's own format, at most MaxCiphertext bytes.
	Ciphertext []byte
	// KeyVersion names the version of the root key that made it, in the provider's words: an
	// ARN, a resource name, a key file's key id. It is shown to people and holds no secret.
	KeyVersion string
}

// A Key is one root key, all its versions included. It is safe for concurrent use, and prints
// as REDACTED. Its errors are those above; when ctx ends first, ErrUnavailable and ctx's own.
type Key interface {
	// Wrap puts plaintext (1 to MaxPlaintext bytes) under the key's newest version. It keeps
	// no reference to plaintext.
	Wrap(ctx context.Context, plaintext []byte, bound Context) (Wrapped, error)
	// Unwrap reverses Wrap, under whichever version made w. It returns ErrInvalid if w was not
	// made by this key with the same Context. The caller owns, and wipes, the result.
	Unwrap(ctx context.Context, w Wrapped, bound Context) ([]byte, error)
}

// An Opener finds the root key that a URI names. It may be called again for the same URI and
// may return the same Key. The URI holds no credentials.
type Opener interface {
	OpenRoot(ctx context.Context, uri string) (Key, error)
}

// OpenerFunc makes an Opener of a function.
type OpenerFunc func(ctx context.Context, uri string) (Key, error)

// OpenRoot calls f.
func (f OpenerFunc) OpenRoot(ctx context.Context, uri string) (Key, error) { return f(ctx, uri) }
