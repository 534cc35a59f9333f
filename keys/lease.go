package keys

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sealkv/sealkv/codec"
)

// A Lease holds the opened data keys of one namespace at one epoch. Space.Pin hands it out
// pinned; nothing of it may be used after Unpin, but Unlinked and Ended. Its keys never change: a
// rotation, a revocation or the end of KeyTTL unlinks it, and the next Pin gets another.
type Lease struct {
	pins *pins
	used atomic.Bool // since the keys were last refreshed

	// Epoch is the keyring's revision at which the lease was made.
	Epoch uint64
	// Fallback says that the tenant is revoked during a transition: only the platform's key is
	// here, it serves only reads, and only of values that also have a wrap of the tenant's.
	Fallback bool
	// Active are the data keys that the policy wants a value sealed for, ascending by number.
	// With one, it seals values itself; with several, each wraps the value's content key. Empty
	// in a fallback.
	Active []*DataKey

	counted   bool       // whether seals are
	opened    []*DataKey // all that open, ascending by number
	destroyed []uint32   // retired numbers
	refused   []uint32   // numbers of another suite than is wanted, which may not be used here
	tenants   []uint32   // numbers of the tenant domain, where its key is not there
	locked    error      // why it is not
	until     time.Time  // when the policy wants other domains; zero for never

	kept atomic.Pointer[Kept]
}

// Kept is something of the caller's that was opened with the keys of a lease.
type Kept interface {
	// Wipe is called once the last one who had the lease pinned has left it, with its keys.
	Wipe()
}

// Keep has the lease, which is pinned, keep k until its end, and returns what it keeps: k, or what was
// kept first. Then k is the caller's still.
func (l *Lease) Keep(k Kept) Kept {
	if l.kept.CompareAndSwap(nil, &k) {
		return k
	}
	return l.Kept()
}

// Kept returns what Keep was given first, or nil.
func (l *Lease) Kept() Kept {
	if k := l.kept.Load(); k != nil {
		return *k
	}
	return nil
}

// Unpin ends the use of a lease.
func (l *Lease) Unpin() { l.pins.release() }

// Unlinked reports whether the lease was replaced: then what was opened with it may still be
// finished, but nothing new begun.
func (l *Lease) Unlinked() bool { return l.pins.isShut() }

// Ended reports whether the lease was replaced and nobody uses it any more: its keys are wiped.
func (l *Lease) Ended() bool { return l.pins.isDrained() }

// Numbers are those of the active keys, ascending.
func (l *Lease) Numbers() []uint32 {
	out := make([]uint32, len(l.Active))
	for i, k := range l.Active {
		out[i] = k.Number
	}
	return out
}

// Find returns the data key with a number that an envelope names. It looks among the keys of
// the lease's tenant and namespace alone: ErrDestroyed for one that was retired, for one of the
// tenant's own where its key is not there what keeps it (ErrRevoked in a fallback), for one of a suite that is
// not allowed here ErrNotApproved, else ErrMismatch.
func (l *Lease) Find(number uint32) (*DataKey, error) {
	if len(l.Active) > 0 && l.Active[0].Number == number {
		return l.Active[0], nil
	}
	for _, k := range l.opened {
		if k.Number == number {
			return k, nil
		}
	}
	switch {
	case slices.Contains(l.destroyed, number):
		return nil, fmt.Errorf("%w (number %d)", ErrDestroyed, number)
	case slices.Contains(l.tenants, number):
		return nil, l.locked
	case slices.Contains(l.refused, number):
		return nil, fmt.Errorf("%w (number %d)", ErrNotApproved, number)
	}
	return nil, fmt.Errorf("%w (number %d)", ErrMismatch, number)
}

// IsTenants reports whether number is one of the tenant's own keys, in a fallback.
func (l *Lease) IsTenants(number uint32) bool { return slices.Contains(l.tenants, number) }

// Current reports whether e is sealed for exactly the active keys; if not it is stale.
func (l *Lease) Current(e *codec.Envelope) bool {
	if !e.HasContentKey() {
		return len(l.Active) == 1 && l.Active[0].Number == e.Number
	}
	if len(e.Recipients) != len(l.Active) {
		return false
	}
	for i, r := range e.Recipients {
		if r.Number != l.Active[i].Number {
			return false
		}
	}
	return true
}

// expired reports whether the policy wants other domains by now.
func (l *Lease) expired(now time.Time) bool { return !l.until.IsZero() && !now.Before(l.until) }

// hasTenants reports whether the lease holds keys of the tenant domain.
func (l *Lease) hasTenants() bool {
	return slices.ContainsFunc(l.opened, func(k *DataKey) bool { return k.Domain == codec.DomainTenant })
}

func (l *Lease) wipe() {
	for _, k := range l.opened {
		k.wipe()
	}
	if k := l.Kept(); k != nil {
		k.Wipe()
	}
}

// buildLease opens the data keys of a namespace. own is nil where the tenant's key is not there,
// and locked says why.
func buildLease(s *state, namespace string, want Want, platform, own *parent, locked error, prefixes *keptPrefixes) (*Lease, error) {
	l := &Lease{Epoch: s.revision, Fallback: want.Tenant && own == nil, until: want.Until, locked: locked, counted: want.maxSeals() > 0}
	l.pins = newPins(l.wipe)
	for i := range s.dataKeys {
		row := &s.dataKeys[i]
		if row.Namespace != namespace {
			continue
		}
		if err := l.add(row, want, platform, own, prefixes); err != nil {
			l.pins.shut()
			return nil, fmt.Errorf("keys: unwrapping data key %d of tenant %s: %w", row.Number, row.Tenant, err)
		}
	}
	byNumber := func(a, b *DataKey) int { return int(int64(a.Number) - int64(b.Number)) }
	slices.SortFunc(l.opened, byNumber)
	slices.SortFunc(l.Active, byNumber)
	prefixes.keep(l.Numbers())
	return l, nil
}

func (l *Lease) add(row *dataKeyRow, want Want, platform, own *parent, prefixes *keptPrefixes) error {
	p := platform
	if row.Domain == codec.DomainTenant {
		p = own
	}
	switch {
	case row.rec.State == codec.StateRetired:
		l.destroyed = append(l.destroyed, row.Number)
		return nil
	case !want.opens(row.Domain):
		return nil
	case p == nil:
		l.tenants = append(l.tenants, row.Number)
		return nil
	}
	key, err := p.unwrapDataKey(row.KeyRow, &row.rec)
	if errors.Is(err, ErrNotApproved) && row.rec.Suite != want.suite() {
		l.refused = append(l.refused, row.Number) // left behind by a policy that changed the suite
		return nil
	}
	if err != nil {
		return err
	}
	k, err := newDataKey(row.KeyRow, &row.rec, key, prefixes.of(row.Number))
	if err != nil {
		return err
	}
	k.Left = !want.has(row.Domain)
	l.opened = append(l.opened, k)
	if k.active && !k.Left && !l.Fallback {
		l.Active = append(l.Active, k)
	}
	return nil
}
