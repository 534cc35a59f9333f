package store_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/store"
)

const (
	canaryValue = "canary-in-the-value-9f2c51"
	canaryKey   = "canary-in-the-key-77b0e4"
)

// No value and no unwrapped key is ever in a file of the store, its log included, at any moment
// of its life; user keys are, which is a known limit, and shows that the test would see them.
func TestFilesHoldNoSecrets(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 1 << 10, Rewrap: store.RewrapInline}, "acme")
	secrets := map[string][]byte{"the value": []byte(canaryValue)}
	large := strings.Repeat(canaryValue+" ", 200)
	names := []string{"jira/comments", "jira/attachments", "jira/analytics", "jira/cached-content"}
	look := func(when string) {
		t.Helper()
		b := rob(t, filepath.Join(w.dir, "keyring.db"), w.roots)
		for tenant, key := range b.holders {
			secrets["a tenant key of "+tenant] = key
		}
		for number, key := range b.data {
			secrets[fmt.Sprint("data key ", number)] = key.bytes
			for _, label := range []codec.Label{codec.LabelValue, codec.LabelWrap, codec.LabelDictionary} {
				secrets[fmt.Sprint("a subkey of ", number, label)] = derived(key.bytes, label)
			}
		}
		files, sawUserKey := filesOf(t, w.dir), false
		for name, file := range files {
			sawUserKey = sawUserKey || bytes.Contains(file, []byte(canaryKey))
			for what, secret := range secrets {
				if len(secret) > 0 && bytes.Contains(file, secret) {
					t.Errorf("%s: %s is in %s", when, what, name)
				}
			}
		}
		if !sawUserKey || len(secrets) < 10 {
			t.Fatalf("%s: the test sees nothing: %d files, %d secrets", when, len(files), len(secrets))
		}
	}
	for _, name := range names {
		mustPut(t, w.ns("acme", name), canaryKey, canaryValue)
		mustPut(t, w.ns("acme", name), canaryKey+"-large", large)
	}
	look("after writing")
	if _, err := w.tenant("acme").RotateDataKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		wantValue(t, w.ns("acme", name), canaryKey, canaryValue) // rewraps it
	}
	look("after rotating")
	w.reopen()
	look("after reopening")
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	look("after revoking")
}

func filesOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[path], err = os.ReadFile(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the engine has removed it meanwhile
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Errors and logs tell what failed and where, but never a value, a key or a user key.
func TestErrorsAndLogsHoldNoSecrets(t *testing.T) {
	var said bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w := newWorld(t, store.Options{Logger: logger, Inline: 1 << 10, Rewrap: store.RewrapInline}, "acme")
	n, key, value := w.ns("acme", "jira/comments"), []byte(canaryKey), []byte(canaryValue)
	failures := 0
	failed := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("nothing failed where something should")
			return
		}
		failures++
		fmt.Fprintf(&said, "%v\n%+v\n%#v\n", err, err, err)
	}
	get := func() error { _, err := n.Get(context.Background(), key); return err }

	failed(get())
	failed(n.CompareAndSwap(t.Context(), key, value, value))
	mustPut(t, n, canaryKey, canaryValue)
	failed(n.PutIfAbsent(t.Context(), key, value))
	failed(n.CompareAndSwap(t.Context(), key, []byte("other"), value))
	failed(n.Put(t.Context(), bytes.Repeat(key, 100), value))
	failed(n.Put(t.Context(), key, make([]byte, store.MaxValueLen+1)))
	failed(w.NewBatch().Put(n, nil, value))
	_, err := w.AddTenant(t.Context(), "acme", nil)
	failed(err)
	_, err = w.AddTenant(t.Context(), "no/tenant", nil)
	failed(err)

	w.roots["test://acme"].SetError(root.ErrUnavailable)
	w.reopen()
	n = w.ns("acme", "jira/comments")
	failed(get())
	failed(n.Put(t.Context(), key, value))
	w.roots["test://acme"].SetError(root.ErrRevoked)
	w.reopen()
	n = w.ns("acme", "jira/comments")
	failed(get())
	for e, err := range n.Scan(t.Context(), nil) {
		_, valueErr := e.Value()
		failed(valueErr)
		if err != nil {
			t.Fatal(err)
		}
	}
	w.roots["test://acme"].SetError(nil)
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	failed(get())
	w.Close()
	failed(get())

	secrets := []string{canaryValue, canaryKey}
	b := rob(t, filepath.Join(w.dir, "keyring.db"), w.roots)
	for _, k := range b.holders {
		secrets = append(secrets, string(k), hex.EncodeToString(k), base64.StdEncoding.EncodeToString(k), fmt.Sprint(k))
	}
	for _, k := range b.data {
		secrets = append(secrets, string(k.bytes), hex.EncodeToString(k.bytes), base64.StdEncoding.EncodeToString(k.bytes), fmt.Sprint(k.bytes))
	}
	for i, secret := range secrets {
		if strings.Contains(said.String(), secret) || strings.Contains(said.String(), fmt.Sprint([]byte(secret))) {
			t.Errorf("secret %d is in an error or a log line", i)
		}
	}
	if failures < 14 || !strings.Contains(said.String(), "acme") {
		t.Fatalf("%d failures, and they say:\n%s", failures, said.String())
	}
}
