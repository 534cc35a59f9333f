package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// policy is a version of one with a single data type, and of one that never changes.
func policy(t *testing.T, version int, comments string) *scope.Policy {
	t.Helper()
	p, err := scope.Parse("test.yaml", fmt.Appendf(nil, `version: %d
name: test
rules:
- namespace: jira/issues
  domain: tenant
- namespace: jira/comments
  domain: %s
`, version, comments))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// policyWorld has a store under version 1.
func policyWorld(t *testing.T, comments string, opts store.Options) *world {
	t.Helper()
	opts.Policy = policy(t, 1, comments)
	if opts.Inline == 0 {
		opts.Inline = 1 << 10
	}
	return newWorld(t, opts, "acme")
}

func apply(t *testing.T, w *world, version int, comments string, downgrade bool) {
	t.Helper()
	if err := w.ApplyPolicy(t.Context(), policy(t, version, comments), &store.ApplyOptions{AllowDowngrade: downgrade}); err != nil {
		t.Fatal(err)
	}
}

// domains are those of the keys that the last sweep found records under, with how many.
func domains(t *testing.T, w *world) map[string]uint64 {
	t.Helper()
	infos, err := w.tenant("acme").DataKeys()
	if err != nil {
		t.Fatal(err)
	}
	domain := map[uint32]string{}
	for _, info := range infos {
		domain[info.Number] = info.Domain
	}
	out := map[string]uint64{}
	for _, census := range sweep(t, w, &store.SweepOptions{Namespaces: []string{"jira/comments"}}) {
		if census.Missed > 0 {
			t.Fatalf("%d records did not open", census.Missed)
		}
		for _, c := range census.Counts {
			out[domain[c.Key]] += c.Records
		}
	}
	return out
}

// Every way from one domain to another: what lies there reads before, while and after it is
// moved, whether it was read in between or not, and the keys that it has left can be retired.
func TestPolicyMoves(t *testing.T) {
	for _, from := range []string{"tenant", "platform", "both"} {
		for _, to := range []string{"tenant", "platform", "both"} {
			if from == to {
				continue
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				w := policyWorld(t, from, store.Options{Rewrap: store.RewrapInline})
				n := w.ns("acme", "jira/comments")
				fill(t, n, 300)
				mustPut(t, w.ns("acme", "jira/issues"), "k", "v")
				snapshot, err := w.Snapshot(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				apply(t, w, 2, to, true)
				mustPut(t, n, "new", "of the new policy")
				if got := domainOf(t, w, "new"); got != to {
					t.Fatalf("written under the new policy: %s", got)
				}
				for range 2 { // moved by reading, then as moved
					wantValue(t, n, "k0007", "value 7")
					wantValue(t, n, "large", string(make([]byte, 100_000)))
				}
				if got, err := snapshot.Get(t.Context(), n, []byte("k0008")); err != nil || string(got) != "value 8" {
					t.Fatalf("from before the policy: %q, %v", got, err)
				}
				snapshot.Close()
				w.reopen()
				n = w.ns("acme", "jira/comments")
				wantValue(t, n, "k0009", "value 9")
				want := map[string]uint64{to: 302}
				if to == "both" {
					want = map[string]uint64{"tenant": 302, "platform": 302}
				}
				if got := domains(t, w); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("after the sweep %v, want %v", got, want)
				}
				for _, c := range coverage(t, w) {
					if c.Namespace != "jira/comments" || c.State != "draining" {
						continue
					}
					if err := w.tenant("acme").RetireDataKey(t.Context(), c.Namespace, c.Number, false); err != nil {
						t.Fatalf("a key of the old policy: %v", err)
					}
				}
				wantValue(t, n, "k0010", "value 10")
				wantValue(t, n, "new", "of the new policy")
				for _, c := range coverage(t, w) {
					if c.Namespace == "jira/comments" && to != "both" && c.Domain != to {
						t.Fatalf("a key of domain %s is left", c.Domain)
					}
				}
			})
		}
	}
}

// What is back where it was gets new numbers, and reads whatever way it took.
func TestPolicyBackAndForth(t *testing.T) {
	w := policyWorld(t, "tenant", store.Options{Rewrap: store.RewrapOff})
	n := w.ns("acme", "jira/comments")
	for i, domain := range []string{"tenant", "both", "platform", "tenant", "platform", "both", "tenant"} {
		if i > 0 {
			apply(t, w, i+1, domain, true)
		}
		mustPut(t, n, fmt.Sprint(i), domain)
		for j := range i + 1 {
			if _, err := n.Get(t.Context(), fmt.Append(nil, j)); err != nil {
				t.Fatalf("version %d: what version %d wrote: %v", i+1, j+1, err)
			}
		}
	}
	if got := domains(t, w); got["tenant"] != 7 || len(got) != 1 {
		t.Fatal(got)
	}
}

