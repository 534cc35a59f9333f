package store_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// What happens in the background is in the log: with tenant and namespace, and never a key or a value.
func TestLog(t *testing.T) {
	var said lockedBuffer
	logger := slog.New(slog.NewJSONHandler(&said, nil))
	c := newClock()
	e := mem.New()
	w := policyWorld(t, "both", store.Options{Engine: e, Logger: logger, KeyTTL: keyTTL, Now: c.now})
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "secret-key", "secret-value")
	mustPut(t, w.ns("acme", "jira/issues"), "secret-key", "secret-value")
	apply(t, w, 2, ofSuite("both", scope.XAES256GCM), false)
	wantValue(t, n, "secret-key", "secret-value")
	logged := func(message string, fields ...string) {
		t.Helper()
		until(t, message, func() bool {
			return slices.ContainsFunc(strings.Split(said.String(), "\n"), func(line string) bool {
				return strings.Contains(line, message) && !slices.ContainsFunc(fields, func(f string) bool { return !strings.Contains(line, f) })
			})
		})
	}
	logged("data keys were replaced by policy", `"tenant":"acme","namespace":"jira/comments","keys":2`)
	w.roots["test://acme"].SetError(root.ErrUnavailable)
	c.move(keyTTL * 80 / 100)
	logged("root did not vouch", `"holder":"tenant acme"`)
	w.roots["test://acme"].SetError(nil)
	c.move(time.Hour)
	logged("keys ended at KeyTTL")
	wantValue(t, n, "secret-key", "secret-value")
	w.roots["test://acme"].SetError(root.ErrRevoked)
	c.move(keyTTL * 80 / 100)
	logged("keys ended, for the root has revoked them", `"holder":"tenant acme"`)
	logged("root of tenant changed its word", `"tenant":"acme","revoked":true`)
	wantValue(t, n, "secret-key", "secret-value")
	logged("values of a revoked tenant are read under the platform's key", `"namespace":"jira/comments"`)
	w.tenant("acme").Sweep(t.Context(), nil)
	logged("sweep paused", `"tenant":"acme","namespace":"jira/issues"`)
	if text := said.String(); strings.Contains(text, "secret") {
		t.Fatalf("a key or a value is in the log: %s", text)
	}
}

// A lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
