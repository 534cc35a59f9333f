package store_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// A clock stands still until the test moves it.
type clock struct {
	began time.Time
	moved atomic.Int64
}

func newClock() *clock { return &clock{began: time.Now()} }

func (c *clock) now() time.Time             { return c.began.Add(time.Duration(c.moved.Load())) }
func (c *clock) set(since time.Duration)    { c.moved.Store(int64(since)) }
func (c *clock) move(forward time.Duration) { c.moved.Add(int64(forward)) }

const (
	keyTTL = 160 * time.Millisecond // by the test's clock
	ticks  = 50 * time.Millisecond  // several ticks, by the machine's
)

// timed is a world under a clock, with one value under the tenant's key and one under both.
func timed(t *testing.T) (w *world, c *clock, comments, attachments *store.Namespace) {
	c = newClock()
	w = newWorld(t, store.Options{Engine: mem.New(), KeyTTL: keyTTL, Now: c.now}, "acme")
	comments, attachments = w.ns("acme", "jira/comments"), w.ns("acme", "jira/attachments")
	mustPut(t, comments, "k", "v")
	mustPut(t, attachments, "k", "v")
	return w, c, comments, attachments
}

func (w *world) unwraps(uri string) int {
	_, unwraps := w.roots[uri].Calls()
	return unwraps
}

// until waits for what happens at a tick.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func fails(n *store.Namespace, class error) func() bool {
	return func() bool { _, err := n.Get(context.Background(), []byte("k")); return errors.Is(err, class) }
}

// A root that revokes is asked, and believed, before the keys that it opened are KeyTTL old. What
// is under the platform's keys too goes on being read, and nothing is sealed.
func TestRootRevokesWithinKeyTTL(t *testing.T) {
	w, c, comments, attachments := timed(t)
	w.roots["test://acme"].SetError(root.ErrRevoked)
	c.set(keyTTL * 70 / 100)
	time.Sleep(ticks)
	wantValue(t, comments, "k", "v")
	c.set(keyTTL * 80 / 100)
	until(t, "reads fail", fails(comments, store.ErrKeyRevoked))
	wantValue(t, attachments, "k", "v")
	if err := attachments.Put(t.Context(), []byte("k"), []byte("new")); !errors.Is(err, store.ErrKeyRevoked) {
		t.Fatalf("Put: %v", err)
	}
	if info, err := w.tenant("acme").Info(); err != nil || !info.RootRevoked {
		t.Fatalf("%+v, %v", info, err)
	}
	w.roots["test://acme"].SetError(nil)
	c.move(time.Minute)
	until(t, "reads succeed", func() bool { _, err := comments.Get(context.Background(), []byte("k")); return err == nil })
	until(t, "writes succeed", func() bool { return attachments.Put(context.Background(), []byte("k"), []byte("new")) == nil })
	if info, err := w.tenant("acme").Info(); err != nil || info.RootRevoked {
		t.Fatalf("%+v, %v", info, err)
	}
}

// A root that cannot be asked lets keys live to the end of KeyTTL and no longer; and there is no
// fallback for it.
func TestUnavailableRootCoasts(t *testing.T) {
	bug := errors.New("a bug of the provider's")
	for failure, class := range map[error]error{
		root.ErrUnavailable: store.ErrKeyUnavailable, root.ErrThrottled: store.ErrKeyUnavailable,
		context.DeadlineExceeded: store.ErrKeyUnavailable, bug: bug,
	} {
		t.Run(failure.Error(), func(t *testing.T) {
			w, c, comments, attachments := timed(t)
			w.roots["test://acme"].SetError(failure)
			asked := w.unwraps("test://acme")
			c.set(keyTTL * 90 / 100)
			until(t, "the root is asked", func() bool { return w.unwraps("test://acme") > asked })
			time.Sleep(ticks)
			wantValue(t, comments, "k", "v")
			wantValue(t, attachments, "k", "v")
			c.set(keyTTL)
			until(t, "reads fail", fails(comments, class))
			until(t, "reads of both fail", fails(attachments, class))
			if err := comments.Put(t.Context(), []byte("k"), []byte("v")); !errors.Is(err, class) {
				t.Fatalf("Put: %v", err)
			}
			w.roots["test://acme"].SetError(nil)
			c.move(time.Minute)
			until(t, "reads succeed", func() bool { _, err := comments.Get(context.Background(), []byte("k")); return err == nil })
		})
	}
}

