package keys

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/sealkv/sealkv/codec"
)

// adjust brings a namespace's keys to what the policy wants, in one act: it makes data keys where
// there is no active one yet, and drains active ones of which there should be none. Both name
// tenant, domain and namespace, and the new keys are of the suite that is wanted. It is errChanged if another
// policy is in force by now. Acts of other goroutines share the keyring's transaction. The
// caller advances the anchor before it seals anything under the new numbers.
func (k *Keyring) adjust(ctx context.Context, tenant string, want *Want, missing, surplus []codec.KeyRow, platform, own *parent) error {
	_, err := k.file.update(ctx, func(c *change) error {
		if want.Policy != 0 && want.Policy != c.counters.Policy {
			return errChanged
		}
		e, err := c.edit(tenant, platform, own)
		if err != nil {
			return err
		}
		for _, row := range surplus {
			if have := e.active(row.Domain, row.Namespace); have != nil && have.Number == row.Number {
				if err := e.drain(have); err != nil {
					return err
				}
			}
		}
		for _, row := range missing {
			if e.active(row.Domain, row.Namespace) != nil {
				continue // somebody else was faster
			}
			if err := e.shredded(row.Namespace); err != nil {
				return err
			}
			if _, err := e.mintDataKey(row, want.suite()); err != nil {
				return err
			}
		}
		return e.save()
	})
	if err != nil {
		return fmt.Errorf("keys: minting data keys of tenant %s: %w", tenant, err)
	}
	return nil
}

// drain makes an active data key one that only opens.
func (e *editor) drain(row *dataKeyRow) error {
	row.rec.State, row.rec.Since = codec.StateDraining, e.c.counters.Revision
	e.touched[row.KeyRow] = true
	return e.c.audit(e.platform, codec.AuditEntry{
		Act: ActKeyDrain, Tenant: row.Tenant, Namespace: row.Namespace, Domain: row.Domain, Number: row.Number,
	})
}

// mintDataKey adds an active data key for row's tenant, domain and namespace, for one
// suite, under the next number of the store.
func (e *editor) mintDataKey(row codec.KeyRow, suite codec.Suite) (*dataKeyRow, error) {
	if e.c.counters.Highest == math.MaxUint32 {
		return nil, fmt.Errorf("keys: all %d numbers for data keys are used up", uint32(math.MaxUint32))
	}
	e.c.counters.Highest++
	row.Number = e.c.counters.Highest
	key := newSecret()
	defer key.wipe()
	rec := codec.DataKey{
		State: codec.StateActive, Suite: suite,
		Created: e.c.now, Since: e.c.counters.Revision,
		Commit: key.commitment(&e.platform.store, row),
	}
	if err := e.parentOf(row.Domain).wrapDataKey(row, &rec, key); err != nil {
		return nil, err
	}
	e.insert(dataKeyRow{KeyRow: row, rec: rec})
	err := e.c.audit(e.platform, codec.AuditEntry{
		Act: ActKeyMint, Tenant: row.Tenant, Namespace: row.Namespace, Domain: row.Domain, Number: row.Number,
	})
	return e.row(row), err
}

// insert keeps dataKeys in the order of their rows in the file, which the digest follows.
func (e *editor) insert(row dataKeyRow) {
	at, _ := slices.BinarySearchFunc(e.dataKeys, row.key(), func(have dataKeyRow, key []byte) int {
		return bytes.Compare(have.key(), key)
	})
	e.dataKeys = slices.Insert(e.dataKeys, at, row)
	e.touched[row.KeyRow] = true
}

func (e *editor) row(id codec.KeyRow) *dataKeyRow {
	for i := range e.dataKeys {
		if e.dataKeys[i].KeyRow == id {
			return &e.dataKeys[i]
		}
	}
	return nil
}
