package pebble

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/internal/gate"
)

// A snapshot reads one fixed state. While it is open no compaction drops what it sees.
type snapshot struct {
	engine *Engine
	at     *pebble.Snapshot
	gate   gate.Gate
	closed sync.Once
}

// NewSnapshot implements engine.Snapshotter. The view may hold writes that are not durable yet.
func (e *Engine) NewSnapshot(ctx context.Context) (engine.Snapshot, error) {
	if err := e.begin(ctx); err != nil {
		return nil, err
	}
	defer e.gate.Leave()
	s := &snapshot{engine: e, at: e.db.NewSnapshot()}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.snapshots[s] = struct{}{}
	return s, nil
}

// Get implements engine.Reader.
func (s *snapshot) Get(ctx context.Context, key []byte, sink engine.Sink) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.leave()
	return get(s.at, key, sink)
}

// Page implements engine.Reader.
func (s *snapshot) Page(ctx context.Context, r engine.Range, sink engine.PageSink) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.leave()
	return page(ctx, s.at, r, sink)
}

// Close implements engine.Snapshot. It waits for reads under way; a second Close does nothing.
func (s *snapshot) Close() (err error) {
	s.closed.Do(func() {
		s.gate.Shut()
		err = translate("closing a snapshot", s.at.Close())
		s.engine.mu.Lock()
		defer s.engine.mu.Unlock()
		delete(s.engine.snapshots, s)
	})
	return err
}

func (s *snapshot) begin(ctx context.Context) error {
	if err := s.engine.begin(ctx); err != nil {
		return err
	}
	if !s.gate.Enter() {
		s.engine.gate.Leave()
		return engine.ErrClosed
	}
	return nil
}

func (s *snapshot) leave() {
	s.gate.Leave()
	s.engine.gate.Leave()
}

// openSnapshots returns the snapshots that are open now.
func (e *Engine) openSnapshots() []*snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Keys(e.snapshots))
}
