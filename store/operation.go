package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealkv/sealkv/latency"
)

// An Operation is a kind of what users of a store do with values.
type Operation uint8

const (
	OpGet            Operation = iota // Get and GetInto, also of a Snapshot
	OpHas                             // also of a Snapshot
	OpPut                             // and PutWritten
	OpDelete                          //
	OpPutIfAbsent                     //
	OpCompareAndSwap                  //
	OpCommit                          // of a Batch, whatever it holds
	OpScan                            // counted when it ends; what of its records does not open is no failure of it
	OpCreate                          // a Writer, counted when it is closed or aborted
	OpOpen                            // a Reader, counted when it is opened
	operations
)

var operationNames = [operations]string{
	"get", "has", "put", "delete", "put_if_absent", "compare_and_swap", "commit", "scan", "create", "open",
}

func (o Operation) String() string {
	if o < operations {
		return operationNames[o]
	}
	return fmt.Sprintf("Operation(%d)", uint8(o))
}

// OneIn says how many operations of a kind are timed: one in OneIn, as two looks at the clock would be
// felt in each; 0 for none, because how long it takes is up to the caller.
func (o Operation) OneIn() uint64 {
	switch o {
	case OpScan, OpCreate:
		return 0
	case OpCommit, OpOpen:
		return 1
	}
	return sampled
}

// sampled is a prime, so that no rhythm of a caller's keeps the sampling away from a kind of operation:
// of gets and puts in turns, one in 64 would always be a put.
const sampled = 61

// An Outcome is how an operation ended.
type Outcome uint8

const (
	OutcomeOK          Outcome = iota
	OutcomeNotFound            // no value, where Get, Open or CompareAndSwap expects one
	OutcomeConflict            // ErrExists, ErrChanged
	OutcomeRevoked             // ErrKeyRevoked
	OutcomeUnavailable         // ErrKeyUnavailable
	OutcomeDestroyed           // ErrKeyDestroyed
	OutcomeUnreadable          // ErrMalformed, ErrUnsupported, ErrKeyMismatch, ErrAuthentication, ErrNotApproved, ErrNoDictionary
	OutcomeInvalid             // what a caller may not ask: ErrInvalidName, ErrTooLarge, ErrReadOnly, ErrTooOld
	OutcomeCancelled           // the caller's context ended, or a Writer was aborted
	OutcomeDiskFull            // ErrDiskFull
	OutcomeError               // anything else, such as ErrClosed, ErrUnavailable and ErrUnknownOutcome
	outcomes
)

var outcomeNames = [outcomes]string{
	"ok", "not_found", "conflict", "revoked", "unavailable", "destroyed", "unreadable", "invalid", "cancelled", "disk_full", "error",
}

func (o Outcome) String() string {
	if o < outcomes {
		return outcomeNames[o]
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// outcomesOf are looked through in order: an unavailable key whose root timed out is not the
// caller's context.
var outcomesOf = []struct {
	err     error
	outcome Outcome
}{
	{ErrNotFound, OutcomeNotFound},
	{ErrExists, OutcomeConflict},
	{ErrChanged, OutcomeConflict},
	{ErrKeyRevoked, OutcomeRevoked},
	{ErrKeyUnavailable, OutcomeUnavailable},
	{ErrKeyDestroyed, OutcomeDestroyed},
	{ErrMalformed, OutcomeUnreadable},
	{ErrUnsupported, OutcomeUnreadable},
	{ErrKeyMismatch, OutcomeUnreadable},
	{ErrAuthentication, OutcomeUnreadable},
	{ErrNotApproved, OutcomeUnreadable},
	{ErrNoDictionary, OutcomeUnreadable},
	{ErrInvalidName, OutcomeInvalid},
	{ErrTooLarge, OutcomeInvalid},
	{ErrReadOnly, OutcomeInvalid},
	{ErrTooOld, OutcomeInvalid},
	{ErrAborted, OutcomeCancelled},
	{context.Canceled, OutcomeCancelled},
	{context.DeadlineExceeded, OutcomeCancelled},
	{ErrDiskFull, OutcomeDiskFull},
}

func outcomeOf(err error) Outcome {
	if err == nil {
		return OutcomeOK
	}
	for _, o := range outcomesOf {
		if errors.Is(err, o.err) {
			return o.outcome
		}
	}
	return OutcomeError
}

// OperationStats counts the operations of one kind that have ended.
type OperationStats struct {
	Outcomes []uint64         // by Outcome
	Latency  latency.Snapshot // of one operation in OneIn
}

// operation is one under way. It is begun by foreground.begin; the zero one counts nothing.
// It stays in registers: copying it costs more than counting.
type operation struct {
	cell  *cell
	kind  Operation
	began time.Duration // since the foreground's start; 0 if it is not timed
}

// end counts the operation; it is called once. It returns err.
func (o operation) end(err error) error {
	if o.cell == nil {
		return err
	}
	f := o.cell.foreground
	o.cell.ended[o.kind][outcomeOf(err)].Add(1)
	if o.began > 0 {
		f.latencies[o.kind].Observe(time.Since(f.start) - o.began)
	}
	f.free.Put(o.cell)
	return err
}

// stats are those of each kind.
func (f *foreground) stats() []OperationStats {
	out := make([]OperationStats, operations)
	for kind := range out {
		out[kind].Outcomes = make([]uint64, outcomes)
		out[kind].Latency = f.latencies[kind].Snapshot()
		for i := range f.cells {
			for o := range out[kind].Outcomes {
				out[kind].Outcomes[o] += f.cells[i].ended[kind][o].Load()
			}
		}
	}
	return out
}
