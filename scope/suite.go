package scope

import (
	"errors"
	"fmt"
)

// A Suite says by which AEAD values are sealed. The zero Suite is none of them and is never found in
// a policy. The numbers are those of FORMAT.md.
type Suite uint8

const (
	XChaCha20Poly1305 Suite = 1 // the default
	XAES256GCM        Suite = 2 // for processors with AES instructions, and for FIPS 140
)

var suites = []Suite{XChaCha20Poly1305, XAES256GCM}

// String returns the suite as a policy spells it.
func (s Suite) String() string {
	switch s {
	case XChaCha20Poly1305:
		return "xchacha20-poly1305"
	case XAES256GCM:
		return "xaes-256-gcm"
	}
	return fmt.Sprintf("suite(%d)", uint8(s))
}

// MarshalText returns what String returns, and an error for what is none of the suites.
func (s Suite) MarshalText() ([]byte, error) {
	if _, err := parseSuite(s.String()); err != nil {
		return nil, fmt.Errorf("scope: %s: %w", s, err)
	}
	return []byte(s.String()), nil
}

// UnmarshalText reverses MarshalText. It leaves s as it was when it returns an error.
func (s *Suite) UnmarshalText(text []byte) error {
	parsed, err := parseSuite(string(text))
	if err != nil {
		return fmt.Errorf("scope: suite %.64q: %w", text, err)
	}
	*s = parsed
	return nil
}

func parseSuite(name string) (Suite, error) {
	for _, s := range suites {
		if name == s.String() {
			return s, nil
		}
	}
	return 0, errors.New("want xchacha20-poly1305 or xaes-256-gcm")
}
