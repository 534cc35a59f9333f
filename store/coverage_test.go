package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// covering is what a coverage says of the keys of acme's namespaces: "jira/comments 1 draining 7".
func covering(t *testing.T, s *store.Store, opts store.CoverageOptions) (rows []string, report *store.CoverageReport) {
	t.Helper()
	report, err := s.Coverage(t.Context(), &opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Rows {
		rows = append(rows, strings.Join([]string{r.Tenant, r.Namespace, fmt.Sprint(r.Number), r.State, fmt.Sprint(r.Records), r.Needed}, " "))
	}
	slices.Sort(rows)
	return rows, report
}

func wantRows(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// An exact coverage counts what is there now, whatever sweeps have found, without any key; and
// shows what must not be.
func TestExactCoverage(t *testing.T) {
	p, err := scope.Parse("test.yaml", []byte(transition))
	if err != nil {
		t.Fatal(err)
	}
	e := mem.New()
	w := newWorld(t, store.Options{Policy: p, Engine: e, NoSync: true, Inline: 1000, Rewrap: store.RewrapOff}, "acme", "globex")
	n := w.ns("acme", "jira/attachments")
	for i := range 40 {
		mustPut(t, n, fmt.Sprintf("k%03d", i), "value")
	}
	mustPut(t, n, "long", string(make([]byte, 200_000)))
	exact := store.CoverageOptions{Tenant: "acme", Exact: true, Workers: 4}
	const active = "it is active; rotate it first"
	rows, report := covering(t, w.Store, exact)
	wantRows(t, rows, "acme jira/attachments 1 active 41 "+active, "acme jira/attachments 2 active 41 "+active)
	if report.Records != 41 || report.Bytes < 41*5 || report.Bytes > 100_000 || report.Took <= 0 || report.Rows[0].Bytes != 40*5+200_000 {
		t.Fatalf("%+v", report)
	}
	done := rotateAcme(t, w)
	for i := range 10 {
		mustPut(t, n, fmt.Sprintf("k%03d", i), "new")
	}
	a, b := done[0].To, done[1].To
	rows, _ = covering(t, w.Store, exact)
	wantRows(t, rows, "acme jira/attachments 1 draining 31 31 records are under it", "acme jira/attachments 2 draining 31 31 records are under it",
		fmt.Sprintf("acme jira/attachments %d active 10 %s", a, active), fmt.Sprintf("acme jira/attachments %d active 10 %s", b, active))
	const unswept = "not swept since it drains"
	rows, report = covering(t, w.Store, store.CoverageOptions{})
	wantRows(t, rows, "acme jira/attachments 1 draining 0 "+unswept, "acme jira/attachments 2 draining 0 "+unswept,
		fmt.Sprintf("acme jira/attachments %d active 0 %s", a, active), fmt.Sprintf("acme jira/attachments %d active 0 %s", b, active))
	if report.Records != 0 || !report.Rows[0].Swept.IsZero() {
		t.Fatalf("%+v", report)
	}

	old := rawGet(t, e, recordKey("acme", "jira/attachments", "k020"))
	sweep(t, w, nil)
	rows, _ = covering(t, w.Store, exact)
	wantRows(t, rows, "acme jira/attachments 1 draining 0 ", "acme jira/attachments 2 draining 0 ",
		fmt.Sprintf("acme jira/attachments %d active 41 %s", a, active), fmt.Sprintf("acme jira/attachments %d active 41 %s", b, active))
	for _, r := range done {
		if err := w.tenant("acme").RetireDataKey(t.Context(), r.Namespace, r.From, false); err != nil {
			t.Fatal(err)
		}
	}
	put := func(tenant, namespace, key string, envelope []byte) {
		batch := e.NewBatch()
		defer batch.Close()
		batch.Set(recordKey(tenant, namespace, key), envelope)
		if err := e.Apply(t.Context(), batch, false); err != nil {
			t.Fatal(err)
		}
	}
	put("acme", "jira/attachments", "k020", old) // from before
	put("acme", "jira/comments", "moved", rawGet(t, e, recordKey("acme", "jira/attachments", "k000")))
	put("acme", "jira/comments", "none", []byte("no envelope"))
	put("nobody", "jira/comments", "k", (&codec.Envelope{Suite: 1, Number: 99, Sealed: make([]byte, 41)}).Append(nil))
	const retired, missing = "it is retired: what is under it can never be read", "the keyring does not have it in this namespace"
	want := []string{"acme jira/attachments 1 retired 1 " + retired, "acme jira/attachments 2 retired 1 " + retired,
		fmt.Sprintf("acme jira/attachments %d active 40 %s", a, active), fmt.Sprintf("acme jira/attachments %d active 40 %s", b, active),
		"acme jira/comments 0 ? 1 " + missing, fmt.Sprintf("acme jira/comments %d ? 1 %s", a, missing), fmt.Sprintf("acme jira/comments %d ? 1 %s", b, missing),
		"nobody jira/comments 99 ? 1 " + missing}
	exact.Tenant = ""
	rows, _ = covering(t, w.Store, exact)
	wantRows(t, rows, want...)
}

// A store that is opened for inspection, without a root, covers exactly.
func TestExactCoverageNeedsNoKey(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	w.opts.Inspect, w.opts.Roots = true, nil
	w.reopen()
	w.roots[platformURI], w.roots["test://acme"] = roottest.NewKey("another"), roottest.NewKey("another")
	rows, _ := covering(t, w.Store, store.CoverageOptions{Exact: true})
	wantRows(t, rows, "acme jira/comments 1 active 1 it is active; rotate it first")
}
