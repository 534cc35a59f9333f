package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
)

const sweptRecords = 700 // several pages

func fill(t *testing.T, n *store.Namespace, records int) {
	t.Helper()
	for i := range records {
		mustPut(t, n, fmt.Sprintf("k%04d", i), fmt.Sprint("value ", i))
	}
	mustPut(t, n, "large", string(make([]byte, 100_000)))
}

func sweep(t *testing.T, w *world, opts *store.SweepOptions) []store.Census {
	t.Helper()
	done, err := w.tenant("acme").Sweep(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func coverage(t *testing.T, w *world) map[uint32]store.Coverage {
	t.Helper()
	rows, err := w.tenant("acme").Coverage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[uint32]store.Coverage{}
	for _, row := range rows {
		out[row.Number] = row
	}
	return out
}

func rotateAcme(t *testing.T, w *world) []keys.Rotation {
	t.Helper()
	done, err := w.tenant("acme").RotateDataKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestFromBirthToProofOfDeath(t *testing.T) {
	w := newWorld(t, store.Options{NoSync: true, Inline: 1 << 10, Rewrap: store.RewrapOff}, "acme")
	comments, attachments := w.ns("acme", "jira/comments"), w.ns("acme", "jira/attachments")
	fill(t, comments, sweptRecords)
	fill(t, attachments, 10)
	wrapped := wrappedKeys(t, w)
	old := rotateAcme(t, w)
	if len(old) != 3 {
		t.Fatal(old)
	}
	acme := w.tenant("acme")
	for _, r := range old {
		if err := acme.RetireDataKey(t.Context(), r.Namespace, r.From, false); !errors.Is(err, store.ErrNeeded) {
			t.Fatalf("a key is retired without a census: %v", err)
		}
	}
	for _, c := range sweep(t, w, nil) {
		want := uint64(11)
		if c.Namespace == "jira/comments" {
			want = sweptRecords + 1
		}
		if !c.Done || c.Records != want || c.Rewrapped != want || c.Missed != 0 {
			t.Fatalf("census %+v, want %d records", c, want)
		}
	}
	covered := coverage(t, w)
	for _, r := range old {
		if c := covered[r.From]; c.Records != 0 || c.Needed != "" {
			t.Fatalf("the old key is still needed: %+v", c)
		}
		if c := covered[r.To]; c.Records == 0 || c.Needed == "" {
			t.Fatalf("the new key: %+v", c)
		}
		if err := acme.RetireDataKey(t.Context(), r.Namespace, r.To, true); err == nil {
			t.Fatal("an active key is retired")
		}
	}
	for _, r := range old {
		if err := acme.RetireDataKey(t.Context(), r.Namespace, r.From, false); err != nil {
			t.Fatal(err)
		}
	}
	wantValue(t, w.ns("acme", "jira/comments"), "k0042", "value 42")
	w.reopen()
	wantValue(t, w.ns("acme", "jira/comments"), "k0042", "value 42")
	if _, err := w.VerifyAudit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.Close()
	file, err := os.ReadFile(filepath.Join(w.dir, "keyring.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, wrap := range wrapped {
		if bytes.Contains(file, wrap) {
			t.Fatal("the wrapped bytes of a retired key are still in the keyring's file")
		}
	}
}

// wrappedKeys are the tails of all data keys' rows: their wraps.
func wrappedKeys(t *testing.T, w *world) (wraps [][]byte) {
	t.Helper()
	w.Close()
	db, err := bolt.Open(filepath.Join(w.dir, "keyring.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("data-keys")).ForEach(func(_, v []byte) error {
			wraps = append(wraps, bytes.Clone(v[len(v)-72:]))
			return nil
		})
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if len(wraps) == 0 {
		t.Fatal("no data keys")
	}
	w.reopen()
	return wraps
}

// A sweep that was cut short goes on where it was, also in another process.
func TestSweepResumes(t *testing.T) {
	w := newWorld(t, store.Options{NoSync: true, Rewrap: store.RewrapOff}, "acme")
	fill(t, w.ns("acme", "jira/comments"), sweptRecords)
	rotateAcme(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	var before store.Census
	_, err := w.tenant("acme").Sweep(ctx, &store.SweepOptions{Progress: func(p store.SweepProgress) {
		if before = p.Census; p.Records > 0 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || before.Done || before.Records == 0 {
		t.Fatal(err, before)
	}
	w.reopen()
	var first store.Census
	done := sweep(t, w, &store.SweepOptions{Progress: func(p store.SweepProgress) {
		if first.Records == 0 {
			first = p.Census
		}
	}})
	if first.Records <= before.Records || done[0].Began != before.Began || done[0].Records != sweptRecords+1 {
		t.Fatalf("it was at %d records, went on at %d, and ended with %d", before.Records, first.Records, done[0].Records)
	}
	if err := w.tenant("acme").RetireDataKey(t.Context(), "jira/comments", 1, false); err != nil {
		t.Fatal(err)
	}
}

// A rotation in the middle makes a sweep begin again: its census is of the keys of its end.
func TestSweepIsOvertakenByARotation(t *testing.T) {
	w := newWorld(t, store.Options{NoSync: true, Rewrap: store.RewrapOff}, "acme")
	fill(t, w.ns("acme", "jira/comments"), sweptRecords)
	rotated := false
	done := sweep(t, w, &store.SweepOptions{Progress: func(p store.SweepProgress) {
		if !rotated {
			rotated = true
			rotateAcme(t, w)
		}
	}})
	if c := done[0]; c.Active[0] != 2 || c.Records != sweptRecords+1 || c.Counts[0].Key != 2 || len(c.Counts) != 1 {
		t.Fatalf("census %+v", c)
	}
}

// A census from before a rotation proves nothing about the key that it drained.
func TestOldCensusIsNoProof(t *testing.T) {
	w := newWorld(t, store.Options{NoSync: true, Rewrap: store.RewrapOff}, "acme")
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "v")
	if err := n.Delete(t.Context(), []byte("k")); err != nil {
		t.Fatal(err)
	}
	sweep(t, w, nil) // finds nothing under any key
	mustPut(t, n, "k", "v")
	rotateAcme(t, w)
	if err := w.tenant("acme").RetireDataKey(t.Context(), n.Name(), 1, false); !errors.Is(err, store.ErrNeeded) {
		t.Fatalf("retired on a census from before: %v", err)
	}
	wantValue(t, n, "k", "v")
}

// What does not open is counted, passed over, and keeps its key from being retired; forced, the
// audit log says so, and the key's records are gone for good.
func TestSweepPassesOverWhatDoesNotOpen(t *testing.T) {
	e := mem.New()
	w := newWorld(t, store.Options{Engine: e, Rewrap: store.RewrapOff}, "acme")
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "a", "v")
	mustPut(t, n, "b", "v")
	mustPut(t, n, "c", "v")
	head, err := w.Head(t.Context(), "acme", n.Name(), []byte("b"))
	if err != nil {
		t.Fatal(err)
	}
	genuine := bytes.Clone(head.Envelope)
	head.Envelope[len(head.Envelope)-1] ^= 1
	set(t, e, "b", head.Envelope)
	rotateAcme(t, w)
	if c := sweep(t, w, nil)[0]; c.Records != 3 || c.Missed != 1 || c.Rewrapped != 2 {
		t.Fatalf("census %+v", c)
	}
	acme := w.tenant("acme")
	if err := acme.RetireDataKey(t.Context(), n.Name(), 1, false); !errors.Is(err, store.ErrNeeded) {
		t.Fatal(err)
	}
	if err := acme.RetireDataKey(t.Context(), n.Name(), 1, true); err != nil {
		t.Fatal(err)
	}
	var told bool
	for e, err := range w.Audit(0) {
		if err != nil {
			t.Fatal(err)
		}
		told = told || e.Act == keys.ActKeyRetire && e.Number == 1
	}
	if !told {
		t.Fatal("the audit log does not tell of the forced retirement")
	}
	set(t, e, "b", genuine) // what a backup might hold
	wantError(t, n, "b", store.ErrKeyDestroyed)
	wantValue(t, n, "a", "v")
}

func set(t *testing.T, e engine.Engine, key string, envelope []byte) {
	t.Helper()
	b := e.NewBatch()
	defer b.Close()
	b.Set([]byte("\x10acme\x00jira/comments\x00"+key), envelope)
	if err := e.Apply(t.Context(), b, false); err != nil {
		t.Fatal(err)
	}
}

// A revocation stops a sweep where it is; after the restoration it goes on.
func TestSweepPausesWhileRevoked(t *testing.T) {
	w := newWorld(t, store.Options{NoSync: true, Rewrap: store.RewrapOff}, "acme")
	fill(t, w.ns("acme", "jira/comments"), sweptRecords)
	rotateAcme(t, w)
	acme := w.tenant("acme")
	var at store.Census
	_, err := acme.Sweep(t.Context(), &store.SweepOptions{Progress: func(p store.SweepProgress) {
		if at = p.Census; !at.Done {
			if err := acme.Revoke(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}})
	if !errors.Is(err, store.ErrKeyRevoked) || at.Done {
		t.Fatal(err, at)
	}
	if err := acme.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := sweep(t, w, nil)[0]; c.Began != at.Began || c.Records != sweptRecords+1 || c.Missed != 0 {
		t.Fatalf("census %+v, it was at %+v", c, at)
	}
}
