// Package tally holds a batch against the limits of its engine while the batch grows.
package tally

import (
	"errors"

	"github.com/sealkv/sealkv/store/engine"
)

// Errors of a caller that misuses a batch; nothing was applied.
var (
	ErrForeign = errors.New("engine: the batch belongs to another engine")
	ErrSpent   = errors.New("engine: the batch was applied before; reset it first")
)

// A Tally counts what a batch was asked to hold and keeps the first refusal. Its methods take
// lengths in bytes and report whether the batch may take the operation or condition in: never
// again after a refusal, so that a batch does not grow without bound.
type Tally struct {
	limits engine.Limits
	ops    int
	bytes  int
	spent  bool
	err    error
}

// New returns an empty tally.
func New(l engine.Limits) Tally { return Tally{limits: l} }

// Reset empties the tally.
func (t *Tally) Reset() { *t = Tally{limits: t.limits} }

// Len is the number of operations counted.
func (t *Tally) Len() int { return t.ops }

// Size is the number of bytes of their keys and values.
func (t *Tally) Size() int { return t.bytes }

// Set counts a Set.
func (t *Tally) Set(key, value int) bool {
	t.check(key, t.limits.MaxKey)
	t.check(value, t.limits.MaxValue)
	return t.count(key + value)
}

// Delete counts a Delete.
func (t *Tally) Delete(key int) bool {
	t.check(key, t.limits.MaxKey)
	return t.count(key)
}

// DeleteRange counts a DeleteRange. A bound may be empty, since an empty range is not an error.
func (t *Tally) DeleteRange(start, end int) bool {
	if max(start, end) > t.limits.MaxKey {
		t.refuse(engine.ErrTooLarge)
	}
	return t.count(start + end)
}

// IfAbsent checks a condition; conditions are not counted.
func (t *Tally) IfAbsent(key int) bool {
	t.check(key, t.limits.MaxKey)
	return t.err == nil
}

// IfEquals checks a condition; conditions are not counted.
func (t *Tally) IfEquals(key, value int) bool {
	t.check(key, t.limits.MaxKey)
	t.check(value, t.limits.MaxValue)
	return t.err == nil
}

// Spend marks the batch as applied, whatever comes of it, or says why it must not be.
func (t *Tally) Spend() error {
	if t.spent {
		return ErrSpent
	}
	t.spent = true
	return t.err
}

func (t *Tally) count(n int) bool {
	t.ops++
	t.bytes += n
	if t.ops > t.limits.MaxBatchOps || t.bytes > t.limits.MaxBatchBytes {
		t.refuse(engine.ErrTooLarge)
	}
	return t.err == nil
}

func (t *Tally) check(n, limit int) {
	switch {
	case n == 0:
		t.refuse(engine.ErrEmpty)
	case n > limit:
		t.refuse(engine.ErrTooLarge)
	}
}

func (t *Tally) refuse(err error) {
	if t.err == nil {
		t.err = err
	}
}
