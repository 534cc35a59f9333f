package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store/engine"
)

// MaxMisses is how many misses of a namespace a sweep lists, the first in the order of their keys;
// it counts all.
const MaxMisses = 1000

// A Miss is a record that the last sweep to come by could not open.
type Miss struct {
	Key  []byte // user key
	Seen time.Time
	Err  *RecordError
}

// Misses yields the records that sweeps could not open, of the namespaces or of all of the
// tenant's, in order, as they were when the sweep came by: a sweep that opens a record, or does
// not find it any more, takes it off the list. The error is fatal and ends it. User keys are the
// tenant's data: show them to those who may see them.
func (t *Tenant) Misses(ctx context.Context, namespaces ...string) iter.Seq2[Miss, error] {
	prefix := codec.AppendTenantPrefix(nil, codec.KindMiss, t.id)
	return func(yield func(Miss, error) bool) {
		stopped := errors.New("stopped")
		err := t.store.pages(ctx, prefix, codec.PrefixEnd(prefix), true, func(key, value []byte) ([]byte, error) {
			k, err := codec.ParseKey(key)
			if err != nil {
				return nil, err
			}
			if len(namespaces) > 0 && !slices.Contains(namespaces, string(k.Namespace)) {
				return codec.PrefixEnd(codec.AppendPrefix(nil, k.Kind, t.id, string(k.Namespace))), nil
			}
			m, err := t.store.miss(ctx, k, key, value)
			if err != nil {
				return nil, fmt.Errorf("store: the misses of %s in %s: %w", k.Tenant, k.Namespace, err)
			}
			if !yield(m, nil) {
				return nil, stopped
			}
			return nil, nil
		})
		if err != nil && err != stopped {
			yield(Miss{}, translated(err))
		}
	}
}

// classes are the failures of a record, as misses name them.
var classes = map[codec.Class]error{
	codec.ClassMalformed: ErrMalformed, codec.ClassUnsupported: ErrUnsupported, codec.ClassKeyMismatch: ErrKeyMismatch,
	codec.ClassAuthentication: ErrAuthentication, codec.ClassKeyDestroyed: ErrKeyDestroyed, codec.ClassNoDictionary: ErrNoDictionary,
}

func (s *Store) miss(ctx context.Context, k codec.Key, key, value []byte) (Miss, error) {
	body, err := s.verified(ctx, key, value)
	var m codec.Miss
	if err == nil {
		err = codec.DecodeRecord(body, &m)
	}
	if err != nil {
		return Miss{}, err
	}
	return Miss{Key: k.UserKey(), Seen: timeOf(m.Seen), Err: &RecordError{
		Tenant: string(k.Tenant), Namespace: string(k.Namespace), Number: m.Number, Err: classes[m.Class],
	}}, nil
}

// noteMisses brings the list of misses up to date for the records that were visited: it adds those
// that do not open and takes off all others.
func (s *sweeper) noteMisses(ctx context.Context, visited engine.Range, page [][]byte, visits []visit) error {
	missKey := func(record []byte) []byte { return join([]byte{byte(codec.KindMiss)}, record[1:]) }
	b := s.n.store.newBatch()
	defer b.Close()
	listed, noted := s.state.Missed, map[string]bool{}
	for i, v := range visits {
		if v.miss == nil || listed >= MaxMisses {
			continue
		}
		listed++
		key := missKey(page[i])
		noted[string(key)] = true
		if err := s.n.sign(ctx, b, key, codec.EncodeRecord(s.missOf(v.miss))); err != nil {
			return err
		}
		if err := s.n.store.applyBatch(ctx, b, false); err != nil {
			return err
		}
		b.Reset()
	}
	return s.n.store.pages(ctx, missKey(visited.Start), missKey(visited.End), false, func(key, _ []byte) ([]byte, error) {
		if noted[string(key)] {
			return nil, nil
		}
		b.Reset()
		b.Delete(key)
		return nil, s.n.store.applyBatch(ctx, b, false)
	})
}

func (s *sweeper) missOf(err error) codec.Miss {
	m := codec.Miss{Seen: s.n.now()}
	if record := (*RecordError)(nil); errors.As(err, &record) {
		m.Number = record.Number
	}
	for class, is := range classes {
		if errors.Is(err, is) {
			m.Class = class
		}
	}
	return m
}