// domainOf is under whose keys a comment is.
func domainOf(t *testing.T, w *world, key string) string {
	t.Helper()
	head, err := w.Head(t.Context(), "acme", "jira/comments", []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	infos, err := w.tenant("acme").DataKeys()
	if err != nil {
		t.Fatal(err)
	}
	if len(head.Keys) == 2 {
		return "both"
	}
	for _, info := range infos {
		if info.Number == head.Keys[0] {
			return info.Domain
		}
	}
	return "nobody"
}

// A writer that has begun is waited for.
func TestPolicyWaitsForWriters(t *testing.T) {
	g := newGatekeeper(mem.New())
	w := policyWorld(t, "tenant", store.Options{Engine: g.engine})
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "other", "v")
	g.hold(n, "k")
	t.Cleanup(g.letGo)
	wrote, applied := make(chan error, 1), make(chan error, 1)
	go func() { wrote <- n.Put(context.Background(), []byte("k"), []byte("v")) }()
	<-g.arrived
	go func() {
		applied <- w.ApplyPolicy(context.Background(), policy(t, 2, "both"), &store.ApplyOptions{AllowDowngrade: true})
	}()
	select {
	case err := <-applied:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	g.letGo()
	if err := errors.Join(<-wrote, <-applied); err != nil {
		t.Fatal(err)
	}
	mustPut(t, n, "k2", "v")
	if got := domainOf(t, w, "k2"); got != "both" {
		t.Error(got)
	}
}

func TestPolicyIsRefused(t *testing.T) {
	w := policyWorld(t, "tenant", store.Options{})
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "v")
	without, err := scope.Parse("test.yaml", []byte("version: 2\nname: test\nrules:\n- namespace: jira/issues\n  domain: tenant\n"))
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		policy *scope.Policy
		want   error
	}{
		"an old version":     {policy(t, 1, "both"), store.ErrPolicyVersion},
		"a namespace in use": {without, store.ErrNamespaceInUse},
		"a downgrade":        {policy(t, 2, "platform"), store.ErrDowngrade},
		"half a downgrade":   {policy(t, 2, "both"), store.ErrDowngrade},
		"the one in force":   {policy(t, 1, "tenant"), nil},
	} {
		if err := w.ApplyPolicy(t.Context(), c.policy, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	wantValue(t, n, "k", "v")
	if v := w.Policy().Version(); v != 1 {
		t.Errorf("version %d is in force", v)
	}
	w.Close()
	w.opts.ReadOnly = true
	w.reopen()
	if err := w.ApplyPolicy(t.Context(), policy(t, 2, "tenant"), nil); !errors.Is(err, store.ErrReadOnly) {
		t.Error(err)
	}
}

// Of a tenant that is revoked nothing leaves its keys, and what the new policy puts under the
// platform's works at once.
func TestDowngradeOfARevokedTenant(t *testing.T) {
	w := policyWorld(t, "tenant", store.Options{Rewrap: store.RewrapInline})
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "old", "v")
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	apply(t, w, 2, "platform", true)
	wantError(t, n, "old", store.ErrKeyRevoked)
	mustPut(t, n, "new", "v")
	wantValue(t, n, "new", "v")
	if err := w.tenant("acme").Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for { // the lease asks again within KeyTTL; Restore ends it at once
		if _, err := n.Get(t.Context(), []byte("old")); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantValue(t, n, "old", "v") // it has left
}

func TestPolicyIsAudited(t *testing.T) {
	w := policyWorld(t, "tenant", store.Options{})
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	apply(t, w, 2, "platform", true)
	var acts []string
	for e, err := range w.Audit(0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Act == keys.ActPolicy || e.Act == keys.ActDowngrade {
			acts = append(acts, e.Act+" "+e.Namespace)
		}
	}
	if fmt.Sprint(acts) != "[policy.apply  policy.downgrade jira/comments]" {
		t.Errorf("%q", acts)
	}
	if _, err := w.VerifyAudit(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// The signed policy of before, put back into a keyring that is otherwise of now.
func TestPolicyRolledBack(t *testing.T) {
	w := policyWorld(t, "platform", store.Options{Engine: newKept()})
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	w.Close()
	var old []byte
	meta(t, w, func(b *bolt.Bucket) error { old = append(old, b.Get([]byte("policy"))...); return nil })
	w.reopen()
	apply(t, w, 2, "tenant", false)
	w.Close()
	meta(t, w, func(b *bolt.Bucket) error { return b.Put([]byte("policy"), old) })
	if _, err := store.Open(t.Context(), w.dir, &w.opts); !errors.Is(err, store.ErrRollback) {
		t.Fatalf("an old policy: %v", err)
	}
}

func meta(t *testing.T, w *world, fn func(*bolt.Bucket) error) {
	t.Helper()
	db, err := bolt.Open(w.dir+"/keyring.db", 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bolt.Tx) error { return fn(tx.Bucket([]byte("meta"))) }), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// Records from before a move into the tenant's keys, put back once the move is over.
func TestNothingComesBackAfterAMove(t *testing.T) {
	for _, from := range []string{"platform", "both"} {
		t.Run(from, func(t *testing.T) {
			e := mem.New()
			w := policyWorld(t, from, store.Options{Engine: e, Rewrap: store.RewrapOff})
			n := w.ns("acme", "jira/comments")
			mustPut(t, n, "k", "v")
			key := append(codec.AppendPrefix(nil, codec.KindRecord, "acme", "jira/comments"), 'k')
			old := rawGet(t, e, key)
			apply(t, w, 2, "tenant", false)
			domains(t, w)
			for _, c := range coverage(t, w) {
				if c.Domain == "platform" {
					if err := w.tenant("acme").RetireDataKey(t.Context(), c.Namespace, c.Number, false); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := w.tenant("acme").Revoke(t.Context()); err != nil { // the platform's root and keyring are left
				t.Fatal(err)
			}
			b := e.NewBatch()
			b.Set(key, old)
			if err := e.Apply(t.Context(), b, true); err != nil {
				t.Fatal(err)
			}
			wantError(t, n, "k", store.ErrKeyRevoked)
			if from == "both" {
				return // its other recipient is the tenant, who is welcome to it
			}
			if err := w.tenant("acme").Restore(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantError(t, n, "k", store.ErrKeyDestroyed)
		})
	}
}

// A transition ends at its date by itself: a sweep then leaves nothing with a wrap of the platform's, in chunks
// or not; and once the platform's key is retired, what was in the engine before opens to nobody who has
// the platform's root and the keyring of afterwards, neither through the store nor past it.
func TestEndOfATransitionByDate(t *testing.T) {
	c := newClock()
	ends := c.now().Add(72 * time.Hour).UTC()
	e := newKept()
	w := policyWorld(t, "both\n  until: "+ends.Format(time.DateOnly), store.Options{Engine: e, Rewrap: store.RewrapOff, Now: c.now})
	n := w.ns("acme", "jira/comments")
	blob := content(200_000, 5)
	mustPut(t, n, "k", "v")
	mustCreate(t, n, "blob", blob)
	before := map[string][]byte{}
	for _, kind := range []codec.Kind{codec.KindRecord, codec.KindChunk, codec.KindJournal} {
		keys, values := rawAll(t, e, kind)
		for i := range keys {
			before[string(keys[i])] = values[i]
		}
	}
	if got := domains(t, w); got["platform"] != 2 || got["tenant"] != 2 {
		t.Fatalf("before the end: %v", got)
	}
	known := w.haul(e)
	clear(known.data) // content keys alone: as who had the platform's root has unwrapped them
	c.move(73 * time.Hour)
	until(t, "the transition ends", func() bool {
		sweep(t, w, &store.SweepOptions{Again: true})
		return domains(t, w)["platform"] == 0
	})
	if opened := known.opens(e); opened > 0 {
		t.Fatalf("%d values have the content keys of the transition", opened)
	}
	retired, err := w.tenant("acme").RetireDataKeys(t.Context())
	if err != nil || len(retired) != 1 || retired[0].Domain != "platform" {
		t.Fatalf("%v, %v", retired, err)
	}
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	for key, value := range before {
		rawSet(t, e, []byte(key), value)
	}
	wantError(t, n, "k", store.ErrKeyRevoked)
	wantError(t, n, "blob", store.ErrKeyRevoked)
	db := openCopy(t, filepath.Join(w.dir, "keyring.db"))
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("data-keys")).ForEach(func(k, v []byte) error {
			row, err := codec.ParseDataKeyRow(k)
			var rec codec.DataKey
			if err = errors.Join(err, codec.DecodeRecord(v, &rec)); err == nil && row.Domain == codec.DomainPlatform && len(rec.Wrap) > 0 {
				t.Errorf("data key %d can still be unwrapped", row.Number)
			}
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A platform key opens in a tenant's namespace only what a policy has left there.
func TestOnlyWhatWasLeftBehindOpens(t *testing.T) {
	w := policyWorld(t, "both", store.Options{Rewrap: store.RewrapOff})
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "v")
	apply(t, w, 2, "tenant", false) // nothing was ever under the platform's key alone
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantError(t, n, "k", store.ErrKeyRevoked)
}

// Values from before a max-age are dated by the sweep, and expire.
func TestMaxAgeThatComesLater(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var mu sync.Mutex
	w := policyWorld(t, "tenant", store.Options{Rewrap: store.RewrapOff, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "v")
	mustPut(t, n, "large", string(make([]byte, 100_000)))
	apply(t, w, 2, "tenant\n  max-age: 30d", false)
	domains(t, w)
	move := func(d time.Duration) {
		mu.Lock()
		now = now.Add(d)
		mu.Unlock()
	}
	move(30*24*time.Hour - time.Second)
	wantValue(t, n, "k", "v")
	wantValue(t, n, "large", string(make([]byte, 100_000)))
	move(time.Second)
	wantError(t, n, "k", store.ErrNotFound)
	wantError(t, n, "large", store.ErrNotFound)
	if err := w.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.Stats().Expired; got != 2 {
		t.Errorf("%d records collected", got)
	}
}

// Writers, readers and sweeps while policies change: nothing is lost, and once ApplyPolicy is back
// nothing more is sealed as the old one wanted it.
func TestPolicyRace(t *testing.T) {
	w := policyWorld(t, "tenant", store.Options{NoSync: true})
	n := w.ns("acme", "jira/comments")
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			for j := 0; j == 0 || ctx.Err() == nil; j++ {
				key, value := fmt.Appendf(nil, "%d/%d", i, j%20), fmt.Append(nil, j)
				if err := n.Put(context.Background(), key, value); err != nil {
					t.Error(err)
					return
				}
				if got, err := n.Get(context.Background(), key); err != nil || string(got) != string(value) {
					t.Errorf("%q, %v; want %q", got, err, value)
					return
				}
			}
		})
	}
	for i, domain := range []string{"both", "platform", "tenant", "platform", "tenant", "both", "tenant"} {
		apply(t, w, i+2, domain, true)
		if _, err := w.tenant("acme").Sweep(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	stop()
	wait.Wait()
	if got := domains(t, w); len(got) != 1 || got["tenant"] == 0 {
		t.Error(got)
	}
}

func TestPlanPolicy(t *testing.T) {
	w := policyWorld(t, "tenant", store.Options{})
	mustPut(t, w.ns("acme", "jira/comments"), "k", "12345")
	mustPut(t, w.ns("acme", "jira/issues"), "k", "v")
	moves, err := w.PlanPolicy(t.Context(), policy(t, 2, "platform"))
	if err != nil || len(moves) != 1 {
		t.Fatal(moves, err)
	}
	if m := moves[0]; m.Namespace != "jira/comments" || m.Records != 1 || m.Bytes != 5 || !m.Downgrade() {
		t.Errorf("%+v", m)
	}
}

// A store that is only read has no key of the new policy yet, and reads what the old one left.
func TestReadOnlyAfterAPolicy(t *testing.T) {
	for _, to := range []string{"platform", "both"} {
		w := policyWorld(t, "tenant", store.Options{})
		mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
		apply(t, w, 2, to, true)
		w.Close()
		w.opts.ReadOnly = true
		w.reopen()
		wantValue(t, w.ns("acme", "jira/comments"), "k", "v")
	}
}

// A value that somebody began to write before its namespace got a max-age, and that is sealed after it, has a
// time.
func TestMaxAgeBesidePut(t *testing.T) {
	for _, length := range []int{10, 10_000} { // in its record, and in chunks
		w := policyWorld(t, "tenant", store.Options{})
		mustPut(t, w.ns("acme", "jira/comments"), "other", "v")
		asked, letGo := make(chan struct{}, 10), make(chan struct{})
		w.opts.Roots = root.OpenerFunc(func(ctx context.Context, uri string) (root.Key, error) {
			if uri == "test://acme" {
				asked <- struct{}{}
				<-letGo
			}
			return w.roots.OpenRoot(ctx, uri)
		})
		w.reopen()
		n := w.ns("acme", "jira/comments")
		wrote := make(chan error, 1)
		go func() { wrote <- n.Put(context.Background(), []byte("k"), make([]byte, length)) }()
		<-asked
		apply(t, w, 2, "tenant\n  max-age: 30d", false)
		close(letGo)
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
		head, err := w.Head(t.Context(), "acme", "jira/comments", []byte("k"))
		if err != nil || head.Written.IsZero() {
			t.Errorf("a value of %d bytes was written at %v, %v", length, head.Written, err)
		}
	}
}

// What a policy may ask for is what keys takes.
func TestLeastSeals(t *testing.T) {
	if keys.MinMaxSeals != scope.LeastSeals {
		t.Errorf("keys takes %d, a policy %d", keys.MinMaxSeals, scope.LeastSeals)
	}
}
