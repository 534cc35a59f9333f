// Package engine is the seam between the store and what keeps its bytes: ordered keys and
// values, conditional atomic batches, and nothing that knows of tenants or of cryptography.
//
// Two engines stand behind it: [github.com/sealkv/sealkv/store/engine/pebble] on local disk and
// [github.com/sealkv/sealkv/store/engine/mem] in memory. Every engine passes the suite in
// enginetest. The interface assumes neither a local disk nor a single process.
package engine

import (
	"bytes"
	"context"
	"errors"
)

// Errors that every engine translates its own into. A caller tells them apart with errors.Is.
var (
	// ErrNotFound says that the key has no value.
	ErrNotFound = errors.New("engine: not found")
	// ErrConflict says that a condition of a batch did not hold; nothing was applied.
	ErrConflict = errors.New("engine: a condition of the batch does not hold")
	// ErrTooLarge says that a key, a value or a batch exceeds Limits; nothing was applied.
	ErrTooLarge = errors.New("engine: larger than the engine takes")
	// ErrEmpty says that a key or a value has no bytes; nothing was applied.
	ErrEmpty = errors.New("engine: a key or a value is empty")
	// ErrUnavailable says that the engine could not do what it was asked (it is closed or
	// unreachable, or its disk fails), which may pass; nothing was applied.
	ErrUnavailable = errors.New("engine: unavailable")
	// ErrClosed is an ErrUnavailable of an engine, or a snapshot, that was closed.
	ErrClosed error = unavailable("engine: closed")
	// ErrDiskFull is an ErrUnavailable that ends when space is freed.
	ErrDiskFull error = unavailable("engine: no space left on the device; free some and try again")
	// ErrPoisoned is an ErrUnavailable that ends only when the engine is closed and opened
	// again: the outcome of an earlier write is unknown. This call did nothing.
	ErrPoisoned error = unavailable("engine: an earlier write failed; close and open again")
	// ErrUnknown says that a batch may or may not have been applied. The engine refuses work
	// with ErrPoisoned from then on; the caller opens it again, reads back and compares.
	ErrUnknown = errors.New("engine: the outcome of a write is unknown; close, reopen and read back")
	// ErrCorrupt says that the engine's own checksums found damaged files.
	ErrCorrupt = errors.New("engine: files are damaged")
	// ErrReadOnly says that the engine was opened for reading only.
	ErrReadOnly = errors.New("engine: opened for reading only")
)

// unavailable is an ErrUnavailable of which a caller can tell when it ends.
type unavailable string

func (u unavailable) Error() string      { return string(u) }
func (unavailable) Is(target error) bool { return target == ErrUnavailable }

// A Sink receives one value. It is a pooled object rather than a function because a closure
// would allocate.
type Sink interface {
	// Value is called at most once. value belongs to the engine and is valid, and must not be
	// written to, until Value returns. Its error is what Get returns.
	Value(value []byte) error
}

// A PageSink receives the entries of one page in order.
type PageSink interface {
	// Entry takes one entry; both slices belong to the engine and are valid until it returns.
	// more = false ends the page after this entry. An error ends it and is what Page returns.
	Entry(key, value []byte) (more bool, err error)
}

// A Range is the keys in [Start, End), bytewise. Both are required and Start < End; an empty
// range otherwise.
type Range struct {
	Start, End []byte
	// Reverse walks from the last key down to Start.
	Reverse bool
}

// Empty reports whether no key can lie in r: a bound is missing or Start is not before End.
func (r Range) Empty() bool {
	return len(r.Start) == 0 || len(r.End) == 0 || bytes.Compare(r.Start, r.End) >= 0
}

// A Reader reads one state of the engine: the newest (Engine) or a fixed one (Snapshot).
type Reader interface {
	// Get hands the value of key to sink, or returns ErrNotFound.
	Get(ctx context.Context, key []byte, sink Sink) error
	// Page walks r in order and hands entries to sink until the range or the page ends. All
	// entries of one Page come from one consistent view. The caller goes on with a Range that
	// begins after the last key that it was given (or, in reverse, ends at it).
	Page(ctx context.Context, r Range, sink PageSink) error
}

