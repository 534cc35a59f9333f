package store_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

var makeFormat = flag.Bool("make-format", false, "TestFormat1 makes testdata/format-1 if it is not there; it was for 2026-11-26, when the format was frozen")

const formatPolicy = `version: %d
name: format
rules:
- namespace: jira/comments
  domain: tenant
- namespace: jira/issues
  domain: tenant
  suite: xaes-256-gcm
- namespace: jira/attachments
  domain: both
- namespace: jira/analytics
  domain: %s
- namespace: jira/attachment-metadata
  domain: platform
- namespace: jira/cached-content
  domain: tenant
  max-age: 30d
- namespace: confluence/pages
  domain: tenant
  compression: zstd-dict
`

var formatMade = time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)

// formatWorld is the store of the format, not opened yet.
func formatWorld(t *testing.T, dir string, at time.Time) *world {
	t.Helper()
	w := &world{t: t, dir: dir, roots: roottest.Opener{}}
	for _, name := range []string{"platform", "acme", "acme-2", "globex", "gone", "half"} {
		w.roots["test://"+name] = roottest.NewKey(name)
	}
	w.opts = store.Options{
		Roots: w.roots, Policy: formatPolicyOf(t, 1, "platform"), Inline: 1 << 10, Rewrap: store.RewrapOff, CollectEvery: -1, Now: func() time.Time { return at },
	}
	return w
}

