package store_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// settle fills a tenant's namespaces of every domain.
func settle(t *testing.T, w *world, id string) {
	t.Helper()
	for _, name := range []string{"jira/comments", "jira/attachments", "jira/attachment-metadata"} {
		n := w.ns(id, name)
		mustPut(t, n, "k", "value of "+id)
		mustPut(t, n, "large", string(bytes.Repeat([]byte(id), 100_000)))
	}
}

// found lists the files of the store that hold any of the needles.
func found(t *testing.T, w *world, needles [][]byte) (files []string) {
	t.Helper()
	err := filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // an engine's file that nothing needs any more
		}
		for _, needle := range needles {
			if bytes.Contains(data, needle) {
				files = append(files, path)
				break
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func shred(t *testing.T, w *world, opts *store.ShredOptions) store.ShredReceipt {
	t.Helper()
	receipt, err := w.tenant("acme").Shred(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.VerifyAudit(t.Context(), &receipt.Head); err != nil {
		t.Fatalf("the receipt's head: %v", err)
	}
	return receipt
}

func TestShredTenant(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 1 << 10}, "acme")
	settle(t, w, "acme")
	for range 30 { // keys that fill more pages than what comes after them uses again
		rotateAcme(t, w)
	}
	wraps := wrappedKeys(t, w)
	w.enroll("globex")
	settle(t, w, "globex")
	n, metadata := w.ns("acme", "jira/comments"), w.ns("acme", "jira/attachment-metadata")
	if receipt := shred(t, w, nil); receipt.Keys != 1+31*4 || receipt.What != "whole" {
		t.Errorf("%+v", receipt)
	}
	if files := found(t, w, wraps); len(files) > 0 {
		t.Errorf("destroyed keys are in %v", files)
	}
	for range 2 {
		for _, n := range []*store.Namespace{n, metadata} {
			wantError(t, n, "k", store.ErrNotFound)
			if err := n.Put(t.Context(), []byte("k"), []byte("v")); !errors.Is(err, store.ErrKeyDestroyed) {
				t.Errorf("a shredded tenant is written to: %v", err)
			}
		}
		wantValue(t, w.ns("globex", "jira/comments"), "k", "value of globex")
		if usage, err := w.Usage(t.Context(), "acme"); err != nil || len(usage) > 0 {
			t.Errorf("%v of it is left: %v", usage, err)
		}
		w.reopen()
		n, metadata = w.ns("acme", "jira/comments"), w.ns("acme", "jira/attachment-metadata")
	}
	if _, err := w.AddTenant(t.Context(), "acme", nil); !errors.Is(err, store.ErrTenantExists) {
		t.Errorf("its id is given again: %v", err)
	}
	if info, err := w.tenant("acme").Info(); err != nil || info.Status() != "shredded" {
		t.Errorf("%+v, %v", info, err)
	}
	for what, act := range map[string]func() error{
		"restore": func() error { return w.tenant("acme").Restore(t.Context()) },
		"root":    func() error { return w.tenant("acme").RotateRoot(t.Context(), "") },
	} {
		if err := act(); !errors.Is(err, store.ErrKeyDestroyed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := w.RotatePlatformRoot(t.Context(), platformURI); err != nil {
		t.Errorf("it stands in the way of the platform: %v", err)
	}
}

// A tenant that has left and taken its key along: what was in its scope goes, the rest stays.
func TestShredInScope(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 1 << 10}, "acme")
	settle(t, w, "acme")
	w.roots["test://acme"].SetError(root.ErrRevoked)
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	receipt := shred(t, w, &store.ShredOptions{InScope: true})
	if len(receipt.Namespaces) != 2 {
		t.Errorf("%+v", receipt)
	}
	for range 2 {
		wantError(t, w.ns("acme", "jira/comments"), "k", store.ErrNotFound)
		wantError(t, w.ns("acme", "jira/attachments"), "large", store.ErrNotFound)
		wantValue(t, w.ns("acme", "jira/attachment-metadata"), "k", "value of acme")
		mustPut(t, w.ns("acme", "jira/attachment-metadata"), "new", "v")
		for _, name := range []string{"jira/comments", "jira/attachments"} {
			if err := w.ns("acme", name).Put(t.Context(), []byte("k"), nil); !errors.Is(err, store.ErrKeyDestroyed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.reopen()
	}
}

func TestShredNamespace(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 1 << 10}, "acme")
	settle(t, w, "acme")
	gone := &store.ShredOptions{Namespaces: []string{"jira/attachments"}}
	w.roots["test://acme"].SetError(root.ErrRevoked)
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.tenant("acme").Shred(t.Context(), gone); !errors.Is(err, store.ErrKeyRevoked) {
		t.Fatalf("without the tenant's word: %v", err)
	}
	wantValue(t, w.ns("acme", "jira/attachment-metadata"), "k", "value of acme")
	w.roots["test://acme"].SetError(nil)
	if err := w.tenant("acme").Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := w.ns("acme", "jira/attachments")
	if _, err := n.Get(t.Context(), []byte("k")); !errors.Is(err, store.ErrKeyDestroyed) {
		t.Errorf("what is announced still opens: %v", err)
	}
	w.reopen() // cut short there; done again it is completed
	if receipt := shred(t, w, gone); receipt.Keys != 2 {
		t.Errorf("%+v", receipt)
	}
	n = w.ns("acme", "jira/attachments")
	wantError(t, n, "k", store.ErrNotFound)
	wantValue(t, w.ns("acme", "jira/comments"), "large", string(bytes.Repeat([]byte("acme"), 100_000)))
	mustPut(t, n, "k", "new")
	w.reopen()
	wantValue(t, w.ns("acme", "jira/attachments"), "k", "new")
}

// The engine fails after the keys are gone: nothing opens, and doing it again deletes the records.
func TestShredIsCompleted(t *testing.T) {
	e := &hooked{Engine: kept{mem.New()}}
	w := newWorld(t, store.Options{Engine: e, Rewrap: store.RewrapOff}, "acme")
	settle(t, w, "acme")
	fails := errors.New("no")
	armed := false
	e.before = func([]write) error {
		if armed {
			return fails
		}
		return nil
	}
	n := w.ns("acme", "jira/comments")
	armed = true // the first write of a shredding that is not of the keyring is the mirror
	if _, err := w.tenant("acme").Shred(t.Context(), nil); !errors.Is(err, fails) {
		t.Fatal(err)
	}
	wantError(t, n, "k", store.ErrKeyDestroyed)
	armed = false
	w.reopen()
	wantError(t, w.ns("acme", "jira/comments"), "k", store.ErrKeyDestroyed)
	shred(t, w, nil)
	wantError(t, w.ns("acme", "jira/comments"), "k", store.ErrNotFound)
}

// A writer that has begun is waited for: what it wrote is deleted with the rest.
func TestShredWaitsForWriters(t *testing.T) {
	w, n, g, wrote := pinned(t, "Put", store.Options{})
	shredded := make(chan error, 1)
	go func() {
		_, err := w.tenant("acme").Shred(context.Background(), nil)
		shredded <- err
	}()
	select {
	case err := <-shredded:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	g.letGo()
	if err := errors.Join(<-wrote, <-shredded); err != nil {
		t.Fatal(err)
	}
	wantError(t, n, "k", store.ErrNotFound)
}
