package keys

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
)

func (f *file) transactions(t *testing.T) (id int) {
	t.Helper()
	if err := f.view(func(tx *bolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

func (q *acts) waits(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		q.mu.Lock()
		waiting := len(q.waiting)
		q.mu.Unlock()
		if waiting == n && len(q.turn) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d acts wait, not %d", waiting, n)
		}
	}
}

// Acts that come while a transaction is under way share the next one: with its two syncs, however
// many they are. One of them that fails does not keep the others from it.
func TestActsShareATransaction(t *testing.T) {
	const others = 63
	f, err := createFile(filepath.Join(t.TempDir(), "keyring.db"), codec.Identity{Format: codec.Format}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	refused := errors.New("refused")
	act := func(i int) error {
		_, err := f.update(t.Context(), func(c *change) error {
			if i == 5 {
				return refused
			}
			return c.tx.Bucket(bucketRoots).Put(fmt.Appendf(nil, "root %d", i), []byte("tenant"))
		})
		if i == 5 && errors.Is(err, refused) {
			return nil
		}
		return err
	}
	before, revision := f.transactions(t), f.latest().Revision
	held, err := f.db.Begin(true) // a transaction that takes its time
	if err != nil {
		t.Fatal(err)
	}
	var ended sync.WaitGroup
	for i := range 1 + others {
		ended.Go(func() {
			if err := act(i); err != nil {
				t.Errorf("act %d: %v", i, err)
			}
		})
		f.acts.waits(t, i) // the first has the turn, and waits for the one that is held
	}
	if err := held.Rollback(); err != nil {
		t.Fatal(err)
	}
	ended.Wait()
	if got := f.transactions(t) - before; got != 2 {
		t.Errorf("%d acts took %d transactions, want 2", 1+others, got)
	}
	if got := f.latest().Revision - revision; got != others {
		t.Errorf("the revision went up by %d, want %d", got, others)
	}
}

// An act that panics takes itself down, and none that waits for it.
func TestActPanics(t *testing.T) {
	f, err := createFile(filepath.Join(t.TempDir(), "keyring.db"), codec.Identity{Format: codec.Format}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	func() {
		defer func() { recover() }()
		f.update(t.Context(), func(*change) error { panic("an invariant") })
	}()
	if _, err := f.update(t.Context(), func(*change) error { return nil }); err != nil {
		t.Error(err)
	}
}