// A root that throttles is asked again only after a pause, also when it is asked before keys end.
func TestThrottledRootIsLeftInPeace(t *testing.T) {
	w, c, comments, _ := timed(t)
	w.roots["test://acme"].SetError(root.ErrThrottled)
	asked := w.unwraps("test://acme")
	c.set(keyTTL * 80 / 100) // and the clock stands still
	until(t, "the root is asked", func() bool { return w.unwraps("test://acme") > asked })
	time.Sleep(4 * ticks)
	wantValue(t, comments, "k", "v")
	if got := w.unwraps("test://acme") - asked; got != 1 {
		t.Fatalf("the root was asked %d times", got)
	}
}

// Of a revoked tenant's records those that need its keys are listed, counted and, by their names, deleted;
// in the same scan others give their values.
func TestRecordsOfARevokedTenant(t *testing.T) {
	w := policyWorld(t, "tenant", store.Options{Rewrap: store.RewrapOff})
	n := w.ns("acme", "jira/comments")
	for _, key := range []string{"a", "c", "e"} {
		mustPut(t, n, key, "tenant's")
	}
	apply(t, w, 2, "platform", true)
	for _, key := range []string{"b", "d"} {
		mustPut(t, n, key, "platform's")
	}
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := func() (keys, read string) {
		for e, err := range n.Scan(t.Context(), nil) {
			if err != nil {
				t.Fatal(err)
			}
			keys += string(e.Key)
			switch value, err := e.Value(); {
			case err == nil && string(value) == "platform's":
				read += string(e.Key)
			case !errors.Is(err, store.ErrKeyRevoked):
				t.Errorf("%s: %q, %v", e.Key, value, err)
			}
		}
		return keys, read
	}
	if keys, read := list(); keys != "abcde" || read != "bd" {
		t.Fatalf("listed %s, read %s", keys, read)
	}
	if err := n.Delete(t.Context(), []byte("c")); err != nil {
		t.Fatal(err)
	}
	if keys, _ := list(); keys != "abde" {
		t.Fatalf("listed %s after a deletion", keys)
	}
	rows, err := w.Usage(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]uint64{}
	for _, row := range rows {
		counted[row.Domain] += row.Records
	}
	if counted["tenant"] != 2 || counted["platform"] != 2 {
		t.Fatal(counted)
	}
}

// A machine that was suspended keeps no key for longer than a tick after it wakes.
func TestSuspendedMachine(t *testing.T) {
	for name, now := range map[string]func(c *clock) time.Time{
		"both clocks": (*clock).now,
		"wall clock":  func(c *clock) time.Time { return c.now().Round(0) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			w := newWorld(t, store.Options{Engine: mem.New(), KeyTTL: keyTTL, Now: func() time.Time { return now(c) }}, "acme")
			n := w.ns("acme", "jira/comments")
			mustPut(t, n, "k", "v")
			w.roots["test://acme"].SetError(root.ErrUnavailable)
			c.set(time.Hour)
			until(t, "the keys are purged", func() bool { return w.Stats().Keys.Open == 0 })
			wantError(t, n, "k", store.ErrKeyUnavailable)
		})
	}
}

// While the root is healthy, no read waits for it: keys are asked for before they end.
func TestRefreshIsNotNoticed(t *testing.T) {
	w, c, comments, _ := timed(t)
	w.roots["test://acme"].Delay(100 * time.Millisecond)
	w.roots[platformURI].Delay(100 * time.Millisecond)
	for range 4 {
		asked := w.unwraps("test://acme")
		c.move(keyTTL * 80 / 100)
		until(t, "the root was asked", func() bool {
			wantValue(t, comments, "k", "v")
			if open := w.Stats().Keys.Open; open < 2 {
				t.Fatalf("%d keys are open: one was purged", open)
			}
			return w.unwraps("test://acme") > asked && w.Stats().Keys.OldestKey == 0
		})
		if got := w.unwraps("test://acme") - asked; got != 1 {
			t.Fatalf("the root was asked %d times", got)
		}
	}
}

