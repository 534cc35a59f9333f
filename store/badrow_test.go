package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
)

// An engine key that is none of a store keeps nobody from counting the others.
func TestUsagePassesOverWhatIsNoKey(t *testing.T) {
	e := newKept()
	w := newWorld(t, store.Options{Engine: e}, "acme")
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	want, err := w.Usage(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	first, last := []byte{byte(codec.KindRecord)}, append([]byte{byte(codec.KindRecord)}, "zzz"...)
	rawSet(t, e, first, []byte("v"))
	rawSet(t, e, last, []byte("v"))
	rawSet(t, e, recordKey("acme", "jira/comments", ""), []byte("v"))
	got, err := w.Usage(t.Context(), "")
	if err != nil || !slices.EqualFunc(got, want, func(a, b store.Usage) bool { return a.Tenant == b.Tenant && a.Records == b.Records }) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if _, err := w.PlanPolicy(t.Context(), policy(t, 2, "platform")); err != nil {
		t.Errorf("planning a policy: %v", err)
	}
}

// A census that is not as it was written proves nothing of its namespace, and says nothing of others.
func TestCoverageWithAForgedCensus(t *testing.T) {
	e := newKept()
	w := newWorld(t, store.Options{Engine: e, Rewrap: store.RewrapOff}, "acme", "globex")
	for _, id := range []string{"acme", "globex"} {
		mustPut(t, w.ns(id, "jira/comments"), "k", "v")
		if _, err := w.tenant(id).RotateDataKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	at := codec.AppendPrefix(nil, codec.KindCensus, "acme", "jira/comments")
	census := rawGet(t, e, at)
	census[len(census)-1] ^= 1
	rawSet(t, e, at, census)
	report, err := w.Coverage(t.Context(), nil)
	if err != nil || len(report.Rows) != 4 {
		t.Fatalf("%+v, %v", report, err)
	}
	for _, c := range report.Rows {
		if forged := strings.Contains(c.Needed, "census"); forged != (c.Tenant == "acme") {
			t.Errorf("%s: data key %d is needed: %q", c.Tenant, c.Number, c.Needed)
		}
	}
	if err := w.tenant("acme").RetireDataKey(t.Context(), "jira/comments", 1, false); !errors.Is(err, store.ErrNeeded) {
		t.Errorf("retiring on a forged census: %v", err)
	}
	if _, err := w.tenant("acme").Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := w.tenant("acme").RetireDataKey(t.Context(), "jira/comments", 1, false); err != nil {
		t.Errorf("retiring after another sweep: %v", err)
	}
}

// A blob that cannot be collected is in the error, and those after it are collected all the same.
func TestCollectGoesOnPastABadBlob(t *testing.T) {
	e := newKept()
	w := newWorld(t, store.Options{Engine: e, Inline: -1}, "acme", "globex")
	n := w.ns("acme", "jira/comments")
	mustPut(t, w.ns("globex", "jira/comments"), "k", "v")
	for _, value := range []string{"old", "new"} {
		mustPut(t, n, "a", value)
		mustPut(t, n, "b", value)
		if value == "old" {
			journal, _ := rawAll(t, e, codec.KindJournal)
			bad := append(codec.AppendPrefix(nil, codec.KindChunk, "acme", "jira/comments"), journal[0][len(journal[0])-codec.BlobIDLen:]...)
			rawSet(t, e, append(bad, "\xffno index"...), []byte("v"))
		}
	}
	if err := w.Collect(t.Context()); !errors.Is(err, store.ErrMalformed) {
		t.Errorf("Collect: %v", err)
	}
	if journal, _ := rawAll(t, e, codec.KindJournal); len(journal) != 4 {
		t.Errorf("%d blobs are left, want the three in use and the bad one", len(journal))
	}
	if _, err := w.tenant("globex").RotateCompromised(t.Context(), &store.CompromiseOptions{Retire: true}); err != nil {
		t.Errorf("the recovery of another tenant: %v", err)
	}
	wantValue(t, n, "a", "new")
	wantValue(t, n, "b", "new")
}
