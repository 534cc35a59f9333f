package scope

import (
	"errors"
	"fmt"
)

// A Domain says whose keys a namespace is sealed under. The zero Domain is none of them and is
// never found in a policy.
type Domain uint8

// Both is the transition in which each value opens under either key. The numbers are bits, so that
// Both is Tenant and Platform; they are not written to disk by this package.
const (
	Tenant   Domain = 1
	Platform Domain = 2
	Both     Domain = Tenant | Platform
)

// Has reports whether values in domain d are sealed under the keys of other: Both has Tenant and
// Platform and Both. Nothing has the zero Domain.
func (d Domain) Has(other Domain) bool {
	return other != 0 && d&other == other
}

// String returns tenant, platform or both, as a policy spells them.
func (d Domain) String() string {
	switch d {
	case Tenant:
		return "tenant"
	case Platform:
		return "platform"
	case Both:
		return "both"
	}
	return fmt.Sprintf("domain(%d)", uint8(d))
}

// ParseDomain reverses String for the three domains.
func ParseDomain(s string) (Domain, error) {
	d, err := parseDomain(s)
	if err != nil {
		return 0, fmt.Errorf("scope: domain %.64q: %w", s, err)
	}
	return d, nil
}

func parseDomain(s string) (Domain, error) {
	for _, d := range []Domain{Tenant, Platform, Both} {
		if s == d.String() {
			return d, nil
		}
	}
	return 0, errors.New("want tenant, platform or both")
}

// MarshalText returns what String returns, and an error for what is none of the three domains.
func (d Domain) MarshalText() ([]byte, error) {
	if _, err := ParseDomain(d.String()); err != nil {
		return nil, err
	}
	return []byte(d.String()), nil
}

// UnmarshalText is ParseDomain. It leaves d as it was when it returns an error.
func (d *Domain) UnmarshalText(text []byte) error {
	parsed, err := ParseDomain(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
