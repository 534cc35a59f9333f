package store_test

import (
	"crypto/fips140"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

// enforced is an environment variable with the directory of a store, for a test process with
// GODEBUG=fips140=only.
const enforced = "SEALKV_TEST_FIPS"

const fipsPolicy = `version: 1
name: test
rules:
- {namespace: jira/comments, domain: tenant, suite: xaes-256-gcm}
- {namespace: jira/attachments, domain: both, suite: xaes-256-gcm}
- {namespace: jira/analytics, domain: platform, suite: xaes-256-gcm}
- {namespace: jira/issues, domain: tenant}
- {namespace: jira/projects, domain: tenant}
`

// With GODEBUG=fips140=only a store by suite 2 works, but for sealing chunks; see SECURITY.md.
func TestFIPS(t *testing.T) {
	w := newWorld(t, store.Options{Policy: mustParse(t, fipsPolicy), Inline: 4096}, "acme")
	for _, name := range []string{"jira/comments", "jira/attachments", "jira/issues", "jira/projects"} {
		mustPut(t, w.ns("acme", name), "k", "from before")
		mustPut(t, w.ns("acme", name), "long", strings.Repeat("x", 150_000))
	}
	w.Store.Close()
	child := exec.Command(os.Args[0], "-test.run=^TestFIPSProcess$", "-test.v", "-test.timeout=60s")
	child.Env = append(os.Environ(), enforced+"="+w.dir, "GODEBUG=fips140=only")
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestFIPSProcess") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func mustParse(t *testing.T, policy string) *scope.Policy {
	t.Helper()
	p, err := scope.Parse("test.yaml", []byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFIPSProcess(t *testing.T) {
	dir := os.Getenv(enforced)
	if dir == "" {
		t.Skip("runs in a process of its own, of TestFIPS")
	}
	if !fips140.Enforced() {
		t.Fatal("FIPS 140 is not enforced here")
	}
	t.Run("a new store", fipsNewStore)
	t.Run("an old store", func(t *testing.T) { fipsOldStore(t, dir) })
}

// A store that knows nothing but FIPS from its first day.
func fipsNewStore(t *testing.T) {
	w := newWorld(t, store.Options{Policy: mustParse(t, fipsPolicy), Rewrap: store.RewrapInline}, "acme")
	large := strings.Repeat("x", store.DefaultInline) // the longest value that is no chunks
	for _, name := range []string{"jira/comments", "jira/attachments", "jira/analytics"} {
		n := w.ns("acme", name)
		mustPut(t, n, "k", "value")
		mustPut(t, n, "large", large)
		if err := n.CompareAndSwap(t.Context(), []byte("k"), []byte("value"), []byte("other")); err != nil {
			t.Fatal(err)
		}
		if err := n.Put(t.Context(), []byte("k"), []byte(large+"x")); !errors.Is(err, store.ErrNotApproved) {
			t.Fatalf("%s: a value in chunks: %v", name, err)
		}
		wantValue(t, n, "k", "other")
	}
	rotateAcme(t, w)
	if _, err := w.tenant("acme").RotateTenantKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.reopen()
	for _, name := range []string{"jira/comments", "jira/attachments", "jira/analytics"} {
		wantValue(t, w.ns("acme", name), "k", "other")
		wantValue(t, w.ns("acme", name), "large", large)
	}
	for _, census := range sweep(t, w, nil) {
		if census.Missed > 0 || census.Records != 2 {
			t.Fatalf("%+v", census)
		}
	}
	if err := w.ns("acme", "jira/issues").Put(t.Context(), []byte("k"), nil); !errors.Is(err, store.ErrNotApproved) {
		t.Fatalf("a Put by suite 1: %v", err)
	}
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantError(t, w.ns("acme", "jira/comments"), "k", store.ErrKeyRevoked)
	wantValue(t, w.ns("acme", "jira/attachments"), "k", "other")
}

// A store from before: what is by suite 2 reads, chunks too; what is by suite 1 does not, and a
// policy takes its namespace over to suite 2.
func fipsOldStore(t *testing.T, dir string) {
	w := &world{t: t, dir: dir, roots: roottest.Opener{platformURI: roottest.NewKey("platform"), "test://acme": roottest.NewKey("acme")}}
	w.opts = store.Options{Roots: w.roots, CollectEvery: -1, Inline: 4096}
	var err error
	if w.Store, err = store.Open(t.Context(), filepath.Clean(dir), &w.opts); err != nil {
		t.Fatal(err)
	}
	defer w.Store.Close()
	long := strings.Repeat("x", 150_000)
	for _, name := range []string{"jira/comments", "jira/attachments"} {
		n := w.ns("acme", name)
		wantValue(t, n, "k", "from before")
		wantValue(t, n, "long", long)
		wantContent(t, n, "long", []byte(long))
	}
	issues := w.ns("acme", "jira/issues")
	wantError(t, issues, "k", store.ErrNotApproved)
	next := strings.Replace(fipsPolicy, "version: 1", "version: 2\nsuite: xaes-256-gcm", 1)
	if err := w.ApplyPolicy(t.Context(), mustParse(t, next), nil); err != nil {
		t.Fatal(err)
	}
	wantError(t, issues, "k", store.ErrNotApproved)
	mustPut(t, issues, "k", "new")
	wantValue(t, issues, "k", "new")
}
