// Package codec turns what sealkv stores into bytes and back: engine keys, envelopes, what the
// tags cover (AAD), and the records of the keyring. FORMAT.md is its specification.
//
// It is strict: what it decodes, it encodes to the same bytes again, so no record has two
// spellings. It does no I/O, holds no keys, reads no clock and draws no randomness.
package codec

import "errors"

// Failures of decoding. Whoever needs more than the class reads the text; it names positions
// and lengths, never contents.
var (
	// ErrMalformed says that the bytes are no encoding that this or a later version writes.
	ErrMalformed = errors.New("codec: malformed")
	// ErrUnsupported says that the bytes are well-formed and use something that this version
	// does not know: a suite, a flag, a kind of key. A newer sealkv may read them.
	ErrUnsupported = errors.New("codec: unsupported")
)

// Format is the version of everything this package writes. It stands in the identity record of
// the keyring and of the engine, not in each envelope.
const Format = 1

// StoreIDLen is the length of a store id in bytes: random, drawn once when a store is created.
const StoreIDLen = 16

// A StoreID tells stores apart. It is part of every AAD, so no record of one store opens in
// another.
type StoreID [StoreIDLen]byte
