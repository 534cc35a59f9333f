package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store/engine"
)

// Errors of a call that was made with something wrong.
var (
	ErrTooLarge         = errors.New("store: larger than the store takes")
	ErrInvalidName      = errors.New("store: invalid name")
	ErrTenantUnknown    = keys.ErrTenantUnknown
	ErrTenantExists     = keys.ErrTenantExists
	ErrRootInUse        = keys.ErrRootInUse         // a root key serves one tenant
	ErrNamespaceUnknown = scope.ErrUnknownNamespace // the policy has no rule for it
	ErrReadOnly         = errors.New("store: opened for reading only")
	ErrClosed           = errors.New("store: closed")
	// ErrTooOld says that a Snapshot or a Reader has been open for longer than Options.MaxOpen.
	ErrTooOld = errors.New("store: open for longer than it may be; close it and open another")
	// ErrInspecting says that the store was opened for inspection, without its root keys.
	ErrInspecting = keys.ErrLocked
)

// Errors of a value.
var (
	ErrNotFound = errors.New("store: not found")
	// ErrExists says that PutIfAbsent, or a Writer with IfAbsent, found a value.
	ErrExists = errors.New("store: exists already")
	// ErrChanged says that CompareAndSwap found another value than the expected one.
	ErrChanged = errors.New("store: the value is another one than expected")
)

// Errors of a record that will not open, or of a key that is in no state to seal: the failure
// classes that a reader can tell apart. They come inside a *RecordError or a wrapped error.
var (
	ErrMalformed      = codec.ErrMalformed     // not an envelope
	ErrUnsupported    = codec.ErrUnsupported   // made by a newer version
	ErrKeyMismatch    = keys.ErrMismatch       // names a key that is not this tenant's and namespace's
	ErrAuthentication = keys.ErrAuthentication // everything else: AEAD cannot say why
	ErrKeyRevoked     = keys.ErrRevoked        // the tenant's key was revoked
	ErrKeyUnavailable = keys.ErrUnavailable    // the root could not be asked
	ErrKeyDestroyed   = keys.ErrDestroyed      // the key was retired or shredded
	ErrNotApproved    = keys.ErrNotApproved    // of a suite that GODEBUG=fips140=only does not allow
	// ErrNoDictionary says that the dictionary that a value was compressed with is not there.
	ErrNoDictionary = errors.New("store: the value's dictionary is not there")
)

// Errors of the store as a whole.
var (
	ErrRollback = keys.ErrRollback // the keyring is older than the data
	// ErrIdentity says that the keyring and the data are not of one store.
	ErrIdentity = errors.New("store: keyring and data do not belong together")
	// ErrNoStore says that there is no store in the directory.
	ErrNoStore = errors.New("store: no store here; create one first")
	// ErrIncomplete says that creating the store was cut short; creating it again completes it.
	ErrIncomplete = errors.New("store: creating it was cut short; create it again")
	// ErrUnknownOutcome says that a write may or may not have happened: close the store, open it
	// again and read back.
	ErrUnknownOutcome = engine.ErrUnknown
	// ErrPoisoned says that a write to the keyring has an unknown outcome, or that an earlier write to
	// keyring or engine had one: close the store, open it again and look.
	ErrPoisoned = keys.ErrPoisoned
	ErrDamaged  = keys.ErrDamaged // the keyring is not as it was written
	// ErrUnavailable says that the engine could not do what was asked, and why: its disk fails, say, or
	// a backup's place cannot be written. That call of the engine's did nothing, and may work later. ErrDiskFull is one,
	// and so is an ErrPoisoned of the engine's; ErrClosed is none.
	ErrUnavailable = engine.ErrUnavailable
	ErrDiskFull    = engine.ErrDiskFull
	ErrCorrupt     = engine.ErrCorrupt
)

// A HeldError says that another process, or another Open in this one, holds the store.
type HeldError struct {
	Dir string
	PID int // of the holder, 0 if it is not known
}

func (e *HeldError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("store: %s is held open by another process", e.Dir)
	}
	return fmt.Sprintf("store: %s is held open by process %d", e.Dir, e.PID)
}

// A RecordError is a record that will not open. It does not name the record's key, which is the
// user's data; the caller knows it.
type RecordError struct {
	Tenant    string
	Namespace string
	Number    uint32 // of the data key that the record names; 0 if it is not known
	Err       error  // one of the failure classes
}

func (e *RecordError) Error() string {
	if e.Number == 0 {
		return fmt.Sprintf("store: a record of %s in %s: %v", e.Tenant, e.Namespace, e.Err)
	}
	return fmt.Sprintf("store: a record of %s in %s under data key %d: %v", e.Tenant, e.Namespace, e.Number, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

// invalidName says what is wrong with a name that a caller passed. A malformed name is no
// malformed record.
func invalidName(err error) error {
	return fmt.Errorf("%w: %s", ErrInvalidName, strings.TrimPrefix(err.Error(), ErrMalformed.Error()+": "))
}

// A poisonedError is an ErrPoisoned of the engine's.
type poisonedError struct{ error }

func (e poisonedError) Is(target error) bool { return target == ErrPoisoned }
func (e poisonedError) Unwrap() error        { return e.error }

// translated gives an engine's or the keyring's error the store's name.
func translated(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrNotFound):
		return ErrNotFound
	case errors.Is(err, engine.ErrReadOnly), errors.Is(err, keys.ErrReadOnly):
		return ErrReadOnly
	case errors.Is(err, engine.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, engine.ErrPoisoned):
		return poisonedError{err}
	case errors.Is(err, keys.ErrClosed), errors.Is(err, engine.ErrClosed):
		return ErrClosed
	}
	return err
}
