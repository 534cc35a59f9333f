package store

import (
	"context"
	"errors"
	"slices"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store/engine"
)

// idleDictionaries are those that nobody writes with any more once a sweep has waited for whoever began
// before it, because they were there and not the newest, or the policy wanted none, before it waited.
type idleDictionaries struct {
	older  []uint32
	newest uint32 // 0 where the policy wants it used
	policy uint64 // revision of that policy
}

// findIdle is called before the sweep waits. A lease that is made later knows of every dictionary found here.
func (s *sweeper) findIdle(ctx context.Context) error {
	s.idle = idleDictionaries{policy: s.n.store.policy.Load().revision}
	var newest *foundDictionary
	err := s.n.eachDictionary(ctx, func(d *foundDictionary) error {
		switch {
		case newest == nil:
			newest = d
		case d.after(newest):
			newest, d = d, newest
			fallthrough
		default:
			s.idle.older = append(s.idle.older, d.number)
		}
		return nil
	})
	if newest != nil && s.n.compressed() != scope.ZstdDict {
		s.idle.newest = newest.number
	}
	return err
}

// newestTrained trains a dictionary if the policy wants one and there is none, and returns the number of
// the one that is used.
func (s *sweeper) newestTrained(ctx context.Context) (uint32, error) {
	if newest, err := s.n.newestInUse(ctx); err != nil || newest != 0 {
		return newest, err
	}
	if err := s.n.trainFirst(ctx); err != nil && !errors.Is(err, ErrNoGain) {
		return 0, err
	}
	return s.n.newestInUse(ctx)
}

// dictionaries drops the dictionaries that no record names and nobody writes with, brings the others under
// the active keys, and adds them to the census. It comes after the last record.
func (s *sweeper) dictionaries(ctx context.Context) error {
	if err := s.dropIdle(ctx); err != nil {
		return err
	}
	var left []uint32
	err := s.n.eachDictionary(ctx, func(d *foundDictionary) error {
		left = append(left, d.number)
		return nil
	})
	for _, number := range left {
		if err == nil {
			err = s.bringDictionary(ctx, number)
		}
	}
	return err
}

// dropIdle drops the idle dictionaries without a user. Nobody has written with one of them since before the
// first record was visited, so what no record names now none will.
func (s *sweeper) dropIdle(ctx context.Context) error {
	idle := s.idle.older
	if s.idle.newest != 0 {
		idle = append(slices.Clone(idle), s.idle.newest)
	}
	if len(idle) == 0 {
		return nil
	}
	named, err := s.n.namedDictionaries(ctx, cap(s.slots), s.pace)
	if err != nil {
		return err
	}
	// A policy that is applied meanwhile could have the newest used again.
	s.n.store.applying.Lock()
	defer s.n.store.applying.Unlock()
	b := s.n.store.newBatch()
	defer b.Close()
	for _, number := range idle {
		if !named[number] && (number != s.idle.newest || s.n.store.policy.Load().revision == s.idle.policy) {
			b.Delete(s.n.dictionaryKey(number))
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return s.n.store.applyBatch(ctx, b, false)
}

// bringDictionary brings a dictionary under the active keys, or opens it if it is, and counts it under
// every key that it is left under.
func (s *sweeper) bringDictionary(ctx context.Context, number uint32) error {
	for {
		raw, err := s.n.store.engineValue(ctx, s.n.dictionaryKey(number))
		if errors.Is(err, engine.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		again, err := s.proveDictionary(ctx, number, raw)
		if errors.Is(err, engine.ErrConflict) || err == nil && again {
			continue
		}
		if isFailure(err) {
			s.n.warn("a dictionary does not open", err)
			s.state.Missed++
			err = s.n.canSeal(ctx) // or the keys have failed, not the dictionary
		}
		if err != nil {
			return err
		}
		var v visit
		v.look(raw)
		for _, key := range v.numbers {
			s.state.Counts = addCount(s.state.Counts, key, v.size)
		}
		return nil
	}
}

// proveDictionary opens a dictionary, and seals it anew if it is under other keys; then it is to be proven again.
func (s *sweeper) proveDictionary(ctx context.Context, number uint32, raw []byte) (again bool, err error) {
	var op op
	if err := s.n.pinToSeal(ctx, &op); err != nil {
		return false, err
	}
	defer op.lease.Unpin()
	if !slices.Equal(op.lease.Numbers(), s.state.Active) {
		return false, errOvertaken
	}
	o, stale, err := s.n.openDictionary(op.lease, number, raw)
	clear(o.plaintext)
	if err != nil || !stale {
		return false, err
	}
	return true, s.n.resealDictionary(ctx, op.lease, number, raw)
}

// namedDictionaries are those that the heads of the namespace's records name.
func (n *Namespace) namedDictionaries(ctx context.Context, workers int, p *pace) (map[uint32]bool, error) {
	sinks, all := make([]headSink, workers), map[uint32]bool{}
	for i := range sinks {
		sinks[i] = &dictionaryNames{named: map[uint32]bool{}}
	}
	r := engine.Range{Start: n.records, End: codec.PrefixEnd(n.records)}
	if _, _, err := n.store.scanHeads(ctx, r, sinks, p, nil); err != nil {
		return nil, err
	}
	for _, sink := range sinks {
		for number := range sink.(*dictionaryNames).named {
			all[number] = true
		}
	}
	return all, nil
}

type dictionaryNames struct {
	env   codec.Envelope
	named map[uint32]bool
}

func (d *dictionaryNames) head(_, envelope []byte) {
	d.env.Parse(envelope)
	if d.env.Dictionary != 0 {
		d.named[d.env.Dictionary] = true
	}
}
