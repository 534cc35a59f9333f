package keys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/roottest"
)

const platformURI = "test://platform"

// anchor keeps the mirror in memory.
type anchor struct {
	mu     sync.Mutex
	mirror []byte
	stores int
	err    error
}

func (a *anchor) LoadMirror(context.Context) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mirror, nil
}

func (a *anchor) StoreMirror(_ context.Context, mirror []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stores++
	if a.err == nil {
		a.mirror = mirror
	}
	return a.err
}

type ring struct {
	*keys.Keyring
	t      testing.TB
	path   string
	roots  roottest.Opener
	anchor *anchor
	opts   *keys.Options
}

func newRing(t testing.TB, opts *keys.Options, tenants ...string) *ring {
	t.Helper()
	r := &ring{t: t, path: filepath.Join(t.TempDir(), "keyring.db"), anchor: new(anchor), opts: opts}
	r.roots = roottest.Opener{platformURI: roottest.NewKey("platform")}
	id := codec.Identity{Store: codec.StoreID{1, 2, 3}, Format: codec.Format}
	k, err := keys.Create(t.Context(), r.path, id, platformURI, []byte("policy"), r.roots, opts)
	if err == nil {
		err = k.Unlock(t.Context(), r.anchor, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.Keyring = k
	t.Cleanup(func() { r.Close() })
	for _, id := range tenants {
		r.roots["test://"+id] = roottest.NewKey(id)
		if err := r.AddTenant(t.Context(), id, "test://"+id); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *ring) reopen() error {
	r.t.Helper()
	r.Close()
	k, err := keys.Open(r.path, r.roots, r.opts)
	if err != nil {
		return err
	}
	r.Keyring = k
	return k.Unlock(r.t.Context(), r.anchor, false)
}

func tenantOnly(time.Time) (keys.Want, error)   { return keys.Want{Tenant: true}, nil }
func platformOnly(time.Time) (keys.Want, error) { return keys.Want{Platform: true}, nil }
func both(time.Time) (keys.Want, error)         { return keys.Want{Tenant: true, Platform: true}, nil }

func pin(t *testing.T, s *keys.Space) *keys.Lease {
	t.Helper()
	l, err := s.Pin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestFirstUseMintsOnce(t *testing.T) {
	r := newRing(t, nil, "acme")
	before := r.Stats().RootCalls
	s := r.Space("acme", "jira/comments", both)
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() { pin(t, s).Unpin() })
	}
	wait.Wait()
	infos, err := r.DataKeys("acme")
	if err != nil || len(infos) != 2 {
		t.Fatalf("%v %v; want one key in each domain", infos, err)
	}
	if calls := r.Stats().RootCalls - before; calls != 1 {
		t.Fatalf("%d root calls for 50 waiters, want 1", calls)
	}
}

func TestConcurrentMintsShareTransactions(t *testing.T) {
	const namespaces = 64
	r := newRing(t, nil, "acme")
	pin(t, r.Space("acme", "a/first", tenantOnly)).Unpin()
	stores := r.anchor.stores
	r.anchor.mu.Lock() // a mirror that takes its time
	var wait sync.WaitGroup
	for i := range namespaces {
		wait.Go(func() { pin(t, r.Space("acme", fmt.Sprintf("a/n-%d", i), tenantOnly)).Unpin() })
	}
	for deadline := time.Now().Add(time.Minute); r.Counters().Highest < 1+namespaces; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("mints wait for each other's mirror")
		}
	}
	r.anchor.mu.Unlock()
	wait.Wait()
	if got := r.anchor.stores - stores; got > 2 {
		t.Errorf("%d mirrors written for %d mints at once, want the one under way and one for all others", got, namespaces)
	}
	infos, err := r.DataKeys("acme")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]bool{}
	for _, info := range infos {
		seen[info.Number] = true
	}
	if len(seen) != namespaces+1 {
		t.Errorf("%d numbers for %d keys", len(seen), namespaces+1)
	}
}

