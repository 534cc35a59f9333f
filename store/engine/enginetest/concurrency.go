package enginetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sealkv/sealkv/store/engine"
)

// The tests in this file look for a lost update by provoking it many times. They fail with high
// probability, not with certainty, if conditions and writes of a key are not kept apart.

// rounds is how often a race is run.
func rounds() int {
	if testing.Short() {
		return 100
	}
	return 600
}

// together runs the functions at once and fails with their first error.
func (r rig) together(run ...func() error) {
	r.Helper()
	var ready, done sync.WaitGroup
	failed := make(chan error, len(run))
	ready.Add(len(run))
	for _, f := range run {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			if err := f(); err != nil {
				failed <- err
			}
		})
	}
	done.Wait()
	close(failed)
	r.want(nil, <-failed)
}

// apply applies one batch without waiting for the disk and reports whether its conditions held.
func (r rig) apply(build func(engine.Batch)) (bool, error) {
	b := r.NewBatch()
	defer b.Close()
	build(b)
	err := r.Apply(context.Background(), b, false)
	if errors.Is(err, engine.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// testIncrements counts two counters up in one batch, from many goroutines.
func testIncrements(r rig) {
	const workers = 8
	each := rounds() / 2
	increment := func() error {
		for range each {
			for held := false; !held; {
				old, err := value(r, []byte("left"))
				if err != nil {
					return err
				}
				next := []byte(old + "i")
				held, err = r.apply(func(b engine.Batch) {
					if old == "" {
						b.IfAbsent([]byte("left"))
					} else {
						b.IfEquals([]byte("left"), []byte(old))
					}
					b.Set([]byte("left"), next)
					b.Set([]byte("right"), next)
				})
				if err != nil {
					return err
				}
			}
		}
		return nil
	}
	run := make([]func() error, workers)
	for i := range run {
		run[i] = increment
	}
	r.together(run...)
	want := strings.Repeat("i", workers*each)
	r.wantValue(r, "left", want)
	r.wantValue(r, "right", want)
}

// rewrite appends to key's value, as a rewrap does, until the value is gone or was rewritten
// thrice, and gives up on no conflict.
func (r rig) rewrite(key string) func() error {
	return func() error {
		for range 3 {
			old, err := value(r, []byte(key))
			if err != nil || old == "" {
				return err
			}
			if _, err = r.apply(func(b engine.Batch) {
				b.IfEquals([]byte(key), []byte(old))
				b.Set([]byte(key), []byte(old+"r"))
			}); err != nil {
				return err
			}
		}
		return nil
	}
}

func (r rig) once(build func(engine.Batch)) func() error {
	return func() error { _, err := r.apply(build); return err }
}

func testRewriteAgainstDelete(r rig) {
	remove := r.once(func(b engine.Batch) { b.Delete([]byte("k")) })
	for range rounds() {
		r.set("k=1")
		r.together(r.rewrite("k"), r.rewrite("k"), remove, r.rewrite("k"))
		r.wantValue(r, "k", "")
	}
}

func testRewriteAgainstDeleteRange(r rig) {
	remove := r.once(func(b engine.Batch) { b.DeleteRange([]byte("a"), []byte("z")) })
	for range rounds() {
		r.set("k=1", "l=1")
		r.together(r.rewrite("k"), r.rewrite("l"), remove, r.rewrite("k"))
		r.wantPage(r, "a", "z", "")
	}
}

// testRewriteAgainstPut: a rewrite of the old value must not undo a Put that came in between.
func testRewriteAgainstPut(r rig) {
	put := r.once(func(b engine.Batch) { b.Set([]byte("k"), []byte("new")) })
	for range rounds() {
		r.set("k=old")
		r.together(r.rewrite("k"), r.rewrite("k"), put, r.rewrite("k"))
		got, err := value(r, []byte("k"))
		r.want(nil, err)
		if !strings.HasPrefix(got, "new") {
			r.Fatalf("a Put was lost: %q", got)
		}
	}
}

// testGuardAgainstChange: a batch may ask about a key that it does not write. Once the change of
// that key has returned, no batch that asked for its old value appears any more.
func testGuardAgainstChange(r rig) {
	for round := range rounds() {
		r.set("guard=1")
		write := func(worker int) func() error {
			return func() error {
				for i := range 3 {
					if _, err := r.apply(func(b engine.Batch) {
						b.IfEquals([]byte("guard"), []byte("1"))
						b.Set(fmt.Appendf(nil, "k%d.%d", worker, i), []byte("1"))
					}); err != nil {
						return err
					}
				}
				return nil
			}
		}
		r.together(write(1), write(2), func() error {
			if _, err := r.apply(func(b engine.Batch) { b.Set([]byte("guard"), []byte("2")) }); err != nil {
				return err
			}
			_, err := r.apply(func(b engine.Batch) { b.DeleteRange([]byte("k"), []byte("l")) })
			return err
		})
		r.wantPage(r, "k", "l", "")
		if round%2 == 0 { // absence is a value to ask for like any other
			r.do(func(b engine.Batch) { b.Delete([]byte("guard")) })
		}
	}
}

// testBatchIsAtomic reads while batches change several keys to one value.
func testBatchIsAtomic(r rig) {
	keys := []string{"a", "b", "c", "d", "e", "f"}
	stop := make(chan struct{})
	write := func() error {
		defer close(stop)
		for round := range 3 * rounds() {
			if _, err := r.apply(func(b engine.Batch) {
				for _, key := range keys {
					b.Set([]byte(key), fmt.Appendf(nil, "%d", round))
				}
			}); err != nil {
				return err
			}
		}
		return nil
	}
	read := func(reverse bool) func() error {
		return func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				sink := &pageSink{}
				if err := r.Page(context.Background(), span("a", "z", reverse), sink); err != nil {
					return err
				}
				seen := make(map[string]bool)
				for _, pair := range sink.pairs {
					seen[pair[2:]] = true
				}
				if len(seen) > 1 || len(sink.pairs)%len(keys) != 0 {
					return fmt.Errorf("a page saw half a batch: %q", sink.pairs)
				}
			}
		}
	}
	r.together(write, read(false), read(true))
}
