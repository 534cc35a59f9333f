package mem

import (
	"context"
	"sync/atomic"

	"github.com/sealkv/sealkv/store/engine"
)

// A snapshot is a state that stays reachable.
type snapshot struct {
	engine *Engine
	state  atomic.Pointer[state] // nil once closed
}

// NewSnapshot implements engine.Snapshotter.
func (e *Engine) NewSnapshot(ctx context.Context) (engine.Snapshot, error) {
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.gate.Leave()
	s := &snapshot{engine: e}
	s.state.Store(e.newest.Load())
	return s, nil
}

// Get implements engine.Reader.
func (s *snapshot) Get(ctx context.Context, key []byte, sink engine.Sink) error {
	state, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.engine.gate.Leave()
	return get(state, key, sink)
}

// Page implements engine.Reader.
func (s *snapshot) Page(ctx context.Context, r engine.Range, sink engine.PageSink) error {
	state, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.engine.gate.Leave()
	return page(ctx, state, r, sink)
}

// Close implements engine.Snapshot.
func (s *snapshot) Close() error {
	s.state.Store(nil)
	return nil
}

func (s *snapshot) enter(ctx context.Context) (*state, error) {
	if err := s.engine.enter(ctx); err != nil {
		return nil, err
	}
	state := s.state.Load()
	if state == nil {
		s.engine.gate.Leave()
		return nil, engine.ErrClosed
	}
	return state, nil
}