// An Engine keeps ordered bytes. All methods are safe for concurrent use. After Close they
// return ErrClosed; none panics. A context that ends before anything was done gives its own
// error; once an Apply has begun to apply, it takes no notice of it.
type Engine interface {
	Reader
	// NewBatch returns an empty batch, drawn from a pool; Batch.Close gives it back.
	NewBatch() Batch
	// Apply makes all operations of b visible at once if all its conditions hold, else returns
	// ErrConflict. With sync it returns when they are durable; without, a crash may lose
	// them, but never an earlier write while keeping a later one. b may be Reset or Closed
	// afterwards, not applied again.
	Apply(ctx context.Context, b Batch, sync bool) error
	// Sync makes everything applied before it durable.
	Sync(ctx context.Context) error
	// Limits says what the engine takes. They do not change while it is open.
	Limits() Limits
	// Close waits for calls under way, makes everything durable and releases the engine. A
	// second Close does nothing.
	Close() error
}

// A Batch collects operations and conditions. It is not safe for concurrent use. Operations
// take effect in order; all conditions are checked against the state before the first of them.
// Keys are 1 to Limits.MaxKey bytes, values 1 to Limits.MaxValue. What is outside is reported
// by Apply, as ErrTooLarge or ErrEmpty; such a batch takes nothing more. Unless it says
// otherwise a method copies what it is given.
type Batch interface {
	Set(key, value []byte)
	// SetDeferred reserves room for a Set in the batch's memory. The caller fills both slices,
	// wholly, before the next call on the batch.
	SetDeferred(keyLen, valueLen int) (key, value []byte)
	Delete(key []byte)
	// DeleteRange deletes the keys in [start, end), none if that Range is empty. It is
	// idempotent; an engine may apply it in steps that others see, after the batch's other
	// operations.
	DeleteRange(start, end []byte)
	// IfAbsent makes the batch conditional on key having no value.
	IfAbsent(key []byte)
	// IfEquals makes the batch conditional on key having exactly this value.
	IfEquals(key, value []byte)
	// Len is the number of operations, conditions not counted; Size is an upper bound of their
	// bytes. A batch within MaxBatchOps and MaxBatchBytes by them is not too large.
	Len() int
	Size() int
	// Reset empties the batch and keeps its memory.
	Reset()
	// Close gives the batch back; it must not be used again.
	Close()
}

// Limits of an engine. Portable are the ones that every engine takes.
type Limits struct {
	MaxKey        int // bytes of a key
	MaxValue      int // bytes of a value
	MaxBatchOps   int // operations in a batch
	MaxBatchBytes int // bytes of keys and values in a batch
}

// Portable is what every engine, a distributed one included, takes. Engines declare at least
// this.
var Portable = Limits{MaxKey: 2 << 10, MaxValue: 512 << 10, MaxBatchOps: 100, MaxBatchBytes: 1 << 20}

// A Snapshotter can fix the present state.
type Snapshotter interface {
	// NewSnapshot returns a view of the present state; it costs space until it is closed.
	NewSnapshot(ctx context.Context) (Snapshot, error)
}

// A Snapshot reads one fixed state. Reading after Close, its own or the engine's,
// returns ErrClosed.
type Snapshot interface {
	Reader
	Close() error
}

// A Checkpointer can copy its present, durable state into a directory that does not exist yet,
// from where an engine of the same kind opens it.
type Checkpointer interface {
	Checkpoint(ctx context.Context, dir string) error
}

// A Compactor can be told to do now what it would do in time.
type Compactor interface {
	// Flush moves everything applied before it out of the log into checksummed tables.
	Flush(ctx context.Context) error
	// Compact rewrites the tables that hold keys of r, so that what was deleted or replaced
	// there, and no snapshot sees, is gone from them. Files that nothing needs any more are
	// unlinked soon after it returns.
	Compact(ctx context.Context, r Range) error
}

// Exclusive is implemented by an engine that only one process can hold open, so that what this
// process cached cannot be changed by another.
type Exclusive interface {
	Exclusive()
}
