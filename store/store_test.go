package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/store"
)

const platformURI = "test://platform"

// world is a store in a directory of the test's, with roots that the test can make fail.
type world struct {
	t     *testing.T
	dir   string
	roots roottest.Opener
	opts  store.Options
	*store.Store
}

func newWorld(t *testing.T, opts store.Options, tenants ...string) *world {
	t.Helper()
	return newWorldIn(t, filepath.Join(t.TempDir(), "store"), opts, tenants...)
}

func newWorldIn(t *testing.T, dir string, opts store.Options, tenants ...string) *world {
	t.Helper()
	w := &world{t: t, dir: dir, opts: opts, roots: roottest.Opener{}}
	w.roots[platformURI] = roottest.NewKey("platform")
	w.opts.Roots = w.roots
	w.opts.CollectEvery = -1
	s, err := store.Create(t.Context(), w.dir, platformURI, &w.opts)
	if err != nil {
		t.Fatal(err)
	}
	w.Store = s
	t.Cleanup(func() { w.Store.Close() })
	for _, id := range tenants {
		w.enroll(id)
	}
	return w
}

// enroll adds a tenant with a root of its own.
func (w *world) enroll(id string) {
	w.t.Helper()
	uri := "test://" + id
	w.roots[uri] = roottest.NewKey(id)
	if _, err := w.AddTenant(w.t.Context(), id, &store.TenantOptions{Root: uri}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tenant(id string) *store.Tenant {
	w.t.Helper()
	t, err := w.Tenant(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

func (w *world) ns(tenant, name string) *store.Namespace {
	w.t.Helper()
	n, err := w.tenant(tenant).Namespace(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) reopen() {
	w.t.Helper()
	if err := w.Store.Close(); err != nil {
		w.t.Fatal(err)
	}
	s, err := store.Open(w.t.Context(), w.dir, &w.opts)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Store = s
}

func mustPut(t *testing.T, n *store.Namespace, key, value string) {
	t.Helper()
	if err := n.Put(t.Context(), []byte(key), []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func wantValue(t *testing.T, n *store.Namespace, key, value string) {
	t.Helper()
	got, err := n.Get(t.Context(), []byte(key))
	if err != nil || string(got) != value {
		t.Fatalf("Get(%q) = %d bytes, %v; want %d bytes", key, len(got), err, len(value))
	}
}

func wantError(t *testing.T, n *store.Namespace, key string, class error) {
	t.Helper()
	if got, err := n.Get(t.Context(), []byte(key)); !errors.Is(err, class) {
		t.Fatalf("Get(%q) = %d bytes, %v; want %v", key, len(got), err, class)
	}
}

func TestMainJob(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme", "globex")
	comments, metadata := w.ns("acme", "jira/comments"), w.ns("acme", "jira/attachment-metadata")
	attachments := w.ns("acme", "jira/attachments")
	large := string(bytes.Repeat([]byte("0123456789abcdef"), 40_000))
	mustPut(t, comments, "ABC-1/1", "a comment")
	mustPut(t, comments, "large", large)
	mustPut(t, metadata, "a1", "name and size")
	mustPut(t, attachments, "a1", "contents")
	mustPut(t, attachments, "large", large)
	mustPut(t, w.ns("globex", "jira/comments"), "ABC-1/1", "another's")
	check := func() {
		t.Helper()
		comments, metadata, attachments = w.ns("acme", "jira/comments"), w.ns("acme", "jira/attachment-metadata"), w.ns("acme", "jira/attachments")
		wantValue(t, comments, "ABC-1/1", "a comment")
		wantValue(t, comments, "large", large)
		wantValue(t, metadata, "a1", "name and size")
		wantValue(t, attachments, "a1", "contents")
		wantValue(t, attachments, "large", large)
	}
	check()
	w.reopen()
	check()

	done, err := w.tenant("acme").RotateDataKeys(t.Context())
	if err != nil || len(done) != 4 {
		t.Fatalf("rotated %v, %v; want 4 keys", done, err)
	}
	check()
	deadline := time.Now().Add(5 * time.Second)
	for w.Stats().Rewrapped < 5 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if got := w.Stats(); got.Rewrapped != 5 {
		t.Fatalf("rewrapped %+v, want 5 records", got)
	}
	check()
	if _, err := w.tenant("acme").RotateTenantKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	check()
	w.roots["test://acme-2"] = roottest.NewKey("acme-2")
	if err := w.tenant("acme").RotateRoot(t.Context(), "test://acme-2"); err != nil {
		t.Fatal(err)
	}
	w.roots["test://platform-2"] = roottest.NewKey("platform-2")
	if _, err := w.AddTenant(t.Context(), "hosted", nil); err != nil {
		t.Fatal(err)
	}
	mustPut(t, w.ns("hosted", "jira/comments"), "k", "v")
	if err := w.RotatePlatformRoot(t.Context(), "test://platform-2"); err != nil {
		t.Fatal(err)
	}
	delete(w.roots, platformURI)
	w.reopen()
	check()
	wantValue(t, w.ns("hosted", "jira/comments"), "k", "v")

	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantError(t, comments, "ABC-1/1", store.ErrKeyRevoked)
	wantValue(t, metadata, "a1", "name and size")
	wantValue(t, attachments, "a1", "contents") // a transition: the platform's wrap serves
	wantValue(t, attachments, "large", large)
	wantError(t, comments, "none", store.ErrNotFound)
	if err := attachments.Put(t.Context(), []byte("x"), nil); !errors.Is(err, store.ErrKeyRevoked) {
		t.Fatalf("Put for a revoked tenant: %v", err)
	}
	wantValue(t, w.ns("globex", "jira/comments"), "ABC-1/1", "another's")
	var seen []string
	for e, err := range comments.Scan(t.Context(), nil) {
		_, valueErr := e.Value()
		seen = append(seen, fmt.Sprint(string(e.Key), " ", err, " ", errors.Is(valueErr, store.ErrKeyRevoked)))
	}
	if fmt.Sprint(seen) != "[ABC-1/1 <nil> true large <nil> true]" {
		t.Fatalf("scan of a revoked namespace: %v", seen)
	}
	if err := w.tenant("acme").Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	check()
	w.reopen()
	check()

	rows, err := w.Usage(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		t.Logf("%+v", row)
	}
	for e, err := range w.Audit(0) {
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", e)
	}
	if head, err := w.VerifyAudit(t.Context(), nil); err != nil {
		t.Fatal(head, err)
	}
}

func TestRootRevokes(t *testing.T) {
	w := newWorld(t, store.Options{KeyTTL: 200 * time.Millisecond}, "acme")
	comments, attachments := w.ns("acme", "jira/comments"), w.ns("acme", "jira/attachments")
	mustPut(t, comments, "k", "v")
	mustPut(t, attachments, "k", "v")
	w.roots["test://acme"].SetError(root.ErrRevoked)
	deadline := time.Now().Add(5 * time.Second) // KeyTTL, and what a busy machine adds
	for {
		_, err := comments.Get(context.Background(), []byte("k"))
		if errors.Is(err, store.ErrKeyRevoked) {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("still %v", err)
		}
	}
	wantValue(t, attachments, "k", "v")
	w.roots["test://acme"].SetError(nil)
	for {
		if _, err := comments.Get(context.Background(), []byte("k")); err == nil {
			break
		} else if !errors.Is(err, store.ErrKeyRevoked) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	wantValue(t, attachments, "k", "v")
}

// The lock names its holder while there is one, and nobody afterwards.
func TestHeldStore(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	var held *store.HeldError
	if _, err := store.Open(t.Context(), w.dir, &w.opts); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Fatalf("a store that is open opens again: %v", err)
	}
	w.Close()
	opts := w.opts
	opts.ReadOnly = true
	for range 2 { // readers share it
		reader, err := store.Open(t.Context(), w.dir, &opts)
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
	}
	if _, err := store.Open(t.Context(), w.dir, &w.opts); !errors.As(err, &held) || held.PID != 0 {
		t.Fatalf("a reader holds it: %v", err)
	}
}

func TestInvalidNames(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	_, err := w.AddTenant(t.Context(), "a b", nil)
	if !errors.Is(err, store.ErrInvalidName) || errors.Is(err, store.ErrMalformed) {
		t.Error(err)
	}
	if _, err := w.Tenant(""); !errors.Is(err, store.ErrInvalidName) {
		t.Error(err)
	}
	if _, err := w.tenant("acme").Namespace("comments"); !errors.Is(err, store.ErrInvalidName) {
		t.Error(err)
	}
	if _, err := w.tenant("acme").Namespace("jira/coments"); !errors.Is(err, store.ErrNamespaceUnknown) {
		t.Error(err)
	}
	if err := w.ns("acme", "jira/comments").Put(t.Context(), nil, nil); !errors.Is(err, store.ErrInvalidName) {
		t.Error(err)
	}
}
