package keys

import (
	"errors"
	"sync"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/sealkv/sealkv/codec"
)

// acts are those that wait for a transaction of the keyring. One transaction, with its two syncs,
// takes all that came while the one before it was under way: so none waits for others to come, and
// the more come at a time the more share it. (bolt.DB.Batch gathers for a fixed time, and what it
// gathered in several such times stays apart: with 64 goroutines that mint, 1.6 shared one.)
type acts struct {
	turn    chan struct{} // held by the one that commits
	mu      sync.Mutex
	waiting []*act
}

// maxActs bounds the memory of one transaction.
const maxActs = 1000

func newActs() acts { return acts{turn: make(chan struct{}, 1)} }

// An act is one change of the keyring, and its outcome once done is closed.
type act struct {
	fn     func(c *change) error
	done   chan struct{}
	after  codec.Counters
	failed error // of fn: nothing of it was applied
	err    error // of the transaction: the outcome is unknown
}

// commit applies an act in a transaction, its own or that of whoever commits now.
func (f *file) commit(fn func(c *change) error) *act {
	a := &act{fn: fn, done: make(chan struct{}), err: errors.New("keys: cut short")}
	f.acts.mu.Lock()
	f.acts.waiting = append(f.acts.waiting, a)
	f.acts.mu.Unlock()
	for {
		select {
		case <-a.done:
			return a
		case f.acts.turn <- struct{}{}:
			f.commitWaiting(a)
		}
	}
}

// commitWaiting commits what waits, unless a is done already. The caller has the turn, which ends.
func (f *file) commitWaiting(a *act) {
	defer func() { <-f.acts.turn }()
	select {
	case <-a.done:
		return
	default:
	}
	together := f.acts.take()
	defer func() { // also if an act panics
		for _, a := range together {
			close(a.done)
		}
	}()
	for left := together; len(left) > 0; {
		left = f.commitTogether(left)
	}
}

func (q *acts) take() []*act {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), maxActs)
	together := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	return together
}

// commitTogether applies acts in one transaction. One that fails, perhaps for what others before it
// have done, undoes it; it is tried alone, and the others are returned to be tried again.
func (f *file) commitTogether(together []*act) (left []*act) {
	if f.poisoned.Load() {
		for _, a := range together {
			a.failed = ErrPoisoned
		}
		return nil
	}
	failed := -1
	err := f.db.Update(func(tx *bolt.Tx) error {
		for i, a := range together {
			if a.after, a.failed = f.apply(tx, a.fn); a.failed != nil {
				failed = i
				return a.failed
			}
		}
		return nil
	})
	if failed < 0 && err != nil && !errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		f.poisoned.Store(true) // before anybody else commits
	}
	if failed < 0 || len(together) == 1 {
		for _, a := range together {
			a.err = err
		}
		return nil
	}
	f.commitTogether(together[failed : failed+1])
	return append(together[:failed:failed], together[failed+1:]...)
}
