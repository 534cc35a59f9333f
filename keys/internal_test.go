package keys

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
)

func newTestSecret() *secret {
	s := new(secret)
	copy(s[:], bytes.Repeat([]byte{7}, len(s)))
	return s
}

func TestSecretsPrintAsRedacted(t *testing.T) {
	s := newTestSecret()
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		if got := fmt.Sprintf(format, s); !strings.Contains(got, redacted) || strings.Contains(got, "7") {
			t.Errorf("%s prints %q", format, got)
		}
	}
}

func TestCommitmentNamesTheKey(t *testing.T) {
	store := codec.StoreID{1}
	base := codec.KeyRow{Tenant: "acme", Domain: codec.DomainTenant, Namespace: "jira/comments", Number: 1}
	rows := []codec.KeyRow{base, base, base, base, base}
	rows[1].Tenant, rows[2].Domain, rows[3].Namespace, rows[4].Number = "globex", codec.DomainPlatform, "jira/issues", 2
	seen := map[string]bool{}
	for _, row := range rows {
		seen[string(newTestSecret().commitment(&store, row))] = true
	}
	seen[string(newTestSecret().commitment(&codec.StoreID{2}, base))] = true
	if len(seen) != len(rows)+1 {
		t.Fatalf("%d commitments for %d identities", len(seen), len(rows)+1)
	}
}

// A shut pins lets nobody in, and runs last exactly once, when everybody has left.
func TestPins(t *testing.T) {
	for range 200 {
		var ended sync.WaitGroup
		var last int
		var inside [4]bool
		p := newPins(func() {
			last++
			if inside != [4]bool{} {
				t.Error("wiped under a user")
			}
		})
		start := make(chan struct{})
		for i := range inside {
			ended.Go(func() {
				<-start
				for p.acquire() {
					inside[i] = true
					inside[i] = false
					p.release()
				}
			})
		}
		ended.Go(func() { <-start; p.shut() })
		ended.Go(func() { <-start; p.shut() })
		close(start)
		ended.Wait()
		<-p.drained
		if last != 1 || p.acquire() {
			t.Fatalf("last ran %d times", last)
		}
	}
}

// Of two builders the one that read an earlier state does not replace the other's lease: a record
// under the new keys would be a key mismatch to whoever pins the old ones.
func TestLinkRefusesAnEarlierState(t *testing.T) {
	k := newKeyring(codec.Identity{}, nil, nil)
	k.sessions[""] = &session{parent: newParent(codec.StoreID{}, codec.KeyRow{Number: 1}, newTestSecret()), leases: map[*Space]*Lease{}}
	s := k.Space("acme", "jira/comments", nil)
	link := func(epoch uint64) bool {
		return k.link(s, &Lease{Epoch: epoch, pins: newPins(func() {})}, k.readGeneration("acme"))
	}
	if !link(7) || link(6) || s.lease.Load().Epoch != 7 {
		t.Error("a lease of an earlier state was linked")
	}
	k.mu.Lock()
	k.unlinkLocked(s, s.lease.Load())
	k.mu.Unlock()
	if link(6) || !link(7) || !link(8) {
		t.Error("a lease of an earlier state was linked in the place of one that ended")
	}
}

// A lease that was built without the tenant's key is not linked once the key is there.
func TestLinkRefusesALockedLease(t *testing.T) {
	k := newKeyring(codec.Identity{}, nil, nil)
	open := func(tenant string) {
		k.sessions[tenant] = &session{parent: newParent(codec.StoreID{}, codec.KeyRow{Number: 1}, newTestSecret()), leases: map[*Space]*Lease{}}
	}
	s := k.Space("acme", "jira/comments", nil)
	link := func() bool {
		return k.link(s, &Lease{pins: newPins(func() {}), locked: ErrRevoked}, k.readGeneration("acme"))
	}
	if open(""); !link() {
		t.Error("a fallback is not linked")
	}
	if open("acme"); link() {
		t.Error("it is linked beside the tenant's key")
	}
}

// A compaction keeps what is alive, and little of it in memory at a time: bbolt holds what one transaction writes.
func TestCompactInParts(t *testing.T) {
	f, err := createFile(filepath.Join(t.TempDir(), "keyring.db"), codec.Identity{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	const rows = 5 * compactBatch >> 16
	row := func(i int) (key, value []byte) { return auditRow(uint64(i)), bytes.Repeat([]byte{byte(i)}, 1<<16) }
	_, err = f.update(t.Context(), func(c *change) error {
		for i := range rows {
			if err := c.tx.Bucket(bucketAudit).Put(row(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = f.compact()
	}
	if err != nil {
		t.Fatal(err)
	}
	err = f.view(func(tx *bolt.Tx) error {
		if writes := tx.ID(); writes < 5 {
			t.Errorf("the copy was written in %d transactions", writes)
		}
		for i := range rows {
			if key, value := row(i); !bytes.Equal(tx.Bucket(bucketAudit).Get(key), value) {
				t.Errorf("row %d is another one", i)
			}
		}
		if n := tx.Bucket(bucketAudit).Stats().KeyN; n != rows {
			t.Errorf("%d rows, want %d", n, rows)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// An act that waited for a compaction which could not open the new file is not made in the old one,
// which has no name any more.
func TestNoActInAFileWithoutAName(t *testing.T) {
	f, err := createFile(filepath.Join(t.TempDir(), "keyring.db"), codec.Identity{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	f.swap.Lock() // by a compaction
	acts := []func() error{
		func() error { _, err := f.update(t.Context(), func(*change) error { return nil }); return err },
		func() error { return f.view(func(*bolt.Tx) error { return nil }) },
	}
	results := make(chan error, len(acts))
	for _, act := range acts {
		go func() { results <- act() }()
	}
	time.Sleep(20 * time.Millisecond) // they wait
	f.poisoned.Store(true)
	f.swap.Unlock()
	for range acts {
		if err := <-results; !errors.Is(err, ErrPoisoned) {
			t.Errorf("an act ended with %v", err)
		}
	}
}
