package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/mem"
)

var suites = []scope.Suite{scope.XChaCha20Poly1305, scope.XAES256GCM}

// defaultBy is the default policy, by another suite.
func defaultBy(t testing.TB, suite scope.Suite) *scope.Policy {
	t.Helper()
	p, err := scope.Parse("test.yaml", fmt.Appendf(nil, "suite: %s\n%s", suite, scope.Default().Source()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ofSuite is a rule's domain and suite, for policy.
func ofSuite(domain string, suite scope.Suite) string { return domain + "\n  suite: " + suite.String() }

// suiteOf is what a record of acme's comments is sealed by.
func suiteOf(t *testing.T, w *world, key string) scope.Suite {
	t.Helper()
	head, err := w.Head(t.Context(), "acme", "jira/comments", []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return scope.Suite(head.Suite)
}

// Another suite is one more thing that makes records stale: they read as before, move when they are
// read, in chunks or not, and the rest by a sweep, after which the old keys can be retired.
func TestSuiteMoves(t *testing.T) {
	for _, domain := range []string{"tenant", "platform", "both"} {
		for i, from := range suites {
			to := suites[1-i]
			t.Run(fmt.Sprint(domain, " to ", to), func(t *testing.T) {
				w := policyWorld(t, ofSuite(domain, from), store.Options{Rewrap: store.RewrapInline})
				n := w.ns("acme", "jira/comments")
				fill(t, n, 50)
				if got := suiteOf(t, w, "k0001"); got != from {
					t.Fatalf("written by %v", got)
				}
				apply(t, w, 2, ofSuite(domain, to), false)
				mustPut(t, n, "new", "of the new suite")
				if got := suiteOf(t, w, "new"); got != to {
					t.Fatalf("written by %v after the policy changed", got)
				}
				for range 2 { // moved by reading, then as moved
					wantValue(t, n, "k0007", "value 7")
					wantValue(t, n, "large", string(make([]byte, 100_000)))
				}
				for key, want := range map[string]scope.Suite{"k0007": to, "large": to, "k0008": from} {
					if got := suiteOf(t, w, key); got != want {
						t.Fatalf("%s is sealed by %v, want %v", key, got, want)
					}
				}
				w.reopen()
				n = w.ns("acme", "jira/comments")
				wantValue(t, n, "k0009", "value 9")
				domains(t, w)
				for _, c := range coverage(t, w) {
					if c.Namespace != "jira/comments" || c.State != "draining" {
						continue
					}
					if err := w.tenant("acme").RetireDataKey(t.Context(), c.Namespace, c.Number, false); err != nil {
						t.Fatalf("a key of the old suite: %v", err)
					}
				}
				for _, key := range []string{"k0010", "large", "new"} {
					if got := suiteOf(t, w, key); got != to {
						t.Fatalf("%s is sealed by %v after the sweep", key, got)
					}
				}
				wantValue(t, n, "k0010", "value 10")
				wantValue(t, n, "large", string(make([]byte, 100_000)))
			})
		}
	}
}

// Rotating and tenant keys of their own change no suite; data keys are wrapped by their own suite.
func TestSuiteStays(t *testing.T) {
	w := policyWorld(t, ofSuite("both", scope.XAES256GCM), store.Options{})
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "value")
	rotateAcme(t, w)
	if _, err := w.tenant("acme").RotateTenantKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.reopen()
	n = w.ns("acme", "jira/comments")
	wantValue(t, n, "k", "value")
	mustPut(t, n, "k2", "value")
	if suiteOf(t, w, "k2") != scope.XAES256GCM {
		t.Fatal("a rotation changed the suite")
	}
}

// A head that names another suite than its key's is a key mismatch, whatever is sealed.
func TestOtherSuiteInTheHead(t *testing.T) {
	for _, suite := range suites {
		s := newScene(t, suite)
		for _, p := range s.records {
			var e codec.Envelope
			if err := e.Parse(bytes.Clone(p.raw)); err != nil {
				t.Fatal(err)
			}
			if e.Suite != codec.Suite(suite) {
				t.Fatalf("%s is sealed by %v, want %v", p, e.Suite, suite)
			}
			e.Suite = 3 - e.Suite
			s.put(p, e.Append(nil))
			s.refusedAs(p, "of the other suite", store.ErrKeyMismatch)
			s.restore(p)
		}
	}
}

// A Writer whose namespace gets another suite stores nothing: its chunks are of the old one. A Put
// in between seals again.
func TestWriterAcrossSuites(t *testing.T) {
	w := policyWorld(t, ofSuite("tenant", scope.XChaCha20Poly1305), store.Options{})
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "before")
	writer, err := n.Create(t.Context(), []byte("k"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write(make([]byte, 2_000_000)); err != nil {
		t.Fatal(err)
	}
	apply(t, w, 2, ofSuite("tenant", scope.XAES256GCM), false)
	if err := writer.Close(); !errors.Is(err, store.ErrPolicyChanged) {
		t.Fatalf("Close returns %v", err)
	}
	wantValue(t, n, "k", "before")
	mustCreate(t, n, "k", make([]byte, 2_000_000))
	wantContent(t, n, "k", make([]byte, 2_000_000))
	if suiteOf(t, w, "k") != scope.XAES256GCM {
		t.Error("written by the old suite")
	}
}

// What is written in chunks while the namespace gets another suite is sealed again, by a Put and by a Batch.
func TestChunksAcrossSuites(t *testing.T) {
	for _, name := range []string{"chunked Put", "chunked Batch"} {
		e, changed, applied := &hooked{Engine: mem.New()}, false, make(chan error, 1)
		w := policyWorld(t, ofSuite("tenant", scope.XChaCha20Poly1305), store.Options{Engine: e})
		next := policy(t, 2, ofSuite("tenant", scope.XAES256GCM))
		n := w.ns("acme", "jira/comments")
		mustPut(t, n, "other", "v")
		e.before = func(writes []write) error {
			if codec.Kind(writes[0].key[0]) != codec.KindChunk || changed {
				return nil
			}
			changed = true
			go func() { applied <- w.ApplyPolicy(context.Background(), next, nil) }() // waits for this chunk
			for mustPut(t, n, "other", "v"); suiteOf(t, w, "other") != scope.XAES256GCM; mustPut(t, n, "other", "v") {
				time.Sleep(time.Millisecond)
			}
			return nil
		}
		if err := pinners[name](t.Context(), w, n); err != nil || !changed {
			t.Fatalf("%s: %v, changed: %v", name, err, changed)
		}
		if err := <-applied; err != nil {
			t.Fatal(err)
		}
		wantValue(t, n, "k", strings.Repeat("v2", 50_000))
		if suiteOf(t, w, "k") != scope.XAES256GCM {
			t.Errorf("%s: sealed by the old suite", name)
		}
	}
}
