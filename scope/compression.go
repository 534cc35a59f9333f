package scope

import (
	"errors"
	"fmt"
)

// A Compression says how values are compressed before they are sealed. The zero Compression is none of
// them and is never found in a policy.
type Compression uint8

const (
	NoCompression Compression = iota + 1 // the default: lengths tell nothing of values but their lengths
	Zstd                                 // each value by itself
	ZstdDict                             // with a dictionary trained from the tenant's own values; not beside a max-age
)

var compressions = []Compression{NoCompression, Zstd, ZstdDict}

// String returns the compression as a policy spells it.
func (c Compression) String() string {
	switch c {
	case NoCompression:
		return "none"
	case Zstd:
		return "zstd"
	case ZstdDict:
		return "zstd-dict"
	}
	return fmt.Sprintf("compression(%d)", uint8(c))
}

// MarshalText returns what String returns, and an error for what is none of the compressions.
func (c Compression) MarshalText() ([]byte, error) {
	if _, err := parseCompression(c.String()); err != nil {
		return nil, fmt.Errorf("scope: %s: %w", c, err)
	}
	return []byte(c.String()), nil
}

// UnmarshalText reverses MarshalText. It leaves c as it was when it returns an error.
func (c *Compression) UnmarshalText(text []byte) error {
	parsed, err := parseCompression(string(text))
	if err != nil {
		return fmt.Errorf("scope: compression %.64q: %w", text, err)
	}
	*c = parsed
	return nil
}

func parseCompression(name string) (Compression, error) {
	for _, c := range compressions {
		if name == c.String() {
			return c, nil
		}
	}
	return 0, errors.New("want none, zstd or zstd-dict")
}
