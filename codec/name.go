package codec

import "fmt"

// Limits of names, in bytes. On disk; must not change.
const (
	MaxTenantLen    = 64
	MinNamespaceLen = 3
	MaxNamespaceLen = 64
	MaxUserKeyLen   = 1024
)

// CheckTenant reports whether id can name a tenant: 1 to 64 of A-Z a-z 0-9 . _ -
func CheckTenant(id string) error {
	if len(id) == 0 || len(id) > MaxTenantLen {
		return fmt.Errorf("%w: a tenant id has 1 to %d bytes, not %d", ErrMalformed, MaxTenantLen, len(id))
	}
	for i := range len(id) {
		if !tenantByte(id[i]) {
			return fmt.Errorf("%w: a tenant id is made of A-Z a-z 0-9 . _ - (byte %d is none of them)", ErrMalformed, i)
		}
	}
	return nil
}

// CheckUserKey reports whether key can name a record: 1 to 1,024 bytes, any bytes.
func CheckUserKey(key []byte) error {
	if len(key) == 0 || len(key) > MaxUserKeyLen {
		return fmt.Errorf("%w: a key has 1 to %d bytes, not %d", ErrMalformed, MaxUserKeyLen, len(key))
	}
	return nil
}

func tenantByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '.' || c == '_' || c == '-'
}

// checkNamespaceBytes checks what an engine key needs of a namespace; package scope holds the
// whole grammar.
func checkNamespaceBytes(name []byte) error {
	if len(name) < MinNamespaceLen || len(name) > MaxNamespaceLen {
		return fmt.Errorf("%w: a namespace has %d to %d bytes, not %d", ErrMalformed, MinNamespaceLen, MaxNamespaceLen, len(name))
	}
	slashes := 0
	for i, c := range name {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-':
		case c == '/' && i > 0 && i < len(name)-1:
			slashes++
		default:
			return fmt.Errorf("%w: a namespace is product/type of a-z 0-9 - (byte %d does not fit)", ErrMalformed, i)
		}
	}
	if slashes != 1 {
		return fmt.Errorf("%w: a namespace has one slash, not %d", ErrMalformed, slashes)
	}
	return nil
}
