package pebble

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/internal/tally"
)

// maxKeptArena is how many bytes of arena a batch keeps for its next use; Pebble keeps as much of
// the record.
const maxKeptArena = 1 << 20

// A batch is a record of Pebble's log in the making, and the conditions that Pebble knows
// nothing of.
type batch struct {
	engine *Engine
	tally  tally.Tally
	rec    *pebble.Batch
	// deferred is the Set whose slices the caller may still be filling.
	deferred   *pebble.DeferredBatchOp
	conditions []condition
	arena      []byte // keys and values of conditions
	// shared are the stripes of keys that it writes, exclusive those of keys that it asks about.
	shared, exclusive stripeSet
}

// A condition asks for exactly this value, or for none if value is nil. The slices lie in an
// arena, perhaps in one that has since been outgrown.
type condition struct{ key, value []byte }

// Set implements engine.Batch.
func (b *batch) Set(key, value []byte) {
	k, v := b.SetDeferred(len(key), len(value))
	copy(k, key)
	copy(v, value)
}

// SetDeferred implements engine.Batch.
func (b *batch) SetDeferred(keyLen, valueLen int) (key, value []byte) {
	b.finish()
	if !b.tally.Set(keyLen, valueLen) {
		return make([]byte, keyLen), make([]byte, valueLen)
	}
	b.deferred = b.rec.SetDeferred(keyLen, valueLen)
	return b.deferred.Key, b.deferred.Value
}

// Delete implements engine.Batch.
func (b *batch) Delete(key []byte) {
	b.finish()
	if b.tally.Delete(len(key)) {
		_ = b.rec.Delete(key, nil) // fails only in a batch that is indexed
		b.shared.add(b.engine.stripes.of(key))
	}
}

// DeleteRange implements engine.Batch. Pebble applies it with the rest of the batch and in its
// place. It takes every stripe.
func (b *batch) DeleteRange(start, end []byte) {
	b.finish()
	counted := b.tally.DeleteRange(len(start), len(end))
	if counted && !(engine.Range{Start: start, End: end}).Empty() {
		_ = b.rec.DeleteRange(start, end, nil)
		b.exclusive.addAll()
	}
}

// IfAbsent implements engine.Batch.
func (b *batch) IfAbsent(key []byte) {
	b.finish()
	if b.tally.IfAbsent(len(key)) {
		b.condition(condition{key: b.keep(key)})
	}
}

// IfEquals implements engine.Batch.
func (b *batch) IfEquals(key, value []byte) {
	b.finish()
	if b.tally.IfEquals(len(key), len(value)) {
		b.condition(condition{key: b.keep(key), value: b.keep(value)})
	}
}

// Len implements engine.Batch.
func (b *batch) Len() int { return b.tally.Len() }

// Size implements engine.Batch.
func (b *batch) Size() int { return b.tally.Size() }

// Reset implements engine.Batch.
func (b *batch) Reset() {
	b.tally.Reset()
	b.rec.Reset()
	b.deferred = nil
	clear(b.conditions)
	b.conditions, b.arena = b.conditions[:0], b.arena[:0]
	if cap(b.arena) > maxKeptArena {
		b.arena = nil
	}
	b.shared, b.exclusive = stripeSet{}, stripeSet{}
}

// Close implements engine.Batch.
func (b *batch) Close() {
	b.Reset()
	b.engine.batches.Put(b)
}

// finish ends a SetDeferred: only now its key is known.
func (b *batch) finish() {
	if b.deferred == nil {
		return
	}
	_ = b.deferred.Finish() // fails only in a batch that is indexed
	b.shared.add(b.engine.stripes.of(b.deferred.Key))
	b.deferred = nil
}

func (b *batch) condition(c condition) {
	b.conditions = append(b.conditions, c)
	b.exclusive.add(b.engine.stripes.of(c.key))
}

// keep copies p into the arena.
func (b *batch) keep(p []byte) []byte {
	from := len(b.arena)
	b.arena = append(b.arena, p...)
	return b.arena[from:len(b.arena):len(b.arena)]
}