func formatPolicyOf(t *testing.T, version int, analytics string) *scope.Policy {
	t.Helper()
	p, err := scope.Parse("format.yaml", fmt.Appendf(nil, formatPolicy, version, analytics))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// formatValues are those of acme, by namespace: some from before its keys were rotated, some from after.
func formatValues() map[string]map[string]string {
	values := map[string]map[string]string{}
	for _, name := range []string{"jira/comments", "jira/issues", "jira/attachments", "jira/analytics", "jira/cached-content", "confluence/pages"} {
		values[name] = map[string]string{"empty": ""}
		for i := range 40 {
			values[name][fmt.Sprintf("k%02d", i)] = jsonRecord(i)
		}
	}
	for i := range 200 { // something to learn from
		values["confluence/pages"][fmt.Sprintf("p%03d", i)] = jsonRecord(1000 + i)
	}
	values["jira/attachments"]["chunks"] = string(bytes.Repeat([]byte("0123456789abcdef"), 4200)) // two chunks
	return values
}

// makeFormat1 makes a store that has something of nearly everything that the format knows: of what is there for
// moments alone, moves of roots and blobs that are being written, it has nothing.
func makeFormat1(t *testing.T, dir string) {
	t.Helper()
	w := formatWorld(t, dir, formatMade)
	var err error
	if w.Store, err = store.Create(t.Context(), dir, platformURI, &w.opts); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"acme", "globex", "gone", "half"} {
		if _, err := w.AddTenant(t.Context(), id, &store.TenantOptions{Root: "test://" + id}); err != nil {
			t.Fatal(err)
		}
		mustPut(t, w.ns(id, "jira/comments"), "k", "v of "+id)
		mustPut(t, w.ns(id, "jira/analytics"), "k", "v of "+id)
		mustPut(t, w.ns(id, "jira/attachment-metadata"), "k", "v of "+id)
	}
	mustPut(t, w.ns("globex", "jira/attachments"), "k", "v of globex")
	for _, id := range []string{"hosted", "exposed", "missed"} {
		if _, err := w.AddTenant(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
		mustPut(t, w.ns(id, "jira/comments"), "k", "v of "+id)
	}
	acme := w.tenant("acme")
	put := func(from, to int) {
		for name, values := range formatValues() {
			n := w.ns("acme", name)
			for i := from; i < to; i++ {
				key := fmt.Sprintf("k%02d", i)
				mustPut(t, n, key, values[key])
			}
			mustPut(t, n, "empty", "")
			if long, there := values["chunks"]; there {
				mustPut(t, n, "chunks", long)
			}
		}
	}
	put(0, 20)
	for key, value := range formatValues()["confluence/pages"] {
		if key[0] == 'p' {
			mustPut(t, w.ns("acme", "confluence/pages"), key, value)
		}
	}
	mustTrain(t, w.ns("acme", "confluence/pages"))
	_, err = acme.RotateDataKeys(t.Context())
	if err == nil {
		_, err = acme.RotateTenantKey(t.Context())
	}
	if err == nil {
		err = acme.RotateRoot(t.Context(), "test://acme-2")
	}
	put(20, 40)
	if err == nil {
		_, err = acme.Sweep(t.Context(), &store.SweepOptions{Namespaces: []string{"jira/issues", "jira/attachments"}})
	}
	if err == nil {
		err = w.ApplyPolicy(t.Context(), formatPolicyOf(t, 2, "tenant"), nil)
	}
	if err == nil {
		err = w.tenant("globex").Revoke(t.Context())
	}
	if err == nil {
		_, err = w.tenant("gone").Shred(t.Context(), nil)
	}
	if err == nil {
		_, err = w.tenant("half").Shred(t.Context(), &store.ShredOptions{InScope: true})
	}
	if err == nil {
		_, err = w.tenant("exposed").RotateCompromised(t.Context(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, w.ns("globex", "jira/attachments"), "k", "v of globex") // by the platform's key, which is recorded
	missed, n := w.tenant("missed"), w.ns("missed", "jira/comments")
	infos, err := missed.DataKeys()
	if err == nil {
		_, err = missed.RotateDataKeys(t.Context())
	}
	if err == nil {
		err = missed.RetireDataKey(t.Context(), "jira/comments", infos[0].Number, true)
	}
	if err == nil {
		_, err = missed.Sweep(t.Context(), nil)
	}
	if err == nil {
		err = n.Delete(t.Context(), []byte("k"))
	}
	if err == nil {
		_, err = w.Backup(t.Context(), filepath.Join(t.TempDir(), "backup"))
	}
	w.reopen() // without logs and manifests of before
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestFormat1 opens the store that the version of sealkv made which froze format 1. What this one reads of it, every
// later one reads.
func TestFormat1(t *testing.T) {
	made := filepath.Join("testdata", "format-1")
	if *makeFormat {
		makeFormat1(t, made)
	}
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
		t.Fatal(err)
	}
	w := formatWorld(t, dir, formatMade.Add(24*time.Hour))
	for _, readOnly := range []bool{true, false} {
		w.opts.ReadOnly = readOnly
		var err error
		if w.Store, err = store.Open(t.Context(), dir, &w.opts); err != nil {
			t.Fatal(err)
		}
		checkFormat(t, w)
		if readOnly {
			w.Close()
		}
	}
	defer w.Close()

	for _, name := range []string{"globex", "acme"} {
		if err := w.tenant(name).Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantValue(t, w.ns("globex", "jira/comments"), "k", "v of globex")
	backups, err := w.Backups()
	if err != nil || len(backups) != 1 {
		t.Fatalf("%d backups are registered, %v", len(backups), err)
	}
	if err := w.ForgetBackup(t.Context(), backups[0].ID); err != nil {
		t.Fatal(err)
	}
	acme := w.tenant("acme")
	if _, err := acme.RotateDataKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := acme.Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	retired, err := acme.RetireDataKeys(t.Context())
	if err != nil || len(retired) < 6 {
		t.Fatalf("%d keys are retired, %v", len(retired), err)
	}
	w.reopen()
	checkValues(t, w)
}

// checkFormat looks at everything in the store as it was made.
func checkFormat(t *testing.T, w *world) {
	t.Helper()
	checkValues(t, w)
	wantValue(t, w.ns("hosted", "jira/comments"), "k", "v of hosted")
	wantError(t, w.ns("globex", "jira/comments"), "k", store.ErrKeyRevoked)
	wantValue(t, w.ns("globex", "jira/attachment-metadata"), "k", "v of globex")
	wantError(t, w.ns("gone", "jira/comments"), "k", store.ErrNotFound)
	wantError(t, w.ns("half", "jira/comments"), "k", store.ErrNotFound)
	wantValue(t, w.ns("half", "jira/attachment-metadata"), "k", "v of half")
	wantValue(t, w.ns("exposed", "jira/comments"), "k", "v of exposed")
	misses := 0
	for m, err := range w.tenant("missed").Misses(t.Context()) {
		if misses++; err != nil || string(m.Key) != "k" {
			t.Errorf("a miss is %+v, %v", m, err)
		}
	}
	if misses != 1 {
		t.Errorf("%d misses are listed", misses)
	}
	if opened, dark := verified(t, w.Store); opened != 454 || dark != 3 {
		t.Errorf("%d records open, %d are dark", opened, dark)
	}
	if head, err := w.VerifyAudit(t.Context(), nil); err != nil || head.Seq < 30 {
		t.Errorf("the audit log ends with %d, %v", head.Seq, err)
	}
	rows, err := w.tenant("acme").Coverage(t.Context())
	swept := 0
	for _, row := range rows {
		if !row.Swept.IsZero() {
			swept++
		}
	}
	if err != nil || swept == 0 {
		t.Errorf("%d keys of %d were swept, %v", swept, len(rows), err)
	}
	head, err := w.Head(t.Context(), "acme", "confluence/pages", []byte("k30"))
	if err != nil || head.Dictionary == 0 {
		t.Errorf("a page is under dictionary %d, %v", head.Dictionary, err)
	}
}

func checkValues(t *testing.T, w *world) {
	t.Helper()
	for name, values := range formatValues() {
		n := w.ns("acme", name)
		for key, value := range values {
			wantValue(t, n, key, value)
		}
	}
}
