// Package keys holds the key hierarchy of a store: the root wraps tenant keys, tenant keys wrap
// data keys, data keys seal records. It keeps the wrapped keys, their states and the audit log
// in one bbolt file, the keyring, and the opened ones in memory for at most KeyTTL.
//
// A [Keyring] is the file and what may be done to it. A [Space] is one tenant's namespace; it
// hands out a [Lease], the opened keys of that namespace, to whoever seals or opens. A lease
// that is pinned keeps working; a lease that was unlinked (after a rotation, a revocation, or
// because the root did not vouch in time) is never handed out again.
package keys

import (
	"errors"
	"fmt"
)

// Errors of the state that a key is in; a reader tells them apart with errors.Is.
var (
	// ErrRevoked says that the tenant's key was revoked, by an operator or by its root.
	ErrRevoked = errors.New("keys: key revoked")
	// ErrUnavailable says that the root could not be asked, so the key cannot be opened now.
	ErrUnavailable = errors.New("keys: key unavailable")
	// ErrDestroyed says that the key was retired or shredded; what it sealed is gone.
	ErrDestroyed = errors.New("keys: key destroyed")
	// ErrMismatch says that a number is no key of this tenant and namespace, or one of a domain
	// that the policy does not want there.
	ErrMismatch = errors.New("keys: key mismatch")
	// ErrAuthentication says that sealed or wrapped bytes, or a MAC over a state, are not what
	// the key made. It has no reason: there is none to tell.
	ErrAuthentication = errors.New("keys: authentication failed")
	// ErrNotApproved says that GODEBUG=fips140=only does not allow what a policy or a value asks for.
	ErrNotApproved = errors.New("keys: not allowed with GODEBUG=fips140=only")
)

// Errors of tenants and of the keyring as a whole.
var (
	ErrTenantUnknown = errors.New("keys: unknown tenant")
	ErrTenantExists  = errors.New("keys: tenant exists already")
	ErrRootInUse     = errors.New("keys: the root key serves another tenant")
	ErrReadOnly      = errors.New("keys: opened for reading only")
	// ErrLocked says that the keyring was opened for inspection, without its root keys.
	ErrLocked = errors.New("keys: opened without root keys")
	// ErrRollback says that the keyring is older than the data beside it.
	ErrRollback = errors.New("keys: the keyring is older than the data: an old copy of it was put back; restore the newest one, or a backup of both")
	// ErrPoisoned says that a commit's outcome is unknown. Close the store and open it again.
	ErrPoisoned = errors.New("keys: the outcome of a write to the keyring is unknown; close the store and open it again")
	ErrClosed   = errors.New("keys: keyring is closed")
	ErrDamaged  = errors.New("keys: damaged keyring")
)

func damaged(what string, err error) error { return fmt.Errorf("%w: %s: %w", ErrDamaged, what, err) }