// However many wait for a key, its root is asked once; also if it fails.
func TestColdStart(t *testing.T) {
	w, c, _, _ := timed(t)
	names := []string{"jira/comments", "jira/attachments", "jira/issues", "jira/search-data"}
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		failing := round%2 == 1
		if failing {
			w.roots["test://acme"].SetError(root.ErrUnavailable)
		}
		c.move(time.Hour)
		until(t, "the keys are purged", func() bool { return w.Stats().Keys.Open == 0 })
		tenants, platforms := w.unwraps("test://acme"), w.unwraps(platformURI)
		var wait sync.WaitGroup
		for i := range 100 {
			n := w.ns("acme", names[i%len(names)])
			wait.Go(func() {
				err := n.Put(context.Background(), []byte("k"), []byte("v"))
				if failing != errors.Is(err, store.ErrKeyUnavailable) || !failing && err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		tenants, platforms = w.unwraps("test://acme")-tenants, w.unwraps(platformURI)-platforms
		if tenants != 1 || platforms != 1 {
			t.Fatalf("round %d: the tenant's root was asked %d times, the platform's %d times", round, tenants, platforms)
		}
		w.roots["test://acme"].SetError(nil)
	}
}

// Revoke and Restore under load: after Revoke has returned nothing is read or written any more,
// nor does anything end that began before; after Restore has returned everything works.
func TestRevokeUnderLoad(t *testing.T) {
	onEngines(t, func(t *testing.T, inner engine.Engine) {
		var dark atomic.Bool
		e := &hooked{Engine: inner}
		w := newWorld(t, store.Options{Engine: e, NoSync: true, Rewrap: store.RewrapOff}, "acme")
		names := []string{"jira/comments", "jira/issues"}
		for _, name := range names {
			mustPut(t, w.ns("acme", name), "k", "v")
		}
		e.after = func(ws []write) {
			if len(ws) > 0 && ws[0].key[0] == 0x10 && dark.Load() {
				t.Error("a write ended after the revocation")
			}
		}
		ctx, stop := context.WithTimeout(context.Background(), raceTime())
		defer stop()
		var wait sync.WaitGroup
		for i := range 6 {
			n := w.ns("acme", names[i%2])
			ops := []func() error{
				func() error { _, err := n.Get(context.Background(), []byte("k")); return err },
				func() error { return n.Put(context.Background(), []byte("k"), []byte("v")) },
				func() error { return firstValue(n) },
			}
			wait.Go(func() {
				for j := 0; ctx.Err() == nil; j++ {
					began := dark.Load()
					err := ops[(i+j)%len(ops)]()
					if err == nil && began && dark.Load() {
						t.Error("an operation succeeds for a revoked tenant")
					} else if err != nil && !errors.Is(err, store.ErrKeyRevoked) {
						t.Error(err)
					}
				}
			})
		}
		for ctx.Err() == nil {
			if err := w.tenant("acme").Revoke(context.Background()); err != nil {
				t.Error(err)
			}
			dark.Store(true)
			time.Sleep(2 * time.Millisecond)
			dark.Store(false)
			if err := w.tenant("acme").Restore(context.Background()); err != nil {
				t.Errorf("Restore: %v", err)
			}
			for _, name := range names {
				if _, err := w.ns("acme", name).Get(context.Background(), []byte("k")); err != nil {
					t.Errorf("after Restore: %v", err)
				}
			}
		}
		wait.Wait()
	})
}

func firstValue(n *store.Namespace) error {
	for e, err := range n.Scan(context.Background(), nil) {
		if err != nil {
			return err
		}
		_, err := e.Value()
		return err
	}
	return nil
}

// A read-only opening serves no revoked tenant from the platform's keys: it could not note it.
func TestReadOnlyHasNoFallback(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	mustPut(t, w.ns("acme", "jira/attachments"), "k", "v")
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantValue(t, w.ns("acme", "jira/attachments"), "k", "v")
	w.opts.ReadOnly = true
	w.reopen()
	wantError(t, w.ns("acme", "jira/attachments"), "k", store.ErrKeyRevoked)
}

// A tenant that an operator has revoked does not keep the platform from leaving its root, and stays
// revoked.
func TestRevokedTenantsMoveToOtherRoots(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	for _, id := range []string{"first", "second"} {
		if _, err := w.AddTenant(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
		mustPut(t, w.ns(id, "jira/comments"), "k", id)
	}
	mustPut(t, w.ns("acme", "jira/comments"), "k", "acme")
	for _, id := range []string{"acme", "first"} {
		if err := w.tenant(id).Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, uri := range []string{"test://platform-2", "test://acme-2"} {
		w.roots[uri] = roottest.NewKey(uri)
	}
	if err := w.RotatePlatformRoot(t.Context(), "test://platform-2"); err != nil {
		t.Fatal(err)
	}
	if err := w.tenant("acme").RotateRoot(t.Context(), "test://acme-2"); err != nil {
		t.Fatal(err)
	}
	w.roots[platformURI].SetError(root.ErrRevoked)
	w.roots["test://acme"].SetError(root.ErrRevoked)
	w.reopen()
	wantValue(t, w.ns("second", "jira/comments"), "k", "second")
	for _, id := range []string{"acme", "first"} {
		wantError(t, w.ns(id, "jira/comments"), "k", store.ErrKeyRevoked)
		if err := w.tenant(id).Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantValue(t, w.ns(id, "jira/comments"), "k", id)
	}
}
