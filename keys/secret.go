package keys

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"

	"github.com/sealkv/sealkv/codec"
)

// A secret is the bytes of a key. It prints as REDACTED whatever the verb.
type secret [codec.KeyLen]byte

const redacted = "REDACTED"

func (s *secret) String() string                { return redacted }
func (s *secret) GoString() string              { return redacted }
func (s *secret) Format(f fmt.State, verb rune) { io.WriteString(f, redacted) }
func (s *secret) LogValue() slog.Value          { return slog.StringValue(redacted) }

func (s *secret) wipe() { clear(s[:]) }

// newSecret draws a key. crypto/rand does not fail: it ends the process rather than return
// anything else than random bytes.
func newSecret() *secret {
	s := new(secret)
	rand.Read(s[:])
	return s
}

// derive returns the subkey of s for one purpose: HKDF-SHA256 without salt, since s is uniformly
// random.
func (s *secret) derive(info []byte) *secret {
	out, err := hkdf.Key(sha256.New, s[:], nil, string(info), codec.KeyLen)
	if err != nil {
		panic(fmt.Errorf("keys: deriving a subkey: %w", err)) // impossible with these lengths
	}
	return (*secret)(out)
}

func (s *secret) deriveLabel(label codec.Label) *secret { return s.derive([]byte(label)) }

// commitment is what the keyring stores beside a wrapped key: no other key has it, for the
// AEADs alone do not commit to theirs.
func (s *secret) commitment(store *codec.StoreID, row codec.KeyRow) []byte {
	return s.derive(codec.AppendCommitInfo(nil, store, row))[:]
}
