package mem

import (
	"bytes"

	"github.com/RaduBerinde/btreemap"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/internal/tally"
)

// A batch keeps copies of what it is given, as functions on the state that it will change.
type batch struct {
	engine     *Engine
	tally      tally.Tally
	ops        []func(*state)
	conditions []condition
	// deferred is what SetDeferred has lent and the caller has not yet filled for certain.
	deferred *deferred
}

type deferred struct{ key, value []byte }

// A condition asks for exactly this value, or for none if value is nil.
type condition struct{ key, value []byte }

func (c condition) holds(s *state) bool {
	_, value, ok := s.Get(c.key)
	return ok == (c.value != nil) && bytes.Equal(value, c.value)
}

// Set implements engine.Batch.
func (b *batch) Set(key, value []byte) {
	b.finish()
	if b.tally.Set(len(key), len(value)) {
		b.set(key, value)
	}
}

// SetDeferred implements engine.Batch.
func (b *batch) SetDeferred(keyLen, valueLen int) (key, value []byte) {
	b.finish()
	key, value = make([]byte, keyLen), make([]byte, valueLen)
	wipe(key)
	wipe(value)
	if b.tally.Set(keyLen, valueLen) {
		b.deferred = &deferred{key, value}
	}
	return key, value
}

// Delete implements engine.Batch.
func (b *batch) Delete(key []byte) {
	b.finish()
	if b.tally.Delete(len(key)) {
		key = bytes.Clone(key)
		b.ops = append(b.ops, func(s *state) { s.Delete(key) })
	}
}

// DeleteRange implements engine.Batch.
func (b *batch) DeleteRange(start, end []byte) {
	b.finish()
	if b.tally.DeleteRange(len(start), len(end)) {
		r := engine.Range{Start: bytes.Clone(start), End: bytes.Clone(end)}
		b.ops = append(b.ops, func(s *state) { deleteRange(s, r) })
	}
}

// IfAbsent implements engine.Batch.
func (b *batch) IfAbsent(key []byte) {
	b.finish()
	if b.tally.IfAbsent(len(key)) {
		b.conditions = append(b.conditions, condition{key: bytes.Clone(key)})
	}
}

// IfEquals implements engine.Batch.
func (b *batch) IfEquals(key, value []byte) {
	b.finish()
	if b.tally.IfEquals(len(key), len(value)) {
		b.conditions = append(b.conditions, condition{bytes.Clone(key), bytes.Clone(value)})
	}
}

// Len implements engine.Batch.
func (b *batch) Len() int { return b.tally.Len() }

// Size implements engine.Batch.
func (b *batch) Size() int { return b.tally.Size() }

// Reset implements engine.Batch.
func (b *batch) Reset() {
	b.finish()
	b.tally.Reset()
	b.ops, b.conditions = nil, nil
}

// Close implements engine.Batch.
func (b *batch) Close() { b.Reset() }

// finish takes what SetDeferred lent back into the batch. Filling it later has no effect.
func (b *batch) finish() {
	if b.deferred == nil {
		return
	}
	b.set(b.deferred.key, b.deferred.value)
	wipe(b.deferred.key)
	wipe(b.deferred.value)
	b.deferred = nil
}

func (b *batch) set(key, value []byte) {
	key, value = bytes.Clone(key), bytes.Clone(value)
	b.ops = append(b.ops, func(s *state) { s.ReplaceOrInsert(key, value) })
}

func deleteRange(s *state, r engine.Range) {
	if r.Empty() {
		return
	}
	var keys [][]byte
	for key := range s.Ascend(btreemap.GE(r.Start), btreemap.LT(r.End)) {
		keys = append(keys, key)
	}
	for _, key := range keys {
		s.Delete(key)
	}
}
