package store

import (
	"context"
	"errors"
	"iter"

	"github.com/sealkv/sealkv/store/engine"
)

// A Snapshot is the state of a store at one moment. It is safe for concurrent use. It costs
// space until it is closed, and what it reads needs the keys of today: a value whose key is
// revoked or destroyed after the snapshot was taken does not open. After Options.MaxOpen it returns
// ErrTooOld, and costs nothing from the next Collect on.
type Snapshot struct {
	store *Store
	from  engine.Snapshot
	hold  *hold
}

// Snapshot fixes the present state. The caller closes it.
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) {
	engine, ok := s.engine.(engine.Snapshotter)
	if !ok {
		return nil, errors.New("store: this engine takes no snapshots")
	}
	hold := s.hold("a snapshot", nil, s.opts.Now())
	from, err := engine.NewSnapshot(ctx)
	if err != nil {
		s.unhold(hold)
		return nil, translated(err)
	}
	s.releasing(hold, func() { from.Close() })
	return &Snapshot{store: s, from: from, hold: hold}, nil
}

// Get is Namespace.Get at the snapshot.
func (s *Snapshot) Get(ctx context.Context, n *Namespace, key []byte) ([]byte, error) {
	o := s.store.foreground.begin(OpGet)
	if err := s.store.check(s.hold); err != nil {
		return nil, o.end(err)
	}
	value, err := n.get(ctx, s.from, key, nil)
	return value, o.end(err)
}

// Has is Namespace.Has at the snapshot.
func (s *Snapshot) Has(ctx context.Context, n *Namespace, key []byte) (bool, error) {
	if err := s.store.check(s.hold); err != nil {
		return false, err
	}
	return n.has(ctx, s.from, key)
}

// Scan is Namespace.Scan at the snapshot.
func (s *Snapshot) Scan(ctx context.Context, n *Namespace, opts *ScanOptions) iter.Seq2[Entry, error] {
	return n.scan(ctx, s.from, opts, s.hold)
}

// Close releases the snapshot. While one is open no data key is retired that a sweep has emptied
// since it was taken.
func (s *Snapshot) Close() error {
	s.store.unhold(s.hold)
	return translated(s.from.Close())
}
