package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
)

// Policy is the policy that was applied last. It was verified if the keyring is unlocked.
func (k *Keyring) Policy() (p codec.Policy, err error) {
	err = k.file.view(func(tx *bolt.Tx) error {
		_, p, err = readPolicy(tx)
		return err
	})
	return p, err
}

func readPolicy(tx *bolt.Tx) (signed codec.Signed, p codec.Policy, err error) {
	if err = codec.DecodeRecord(tx.Bucket(bucketMeta).Get(metaPolicy), &signed); err == nil {
		err = codec.DecodeRecord(signed.Body, &p)
	}
	if err != nil {
		err = damaged("policy", err)
	}
	return signed, p, err
}

func (k *Keyring) verifyPolicy(platform *parent) error {
	var (
		signed   codec.Signed
		p        codec.Policy
		counters codec.Counters
	)
	err := k.file.view(func(tx *bolt.Tx) (err error) {
		if signed, p, err = readPolicy(tx); err == nil {
			counters, err = readCounters(tx)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case counters.Policy > p.Revision: // by which acts go
		return fmt.Errorf("%w (its policy is an earlier one)", ErrRollback)
	case counters.Policy < p.Revision:
		return damaged("counters", errors.New("they tell of an earlier policy"))
	}
	if err := platform.verify(codec.LabelPolicy, nil, &signed); err != nil {
		return fmt.Errorf("keys: the policy in the keyring: %w", err)
	}
	return nil
}

// ErrPolicyChanged says that another policy was applied since the one that a change was worked
// out from.
var ErrPolicyChanged = errors.New("keys: another policy was applied meanwhile; look at it, and try again")

// A PolicyChange is a policy that takes the place of another one.
type PolicyChange struct {
	Source []byte // YAML of the new one
	Alone  []codec.Alone
	Detail string // what the audit log says of it
	// Downgraded are the namespaces of which less depends on the tenants' keys from now on. Each
	// has an entry in the audit log.
	Downgraded []string
}

// ApplyPolicy applies a policy in one durable act, in the place of the one that was applied at revision
// from. In that act it has plan work out the change, perhaps more than once, from the namespaces in which
// any tenant has a data key that is not retired: no key of another namespace is made meanwhile. It calls
// applied once that is done, from when on whoever asks for a namespace's Want gets the new one, and
// returns when every operation under the old one has ended. Records that the new policy wants under
// other keys are stale.
func (k *Keyring) ApplyPolicy(ctx context.Context, from uint64, plan func(held []string) (PolicyChange, error), applied func(codec.Policy)) error {
	platform, err := k.platformKey(ctx)
	if err != nil {
		return err
	}
	defer platform.release()
	var next codec.Policy
	after, err := k.file.update(ctx, func(c *change) error {
		held, err := namespaces(c.tx)
		if err != nil {
			return err
		}
		p, err := plan(held)
		if err != nil {
			return err
		}
		next = codec.Policy{Revision: c.counters.Revision, Source: p.Source, Alone: p.Alone}
		return c.applyPolicy(platform, from, &p, next)
	})
	if err != nil {
		return err
	}
	applied(next)
	pinned := k.unlinkAll() // also if only the mirror fails: the policy is durable
	if err := k.advance(ctx, after.Revision); err != nil {
		return err
	}
	return k.await(ctx, pinned)
}

func (c *change) applyPolicy(platform *parent, from uint64, p *PolicyChange, next codec.Policy) error {
	if c.counters.Policy != from {
		return ErrPolicyChanged
	}
	c.counters.Policy = next.Revision
	if err := c.put(bucketMeta, metaPolicy, platform.sign(codec.LabelPolicy, nil, codec.EncodeRecord(next))); err != nil {
		return err
	}
	if err := c.audit(platform, codec.AuditEntry{Act: ActPolicy, Detail: p.Detail}); err != nil {
		return err
	}
	for _, namespace := range p.Downgraded {
		err := c.audit(platform, codec.AuditEntry{Act: ActDowngrade, Namespace: namespace, Domain: codec.DomainTenant})
		if err != nil {
			return err
		}
	}
	return nil
}

// Namespaces lists the namespaces in which any tenant has a data key that is not retired, in
// order. It reads every row.
func (k *Keyring) Namespaces() (held []string, err error) {
	err = k.file.view(func(tx *bolt.Tx) error {
		held, err = namespaces(tx)
		return err
	})
	return held, err
}

func namespaces(tx *bolt.Tx) ([]string, error) {
	seen := map[string]bool{}
	err := tx.Bucket(bucketDataKeys).ForEach(func(key, value []byte) error {
		row, err := codec.ParseDataKeyRow(key)
		if err != nil {
			return damaged("data keys", err)
		}
		if seen[row.Namespace] {
			return nil
		}
		var rec codec.DataKey
		if err := codec.DecodeRecord(bytes.Clone(value), &rec); err != nil {
			return damaged("data keys", err)
		}
		if rec.State != codec.StateRetired {
			seen[row.Namespace] = true
		}
		return nil
	})
	return slices.Sorted(maps.Keys(seen)), err
}
