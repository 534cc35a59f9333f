package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/sealkv/sealkv/store"
)

// A LineError is what is wrong with one line, or with a file as a whole where Line is 0.
type LineError struct {
	File string
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
}

func (e *LineError) Unwrap() error { return e.Err }

// Failures are the lines that did not work out where the rest went on.
type Failures struct {
	Count  int
	Errors []error // the first ones, at most maxFailures
}

const (
	maxFailures   = 1000 // that are kept
	shownFailures = 10
)

// Error has the first of them, a line for each.
func (f *Failures) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "transfer: %d of the lines and files failed:", f.Count)
	for _, err := range f.Errors[:min(len(f.Errors), shownFailures)] {
		fmt.Fprintf(&b, "\n  %v", err)
	}
	if more := f.Count - shownFailures; more > 0 {
		fmt.Fprintf(&b, "\n  and %d more", more)
	}
	return b.String()
}

func (f *Failures) Unwrap() []error { return f.Errors }

// failures decides whether a failure ends everything, and collects those that do not. It is safe
// for concurrent use.
type failures struct {
	goOn bool

	mu  sync.Mutex
	all Failures
}

// add returns the error that ends the reading, or nil if it goes on.
func (f *failures) add(at place, err error) error {
	if err == nil {
		return nil
	}
	failed := at.error(err)
	if !f.goOn || fatal(err) {
		return failed
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all.Count++; len(f.all.Errors) < maxFailures {
		f.all.Errors = append(f.all.Errors, failed)
	}
	return nil
}

func (f *failures) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all.Count > 0
}

// err is the *Failures, or nil if there were none.
func (f *failures) err() error {
	if f.all.Count == 0 {
		return nil
	}
	return &f.all
}

// fatal reports whether an error is one of the store or the caller, which every further line
// would meet too.
func fatal(err error) bool {
	for _, class := range []error{
		context.Canceled, context.DeadlineExceeded, store.ErrClosed, store.ErrReadOnly, store.ErrInspecting,
		store.ErrUnavailable, store.ErrUnknownOutcome, store.ErrCorrupt, store.ErrRollback,
	} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// A place is where something came from.
type place struct {
	file string
	line int
}

// error gives err its place, unless it has one or needs none.
func (p place) error(err error) error {
	var placed *LineError
	if errors.As(err, &placed) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &LineError{File: p.file, Line: p.line, Err: err}
}
