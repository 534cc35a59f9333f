package store_test

import (
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/mem"
)

func inventory(t *testing.T, w *world) *store.Inventory {
	t.Helper()
	got, err := w.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// keysOf is the row of jira/comments in the tenant domain with a state.
func keysOf(t *testing.T, i *store.Inventory, state codec.State) store.InventoryRow {
	t.Helper()
	for _, row := range i.Keys {
		if row.Namespace == "jira/comments" && row.Domain == "tenant" && row.State == state.String() {
			return row
		}
	}
	return store.InventoryRow{}
}

// An inventory sums up over tenants what the last sweeps found, by the state that keys have now.
func TestInventory(t *testing.T) {
	e := mem.New()
	w := newWorld(t, store.Options{Engine: e, NoSync: true, Rewrap: store.RewrapOff}, "acme", "other")
	ctx := t.Context()
	for _, tenant := range []string{"acme", "other"} {
		mustPut(t, w.ns(tenant, "jira/comments"), "k", "four")
		mustPut(t, w.ns(tenant, "jira/analytics"), "k", "v")
	}
	first := keysOf(t, inventory(t, w), codec.StateActive)
	if first.Keys != 2 || first.Unswept != 2 || first.Records != 0 || first.Oldest.IsZero() {
		t.Errorf("before a sweep: %+v", first)
	}
	if err := w.Sweep(ctx, nil); err != nil {
		t.Fatal(err)
	}
	got := inventory(t, w)
	if active := keysOf(t, got, codec.StateActive); active.Keys != 2 || active.Unswept != 0 || active.Records != 2 || active.Bytes != 8 {
		t.Errorf("after a sweep: %+v", active)
	}
	if len(got.Keys) != 2 || got.Tenants["enrolled"] != 2 || got.Taken.IsZero() || got.Unread != 0 {
		t.Errorf("%+v", got)
	}
	if _, err := w.tenant("acme").RotateDataKeys(ctx); err != nil {
		t.Fatal(err)
	}
	got = inventory(t, w)
	active, draining := keysOf(t, got, codec.StateActive), keysOf(t, got, codec.StateDraining)
	if active.Keys != 2 || active.Records != 1 || draining.Keys != 1 || draining.Records != 1 || draining.Bytes != 4 {
		t.Errorf("after a rotation: %+v, %+v", active, draining)
	}
	if err := w.tenant("acme").Revoke(ctx); err != nil {
		t.Fatal(err)
	}
	census := codec.AppendPrefix(nil, codec.KindCensus, "other", "jira/comments")
	raw := rawGet(t, e, census)
	raw[len(raw)-1] ^= 1
	rawSet(t, e, census, raw)
	if got = inventory(t, w); got.Tenants["revoked"] != 1 || got.Tenants["enrolled"] != 1 || got.Unread != 1 {
		t.Errorf("one revoked, and a census damaged: %+v", got)
	}
}

// What sweeps and collections did is counted, and who holds something open.
func TestStats(t *testing.T) {
	e := mem.New()
	w := newWorld(t, store.Options{Engine: e, NoSync: true, Rewrap: store.RewrapOff}, "acme")
	n, ctx := w.ns("acme", "jira/comments"), t.Context()
	mustPut(t, n, "a", "v")
	mustPut(t, n, "b", "v")
	if _, err := w.tenant("acme").RotateDataKeys(ctx); err != nil {
		t.Fatal(err)
	}
	mustPut(t, n, "c", "v")
	damage(t, e, "b")
	for range 2 {
		if _, err := w.tenant("acme").Sweep(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Delete(ctx, []byte("b")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := w.tenant("acme").Sweep(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.tenant("acme").Revoke(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := w.tenant("acme").Sweep(ctx, nil); err == nil {
		t.Fatal("a revoked tenant was swept")
	}
	if err := w.Collect(ctx); err != nil {
		t.Fatal(err)
	}
	got := w.Stats()
	if got.Sweeps.Bytes == 0 {
		t.Error("no bytes were swept")
	}
	got.Sweeps.Bytes = 0
	if want := (store.SweepStats{Completed: 3, Kept: 1, Stopped: 1, Visited: 8, Rewrapped: 1, Missed: 2}); got.Sweeps != want {
		t.Errorf("sweeps %+v, want %+v", got.Sweeps, want)
	}
	if got.Collections != 1 || got.FailedCollections != 0 || got.Held != 0 || got.Engine != nil {
		t.Errorf("%+v", got)
	}
	snapshot, err := w.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Stats(); got.Held != 1 || got.OldestHeld <= 0 {
		t.Errorf("with a snapshot: %+v", got)
	}
	if err := snapshot.Close(); err != nil {
		t.Fatal(err)
	}
	if held := w.Stats().Held; held != 0 {
		t.Errorf("%d held after it was closed", held)
	}
}