// A number is in the engine before anything can be sealed under it.
func TestNoLeaseBeforeTheAnchor(t *testing.T) {
	r := newRing(t, nil, "acme")
	r.anchor.err = errors.New("disk on fire")
	s := r.Space("acme", "jira/comments", tenantOnly)
	if _, err := s.Pin(t.Context()); !errors.Is(err, r.anchor.err) {
		t.Fatalf("a lease without its mirror: %v", err)
	}
	r.anchor.err = nil
	pin(t, s).Unpin()
	if infos, _ := r.DataKeys("acme"); len(infos) != 1 {
		t.Fatalf("minted again: %v", infos)
	}
}

func TestOlderKeyringIsRefused(t *testing.T) {
	r := newRing(t, nil, "acme")
	s := r.Space("acme", "jira/comments", tenantOnly)
	pin(t, s).Unpin()
	r.Close()
	old, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.reopen(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.RotateDataKeys(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := os.WriteFile(r.path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.reopen(); !errors.Is(err, keys.ErrRollback) {
		t.Fatalf("an older keyring opens: %v", err)
	}
}

// A keyring that went another way from a common past is as old as where they parted.
func TestForkedKeyringIsRefused(t *testing.T) {
	r := newRing(t, nil, "acme")
	r.Close()
	fork, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.reopen(); err != nil {
		t.Fatal(err)
	}
	if err := r.Revoke(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	seen := r.anchor.mirror
	r.Close()
	if err := os.WriteFile(r.path, fork, 0o600); err != nil {
		t.Fatal(err)
	}
	r.anchor.mirror = nil
	k, err := keys.Open(r.path, r.roots, nil)
	if err == nil {
		err = k.Unlock(t.Context(), r.anchor, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.Keyring = k
	for i := range 5 {
		if err := r.AddTenant(t.Context(), fmt.Sprint("t", i), ""); err != nil {
			t.Fatal(err)
		}
	}
	r.anchor.mirror = seen
	if err := r.reopen(); !errors.Is(err, keys.ErrRollback) {
		t.Fatalf("a forked keyring opens: %v", err)
	}
}

func TestDamagedCounters(t *testing.T) {
	r := newRing(t, nil)
	other := r.Counters()
	other.Policy-- // of a policy that is not in force
	for _, damaged := range [][]byte{[]byte("?"), codec.EncodeRecord(other)} {
		r.Close()
		db, err := bolt.Open(r.path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		var was []byte
		put := func(value []byte) error {
			return db.Update(func(tx *bolt.Tx) error {
				meta, name := tx.Bucket([]byte("meta")), []byte("counters")
				was = bytes.Clone(meta.Get(name))
				return meta.Put(name, value)
			})
		}
		if err := errors.Join(put(damaged), db.Close()); err != nil {
			t.Fatal(err)
		}
		if err := r.reopen(); !errors.Is(err, keys.ErrDamaged) {
			t.Errorf("opened: %v", err)
		}
		r.Close()
		if db, err = bolt.Open(r.path, 0o600, nil); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(put(was), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRotationWaitsForPins(t *testing.T) {
	r := newRing(t, nil, "acme")
	s := r.Space("acme", "jira/comments", tenantOnly)
	l := pin(t, s)
	done := make(chan error, 1)
	go func() {
		_, err := r.RotateDataKeys(context.Background(), "acme")
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("rotation completed under a pin: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if sealed := l.Active[0].Seal(nil, []byte("v"), nil); len(sealed) == 0 {
		t.Fatal("the pinned key is gone")
	}
	next := pin(t, s)
	if next.Active[0].Number == l.Active[0].Number {
		t.Fatal("a new pin gets the old key")
	}
	next.Unpin()
	l.Unpin()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Rotations of all three levels and revocations race with those who pin. Nothing but a revocation
// is ever seen.
func TestRotationsRaceWithPins(t *testing.T) {
	r := newRing(t, nil, "acme")
	stop := make(chan struct{})
	var wait sync.WaitGroup
	var pinned atomic.Int64
	for i := range 4 {
		s := r.Space("acme", fmt.Sprintf("a/n-%d", i%2), []func(time.Time) (keys.Want, error){tenantOnly, both}[i%2])
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				l, err := s.Pin(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				for _, key := range l.Active {
					sealed := key.Seal(nil, []byte("value"), nil)
					if got, err := key.Open(nil, sealed, nil); err != nil || string(got) != "value" {
						t.Error("a pinned key does not open what it sealed")
					}
				}
				pinned.Add(1)
				l.Unpin()
			}
		})
	}
	for range 4 {
		wait.Go(func() {
			for range 5 {
				if _, err := r.RotateDataKeys(context.Background(), "acme"); err != nil {
					t.Error(err)
				}
				if _, err := r.RotateTenantKey(context.Background(), "acme"); err != nil {
					t.Error(err)
				}
				if err := r.RotateRoot(context.Background(), "acme", "test://acme"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	time.AfterFunc(300*time.Millisecond, func() { close(stop) })
	wait.Wait()
	if pinned.Load() == 0 {
		t.Fatal("nobody pinned")
	}
	if _, err := r.VerifyAudit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.reopen(); err != nil {
		t.Fatal(err)
	}
	pin(t, r.Space("acme", "a/n-1", both)).Unpin()
}

// A retirement of which only the mirror fails is durable: nobody uses the key any more.
func TestRetiredAlthoughTheMirrorFails(t *testing.T) {
	r := newRing(t, nil, "acme")
	s := r.Space("acme", "a/x", tenantOnly)
	pin(t, s).Unpin()
	if _, err := r.RotateDataKeys(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	l := pin(t, s)
	l.Unpin()
	r.anchor.err = errors.New("disk on fire")
	if err := r.RetireDataKey(t.Context(), "acme", "a/x", 1, "a census"); !errors.Is(err, r.anchor.err) {
		t.Fatalf("without its mirror: %v", err)
	}
	if !l.Unlinked() {
		t.Error("a lease with the retired key is in use")
	}
	r.anchor.err = nil
	if err := r.RetireDataKey(t.Context(), "acme", "a/x", 1, "a census"); err != nil {
		t.Errorf("again: %v", err)
	}
	next := pin(t, s)
	defer next.Unpin()
	if _, err := next.Find(1); !errors.Is(err, keys.ErrDestroyed) {
		t.Errorf("the retired key: %v", err)
	}
}

func TestRootServesOneTenant(t *testing.T) {
	r := newRing(t, nil, "acme")
	for _, uri := range []string{"test://acme", platformURI} {
		if err := r.AddTenant(t.Context(), "globex", uri); !errors.Is(err, keys.ErrRootInUse) {
			t.Errorf("a second tenant under %s: %v", uri, err)
		}
	}
	if err := r.RotatePlatformRoot(t.Context(), "test://acme"); !errors.Is(err, keys.ErrRootInUse) {
		t.Errorf("the platform under a tenant's root: %v", err)
	}
}

// A root rotation that is cut short at any step leaves a tenant that opens, and completes when
// it is done again.
func TestRootRotationIsResumable(t *testing.T) {
	for calls := range 8 {
		t.Run(fmt.Sprint("cut after call ", calls), func(t *testing.T) {
			r := newRing(t, nil, "acme")
			pin(t, r.Space("acme", "jira/comments", tenantOnly)).Unpin()
			failing := &failingOpener{Opener: r.roots, left: calls}
			r.roots["test://next"] = roottest.NewKey("next")
			r.Close()
			k, err := keys.Open(r.path, failing, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Keyring = k
			if err := k.Unlock(t.Context(), r.anchor, false); err == nil {
				k.RotateRoot(t.Context(), "acme", "test://next") // however far it comes
			}
			if err := r.reopen(); err != nil {
				t.Fatal(err)
			}
			pin(t, r.Space("acme", "jira/comments", tenantOnly)).Unpin()
			if err := r.RotateRoot(t.Context(), "acme", "test://next"); err != nil {
				t.Fatal(err)
			}
			delete(r.roots, "test://acme")
			if err := r.reopen(); err != nil {
				t.Fatal(err)
			}
			pin(t, r.Space("acme", "jira/comments", tenantOnly)).Unpin()
			if info, err := r.Tenant("acme"); err != nil || info.Root != "test://next" {
				t.Fatal(info, err)
			}
		})
	}
}

// failingOpener finds roots so many times and then no more.
type failingOpener struct {
	root.Opener
	left int
}

func (o *failingOpener) OpenRoot(ctx context.Context, uri string) (root.Key, error) {
	if o.left--; o.left < 0 {
		return nil, root.ErrUnavailable
	}
	return o.Opener.OpenRoot(ctx, uri)
}

func TestAuditVerify(t *testing.T) {
	r := newRing(t, nil, "acme")
	pin(t, r.Space("acme", "jira/comments", both)).Unpin()
	kept, err := r.VerifyAudit(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.RotateDataKeys(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.VerifyAudit(t.Context(), &kept); err != nil {
		t.Fatalf("a longer log does not contain the head that was kept: %v", err)
	}
	kept.MAC = append([]byte{kept.MAC[0] ^ 1}, kept.MAC[1:]...)
	if _, err := r.VerifyAudit(t.Context(), &kept); !errors.Is(err, keys.ErrAuthentication) {
		t.Fatalf("another head passes: %v", err)
	}
	r.Close()
	for name, tamper := range map[string]func(b *bolt.Bucket) error{
		"flip":   func(b *bolt.Bucket) error { return editRow(b, 2, func(v []byte) { v[len(v)/2] ^= 1 }) },
		"delete": func(b *bolt.Bucket) error { return b.Delete(auditRow(3)) },
		"swap": func(b *bolt.Bucket) error {
			two, three := clone(b.Get(auditRow(2))), clone(b.Get(auditRow(3)))
			return errors.Join(b.Put(auditRow(2), three), b.Put(auditRow(3), two))
		},
		"cut the end": func(b *bolt.Bucket) error { k, _ := b.Cursor().Last(); return b.Delete(k) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keyring.db")
			raw, err := os.ReadFile(r.path)
			if err == nil {
				err = os.WriteFile(path, raw, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Update(func(tx *bolt.Tx) error { return tamper(tx.Bucket([]byte("audit"))) }); err != nil {
				t.Fatal(err)
			}
			db.Close()
			k, err := keys.Open(path, r.roots, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			err = k.Unlock(t.Context(), r.anchor, false)
			if err == nil {
				_, err = k.VerifyAudit(t.Context(), nil)
			}
			if !errors.Is(err, keys.ErrAuthentication) && !errors.Is(err, keys.ErrDamaged) && !errors.Is(err, keys.ErrRollback) {
				t.Fatalf("a log with a %s passes: %v", name, err)
			}
		})
	}
}

func auditRow(seq byte) []byte { return []byte{0, 0, 0, 0, 0, 0, 0, seq} }

func clone(b []byte) []byte { return append([]byte(nil), b...) }

func editRow(b *bolt.Bucket, seq byte, edit func([]byte)) error {
	v := clone(b.Get(auditRow(seq)))
	edit(v)
	return b.Put(auditRow(seq), v)
}

// While a tenant is revoked only the keys of the platform domain open, and what a lease held
// before is wiped once it is let go of.
func TestRevocation(t *testing.T) {
	r := newRing(t, nil, "acme")
	own, shared, out := r.Space("acme", "a/own", tenantOnly), r.Space("acme", "a/both", both), r.Space("acme", "a/out", platformOnly)
	for _, s := range []*keys.Space{own, shared, out} {
		pin(t, s).Unpin()
	}
	if err := r.Revoke(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if _, err := own.Pin(t.Context()); !errors.Is(err, keys.ErrRevoked) {
		t.Fatalf("a revoked tenant's keys open: %v", err)
	}
	pin(t, out).Unpin()
	for range 3 {
		l := pin(t, shared)
		l.Unpin()
		if !l.Fallback || len(l.Active) != 0 {
			t.Fatal("a revoked tenant's namespace seals")
		}
	}
	var fallbacks int
	for e, err := range r.Audit(0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Act == keys.ActFallback {
			fallbacks++
		}
	}
	if fallbacks != 1 {
		t.Fatalf("%d entries in the audit log for one fallback", fallbacks)
	}
	if err := r.reopen(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Space("acme", "a/own", tenantOnly).Pin(t.Context()); !errors.Is(err, keys.ErrRevoked) {
		t.Fatalf("a revocation does not outlive the process: %v", err)
	}
	if err := r.Restore(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	pin(t, r.Space("acme", "a/own", tenantOnly)).Unpin()
}

// A healthy root never adds latency: keys are refreshed before they end, and idle ones go.
func TestSoftRefresh(t *testing.T) {
	const ttl = 400 * time.Millisecond
	r := newRing(t, &keys.Options{KeyTTL: ttl}, "acme", "idle")
	used, idle := r.Space("acme", "a/x", tenantOnly), r.Space("idle", "a/x", tenantOnly)
	first := pin(t, used)
	first.Unpin()
	pin(t, idle).Unpin()
	for end := time.Now().Add(3 * ttl); time.Now().Before(end); time.Sleep(ttl / 50) {
		l := pin(t, used)
		l.Unpin()
		if l != first {
			t.Fatal("a healthy root's key was opened anew")
		}
		if age := r.Stats().OldestKey; age > ttl {
			t.Fatalf("a key is %v old, KeyTTL is %v", age, ttl)
		}
	}
	if open := r.Stats().Open; open != 2 {
		t.Fatalf("%d keys open, want the platform's and acme's", open)
	}
	_, unwraps := r.roots["test://acme"].Calls()
	if unwraps > 12 {
		t.Fatalf("%d calls in three lifetimes", unwraps)
	}
}

func TestUnavailableRootCoastsToTheEnd(t *testing.T) {
	const ttl = 400 * time.Millisecond
	r := newRing(t, &keys.Options{KeyTTL: ttl}, "acme")
	s := r.Space("acme", "a/x", tenantOnly)
	began := time.Now()
	pin(t, s).Unpin()
	r.roots["test://acme"].SetError(root.ErrThrottled)
	for {
		l, err := s.Pin(t.Context())
		age := time.Since(began)
		if err == nil {
			if l.Unpin(); age > ttl+ttl/4 {
				t.Fatal("the key outlives KeyTTL")
			}
			time.Sleep(time.Millisecond)
			continue
		}
		if !errors.Is(err, keys.ErrUnavailable) {
			t.Fatal(err)
		}
		if age < ttl/2 {
			t.Fatalf("the key ended after %v, before KeyTTL", age)
		}
		break
	}
	r.roots["test://acme"].SetError(nil)
	for {
		l, err := s.Pin(t.Context())
		if err == nil {
			l.Unpin()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// What the policy does not want opens only where records were left behind under it alone.
func TestUnwantedDomains(t *testing.T) {
	r := newRing(t, nil, "acme")
	first := pin(t, r.Space("acme", "a/x", both))
	numbers := first.Numbers()
	first.Unpin()
	for _, alone := range [][]codec.Domain{nil, {codec.DomainPlatform}} {
		s := r.Space("acme", "a/x", func(time.Time) (keys.Want, error) { return keys.Want{Tenant: true, Alone: alone}, nil })
		l := pin(t, s)
		if len(l.Active) != 1 || l.Active[0].Domain != codec.DomainTenant {
			t.Fatalf("active: %v", l.Numbers())
		}
		for _, number := range numbers {
			key, err := l.Find(number)
			switch {
			case number == l.Active[0].Number:
			case alone == nil && !errors.Is(err, keys.ErrMismatch):
				t.Errorf("a key of no use opens: %v", err)
			case alone != nil && (err != nil || !key.Left):
				t.Errorf("a key that records were left under: %v", err)
			}
		}
		l.Unpin()
	}
}

// A data key that has reached the age of rotate-every is replaced when it is next used, once, and a
// lease that is in use then ends.
func TestRotateEvery(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var mu sync.Mutex
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	r := newRing(t, &keys.Options{Now: clock, KeyTTL: 100 * 24 * time.Hour}, "acme")
	s := r.Space("acme", "a/x", func(time.Time) (keys.Want, error) {
		return keys.Want{Tenant: true, Platform: true, RotateEvery: 24 * time.Hour}, nil
	})
	numbers := func() string {
		l := pin(t, s)
		defer l.Unpin()
		return fmt.Sprint(l.Numbers())
	}
	first := numbers()
	for i, want := range []string{"[1 2]", "[3 4]", "[3 4]"} {
		mu.Lock()
		now = now.Add([]time.Duration{24*time.Hour - time.Second, time.Second, 23 * time.Hour}[i])
		mu.Unlock()
		deadline := time.Now().Add(20 * time.Second)
		for numbers() != want {
			if time.Now().After(deadline) {
				t.Fatalf("step %d: %s, want %s; at first %s", i, numbers(), want, first)
			}
			time.Sleep(time.Millisecond)
		}
	}
	infos, err := r.DataKeys("acme")
	if err != nil || len(infos) != 4 {
		t.Errorf("%v, %v", infos, err)
	}
	l := pin(t, s)
	defer l.Unpin()
	if _, err := l.Find(1); err != nil {
		t.Errorf("what the old key sealed: %v", err)
	}
}

// A key is of one suite. Where another is wanted, a new key takes over, and the old one opens what it
// sealed; rotating keeps the suite.
func TestSuiteOfKeys(t *testing.T) {
	r := newRing(t, nil, "acme")
	suite := codec.SuiteXChaCha
	s := r.Space("acme", "a/x", func(time.Time) (keys.Want, error) {
		return keys.Want{Tenant: true, Platform: true, Suite: suite}, nil
	})
	check := func(numbers ...uint32) {
		t.Helper()
		l := pin(t, s)
		defer l.Unpin()
		if !slices.Equal(l.Numbers(), numbers) || l.Active[0].Suite != suite || l.Active[1].Suite != suite {
			t.Fatalf("active are %v of suites %v and %v, want %v of %v", l.Numbers(), l.Active[0].Suite, l.Active[1].Suite, numbers, suite)
		}
	}
	change := func(to codec.Suite) {
		t.Helper()
		suite = to
		p, err := r.Policy()
		if err != nil {
			t.Fatal(err)
		}
		plan := func([]string) (keys.PolicyChange, error) { return keys.PolicyChange{Source: []byte(to.String())}, nil }
		if err := r.ApplyPolicy(t.Context(), p.Revision, plan, func(codec.Policy) {}); err != nil {
			t.Fatal(err)
		}
	}
	check(1, 2)
	change(codec.SuiteXAES)
	check(3, 4)
	if _, err := r.RotateDataKeys(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	check(5, 6)
	if _, err := r.RotateTenantKey(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	check(5, 6)
	change(codec.SuiteXChaCha)
	check(7, 8)
	l := pin(t, s)
	defer l.Unpin()
	for number, want := range map[uint32]codec.Suite{1: codec.SuiteXChaCha, 4: codec.SuiteXAES, 5: codec.SuiteXAES} {
		if k, err := l.Find(number); err != nil || k.Suite != want {
			t.Errorf("key %d: %v", number, err)
		}
	}
}

// crowdedRoots count how many are asked at a time.
type crowdedRoots struct {
	roottest.Opener
	calls, now, most atomic.Int64
}

func (r *crowdedRoots) OpenRoot(ctx context.Context, uri string) (root.Key, error) {
	r.calls.Add(1)
	for now := r.now.Add(1); ; {
		most := r.most.Load()
		if most >= now || r.most.CompareAndSwap(most, now) {
			break
		}
	}
	defer r.now.Add(-1)
	time.Sleep(2 * time.Millisecond)
	return r.Opener.OpenRoot(ctx, uri)
}

// However many tenants' keys are due at a time, few roots are asked at a time, and all in time.
func TestRefreshesAreFewAtATime(t *testing.T) {
	const tenants = 200
	r := newRing(t, nil)
	for i := range tenants {
		if err := r.AddTenant(t.Context(), fmt.Sprintf("t%d", i), ""); err != nil {
			t.Fatal(err)
		}
	}
	r.Close()
	roots := &crowdedRoots{Opener: r.roots}
	k, err := keys.Open(r.path, roots, &keys.Options{KeyTTL: 8 * time.Second, RootTimeout: time.Minute})
	if err == nil {
		err = k.Unlock(t.Context(), r.anchor, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for i := range tenants {
		pin(t, k.Space(fmt.Sprintf("t%d", i), "a/b", tenantOnly)).Unpin()
	}
	before := roots.calls.Load()
	roots.most.Store(0)
	for deadline := time.Now().Add(19 * time.Second); roots.calls.Load()-before < tenants && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if got := roots.calls.Load() - before; got < tenants {
		t.Errorf("%d roots were asked again, of %d", got, tenants)
	}
	if got := roots.most.Load(); got > 65 {
		t.Errorf("%d roots were asked at a time", got)
	}
}
