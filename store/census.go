package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store/engine"
)

// A Census is what a sweep of a namespace has found so far, or in all if it is Done.
type Census struct {
	Tenant     string        `json:"tenant"`
	Namespace  string        `json:"namespace"`
	Epoch      uint64        `json:"epoch"` // revision of the keyring from which on only Active sealed
	Active     []uint32      `json:"active"`
	Dictionary uint32        `json:"dictionary,omitempty"` // with which values were compressed
	Began      time.Time     `json:"began"`
	Updated    time.Time     `json:"updated"`
	Done       bool          `json:"done"`
	Kept       bool          `json:"kept,omitempty"` // it is an earlier sweep's, that left nothing to do
	Records    uint64        `json:"records"`
	Rewrapped  uint64        `json:"rewrapped"`
	Missed     uint64        `json:"missed"` // records, and dictionaries, that did not open; Misses lists the records
	Counts     []CensusCount `json:"counts"` // by data key, ascending
}

// A CensusCount is how many records a sweep left under a data key; under 0 those that are no
// envelopes. A record with several recipients counts under each.
type CensusCount struct {
	Key     uint32 `json:"data_key"`
	Records uint64 `json:"records"` // and dictionaries
	Bytes   uint64 `json:"bytes"`
}

func (n *Namespace) census(s *codec.Sweep, done bool) Census {
	c := Census{
		Tenant: n.id.tenant, Namespace: n.id.name, Epoch: s.Epoch, Active: slices.Clone(s.Active), Dictionary: s.Dictionary,
		Began: time.Unix(int64(s.Began), 0).UTC(), Updated: time.Unix(int64(s.Updated), 0).UTC(),
		Done: done, Records: s.Records, Rewrapped: s.Rewrapped, Missed: s.Missed,
	}
	for _, k := range s.Counts {
		c.Counts = append(c.Counts, CensusCount{Key: k.Number, Records: k.Records, Bytes: k.Bytes})
	}
	return c
}

// proves reports whether a census leaves nothing to do: everything in the namespace was opened under
// the keys that are active now, every other key was draining already, and the policy has wanted
// nothing else since.
func (n *Namespace) proves(census *codec.Sweep) bool {
	infos, err := n.store.keys.DataKeys(n.id.tenant)
	if err != nil || census.Missed > 0 || census.Epoch < n.store.policy.Load().revision {
		return false
	}
	var active []uint32
	for _, info := range infos {
		switch {
		case info.Namespace != n.id.name:
		case info.State == codec.StateActive.String():
			active = append(active, info.Number)
		case info.State == codec.StateDraining.String() && census.Epoch < info.Since:
			return false
		}
	}
	slices.Sort(active)
	return len(active) > 0 && slices.Equal(census.Active, active)
}

// under is what the census found under a key.
func (c *Census) under(number uint32) (count CensusCount) {
	for _, k := range c.Counts {
		if k.Key == number {
			return k
		}
	}
	return CensusCount{Key: number}
}

// keyOf is the engine key of the namespace's sweep or census.
func (n *Namespace) keyOf(kind codec.Kind) []byte {
	return codec.AppendPrefix(nil, kind, n.id.tenant, n.id.name)
}

// loadSweep reads and verifies what a sweep has written: how far it is, or the last census.
func (n *Namespace) loadSweep(ctx context.Context, kind codec.Kind, state *codec.Sweep) (found bool, err error) {
	key := n.keyOf(kind)
	raw, err := n.store.engineValue(ctx, key)
	if errors.Is(err, engine.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	body, err := n.store.verified(ctx, key, raw)
	if err == nil {
		err = codec.DecodeRecord(body, state)
	}
	if err != nil {
		return false, fmt.Errorf("store: the %v of %s in %s: %w", kind, n.id.tenant, n.id.name, err)
	}
	return true, nil
}

// isForged reports whether loadSweep failed because of what it has read: that is not as a sweep wrote it.
func isForged(err error) bool {
	return errors.Is(err, ErrMalformed) || errors.Is(err, ErrAuthentication)
}

// sign adds to b what a sweep writes under a key, with its MAC.
func (n *Namespace) sign(ctx context.Context, b engine.Batch, key, body []byte) error {
	signed, err := n.store.keys.SignSweep(ctx, key, body)
	if err == nil {
		b.Set(key, codec.EncodeRecord(signed))
	}
	return err
}

// verified returns the body of what sign has written under a key. An inspection has no key to
// check it with.
func (s *Store) verified(ctx context.Context, key, raw []byte) ([]byte, error) {
	var signed codec.Signed
	if err := codec.DecodeRecord(raw, &signed); err != nil {
		return nil, err
	}
	if !s.opts.Inspect {
		if err := s.keys.VerifySweep(ctx, key, &signed); err != nil {
			return nil, err
		}
	}
	return signed.Body, nil
}

// addCount adds one record to those under a key.
func addCount(counts []codec.KeyCount, number uint32, size uint64) []codec.KeyCount {
	return addCounts(counts, codec.KeyCount{Number: number, Records: 1, Bytes: size})
}

// addCounts adds records to those under a key; counts are ascending by number.
func addCounts(counts []codec.KeyCount, more codec.KeyCount) []codec.KeyCount {
	at, found := slices.BinarySearchFunc(counts, more.Number, func(c codec.KeyCount, n uint32) int { return cmp.Compare(c.Number, n) })
	if !found {
		counts = slices.Insert(counts, at, codec.KeyCount{Number: more.Number})
	}
	counts[at].Records += more.Records
	counts[at].Bytes += more.Bytes
	return counts
}
