package keys_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/roottest"
)

// A question is what a root is asked: to wrap, or to unwrap, the key of a tenant.
type question struct{ act, uri, tenant string }

// interrupted are roots that have something else done before they answer.
type interrupted struct {
	roottest.Opener
	mu    sync.Mutex
	which question
	skip  int
	do    func()
	seen  []question

	deadline time.Duration // if not 0, that a question has
	late     []question    // that have a longer one, or none
}

// at has do done, once, before a question is answered that comes after so many others like it.
func (r *interrupted) at(which question, skip int, do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.which, r.skip, r.do = which, skip, do
}

func (r *interrupted) asked(ctx context.Context, q question) {
	r.mu.Lock()
	r.seen = append(r.seen, q)
	if deadline, is := ctx.Deadline(); r.deadline != 0 && (!is || time.Until(deadline) > r.deadline) {
		r.late = append(r.late, q)
	}
	do := r.do
	switch {
	case q != r.which || do == nil:
		do = nil
	case r.skip > 0:
		r.skip, do = r.skip-1, nil
	default:
		r.do = nil
	}
	r.mu.Unlock()
	if do != nil {
		do()
	}
}

func (r *interrupted) OpenRoot(ctx context.Context, uri string) (root.Key, error) {
	key, err := r.Opener.OpenRoot(ctx, uri)
	return &interruptedKey{key, r, uri}, err
}

type interruptedKey struct {
	root.Key
	roots *interrupted
	uri   string
}

func (k *interruptedKey) Wrap(ctx context.Context, plaintext []byte, bound root.Context) (root.Wrapped, error) {
	k.roots.asked(ctx, question{"wrap", k.uri, bound.Tenant})
	return k.Key.Wrap(ctx, plaintext, bound)
}

func (k *interruptedKey) Unwrap(ctx context.Context, w root.Wrapped, bound root.Context) ([]byte, error) {
	k.roots.asked(ctx, question{"unwrap", k.uri, bound.Tenant})
	return k.Key.Unwrap(ctx, w, bound)
}

// interruptible opens the keyring again with roots that can be interrupted, among them test://platform-2,
// test://next and test://other.
func (r *ring) interruptible() *interrupted {
	r.t.Helper()
	r.Close()
	for _, name := range []string{"platform-2", "next", "other"} {
		r.roots["test://"+name] = roottest.NewKey(name)
	}
	roots := &interrupted{Opener: r.roots}
	k, err := keys.Open(r.path, roots, r.opts)
	if err == nil {
		err = k.Unlock(r.t.Context(), r.anchor, false)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.Keyring = k
	return roots
}

func (r *ring) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *ring) wantRoot(tenant, uri string, hosted bool) {
	r.t.Helper()
	info, err := r.Tenant(tenant)
	if err != nil || info.Root != uri || info.Hosted != hosted {
		r.t.Errorf("%s is under %s, hosted: %v (%v); want %s, %v", tenant, info.Root, info.Hosted, err, uri, hosted)
	}
}

// wantFree wants a root that serves nobody.
func (r *ring) wantFree(uri string) {
	r.t.Helper()
	if err := r.AddTenant(r.t.Context(), "heir", uri); err != nil {
		r.t.Errorf("%s is not free: %v", uri, err)
	}
}

// Whatever asks it, a root has RootTimeout to answer.
func TestRootTimeout(t *testing.T) {
	const timeout = time.Hour
	r := newRing(t, &keys.Options{RootTimeout: timeout}, "acme")
	roots := r.interruptible()
	roots.deadline = timeout
	background := context.Background()
	r.must(r.AddTenant(background, "globex", ""))
	r.must(r.RotateRoot(background, "acme", "test://next"))
	r.must(r.RotatePlatformRoot(background, "test://platform-2"))
	_, err := r.RotateTenantKey(background, "acme")
	r.must(err)
	for _, q := range roots.late {
		t.Errorf("%+v has longer", q)
	}
}

// Tenants that leave the platform's root while it is rotated, before their turn or in it, stay where
// they went, and are not asked after.
func TestPlatformMovesWhoIsStillHosted(t *testing.T) {
	enrol := func(r *ring) { r.must(r.RotateRoot(r.t.Context(), "bravo", "test://next")) }
	enrolled := func(r *ring) { r.wantRoot("bravo", "test://next", false) }
	for name, c := range map[string]struct {
		at   question
		do   func(*ring)
		then func(*ring)
	}{
		"enrolled before": {question{"wrap", "test://platform-2", "alpha"}, enrol, enrolled},
		"enrolled in it":  {question{"wrap", "test://platform-2", "bravo"}, enrol, enrolled},
		"enrolled before, revoked": {question{"wrap", "test://platform-2", "alpha"}, func(r *ring) {
			enrol(r)
			r.roots["test://next"].SetError(root.ErrRevoked)
			r.must(r.Revoke(r.t.Context(), "bravo"))
		}, enrolled},
		"shredded before": {question{"wrap", "test://platform-2", "alpha"}, func(r *ring) {
			r.must(r.BeginShred(r.t.Context(), keys.Shred{Tenant: "bravo", How: codec.ShreddedWhole}))
		}, func(*ring) {}},
		"shredded in it": {question{"wrap", "test://platform-2", "bravo"}, func(r *ring) {
			r.must(r.BeginShred(r.t.Context(), keys.Shred{Tenant: "bravo", How: codec.ShreddedOwn}))
		}, func(r *ring) { r.wantRoot("bravo", platformURI, true) }},
		"destroyed in it": {question{"wrap", "test://platform-2", "bravo"}, func(r *ring) {
			s := keys.Shred{Tenant: "bravo", How: codec.ShreddedOwn}
			r.must(r.BeginShred(r.t.Context(), s))
			_, err := r.DestroyKeys(r.t.Context(), s)
			r.must(err)
		}, func(*ring) {}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRing(t, nil)
			for _, id := range []string{"alpha", "bravo", "charlie"} {
				r.must(r.AddTenant(t.Context(), id, ""))
			}
			roots := r.interruptible()
			roots.at(c.at, 0, func() { c.do(r) })
			if err := r.RotatePlatformRoot(t.Context(), "test://platform-2"); err != nil {
				t.Error(err)
			}
			r.wantRoot("alpha", "test://platform-2", true)
			r.wantRoot("charlie", "test://platform-2", true)
			c.then(r)
			shown := question{"wrap", "test://platform-2", "bravo"}
			if c.at != shown && slices.Contains(roots.seen, shown) {
				t.Error("the platform's root got to see the key of a tenant that had left it")
			}
		})
	}
}

// A tenant's next key goes under the root that the tenant has when it is durable.
func TestTenantKeyFollowsTheRoot(t *testing.T) {
	for name, rotate := range map[string]func(*ring) error{
		"rotate": func(r *ring) error { _, err := r.RotateTenantKey(r.t.Context(), "acme"); return err },
		"expose": func(r *ring) error { _, err := r.ExposeKeys(r.t.Context(), "acme"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRing(t, nil, "acme")
			r.interruptible().at(question{"wrap", "test://acme", "acme"}, 0, func() {
				r.must(r.RotateRoot(t.Context(), "acme", "test://next"))
			})
			r.must(rotate(r))
			r.wantRoot("acme", "test://next", false)
			if info, err := r.Tenant("acme"); err != nil || info.KeyVersion != 2 {
				t.Error(info, err)
			}
			r.wantFree("test://acme")
		})
	}
}

// Who comes under the platform's root while it is rotated comes under the new one.
func TestHostedUnderTheRootOfNow(t *testing.T) {
	add := func(r *ring) error { return r.AddTenant(r.t.Context(), "late", "") }
	leave := func(r *ring) error { return r.RotateRoot(r.t.Context(), "late", "") }
	for name, c := range map[string]struct {
		own  bool
		act  func(*ring) error
		at   question
		skip int
	}{
		"add":                     {false, add, question{"wrap", platformURI, "late"}, 0},
		"leave the own, written":  {true, leave, question{"wrap", platformURI, "late"}, 0},
		"leave the own, activate": {true, leave, question{"unwrap", platformURI, "late"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRing(t, nil)
			roots := r.interruptible()
			if c.own {
				r.must(r.AddTenant(t.Context(), "late", "test://other"))
			}
			rotated := false
			roots.at(c.at, c.skip, func() {
				rotated = true
				r.must(r.RotatePlatformRoot(t.Context(), "test://platform-2"))
			})
			r.must(c.act(r))
			if !rotated {
				t.Fatal("the platform's root was not rotated meanwhile")
			}
			r.wantRoot("late", "test://platform-2", true)
		})
	}
}

// A root that a tenant has brought while the platform was on its way there does not become the platform's.
func TestPlatformTakesNoTenantsRoot(t *testing.T) {
	r := newRing(t, nil)
	r.interruptible().at(question{"unwrap", "test://next", ""}, 1, func() {
		r.must(r.AddTenant(t.Context(), "acme", "test://next"))
	})
	if err := r.RotatePlatformRoot(t.Context(), "test://next"); !errors.Is(err, keys.ErrRootInUse) {
		t.Errorf("the platform under a tenant's root: %v", err)
	}
	r.wantRoot("acme", "test://next", false)
	r.must(r.AddTenant(t.Context(), "hosted", ""))
	r.wantRoot("hosted", platformURI, true)
}

// Of two moves that meet each makes active only the wrap that it has proven.
func TestMovesThatMeet(t *testing.T) {
	r := newRing(t, nil, "acme")
	roots := r.interruptible()
	roots.at(question{"unwrap", "test://next", "acme"}, 1, func() { // it is written and being proven
		roots.at(question{"unwrap", "test://other", "acme"}, 1, func() {
			r.roots["test://other"].SetError(root.ErrUnavailable)
		})
		if err := r.RotateRoot(t.Context(), "acme", "test://other"); !errors.Is(err, keys.ErrUnavailable) {
			t.Errorf("a move to a root that does not answer: %v", err)
		}
	})
	r.must(r.RotateRoot(t.Context(), "acme", "test://next"))
	r.wantRoot("acme", "test://next", false)
	r.roots["test://other"].SetError(nil)
	r.wantFree("test://other")
}

// A root to which a tenant's move was given up serves others once something else came of it.
func TestAbandonedRootIsFree(t *testing.T) {
	for name, next := range map[string]func(*ring) error{
		"another root":  func(r *ring) error { return r.RotateRoot(r.t.Context(), "acme", "test://other") },
		"the same root": func(r *ring) error { return r.RotateRoot(r.t.Context(), "acme", "test://acme") },
		"the platform":  func(r *ring) error { return r.RotateRoot(r.t.Context(), "acme", "") },
		"a tenant key":  func(r *ring) error { _, err := r.RotateTenantKey(r.t.Context(), "acme"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRing(t, nil, "acme")
			r.interruptible().at(question{"unwrap", "test://next", "acme"}, 1, func() {
				r.roots["test://next"].SetError(root.ErrUnavailable)
			})
			if err := r.RotateRoot(t.Context(), "acme", "test://next"); !errors.Is(err, keys.ErrUnavailable) {
				t.Fatalf("a move to a root that does not answer: %v", err)
			}
			r.roots["test://next"].SetError(nil)
			if err := r.AddTenant(t.Context(), "globex", "test://next"); !errors.Is(err, keys.ErrRootInUse) {
				t.Errorf("the root of a move that may be completed: %v", err)
			}
			r.must(next(r))
			r.wantFree("test://next")
			if name == "the same root" {
				if err := r.AddTenant(t.Context(), "globex", "test://acme"); !errors.Is(err, keys.ErrRootInUse) {
					t.Errorf("the root that it stays under: %v", err)
				}
			}
		})
	}
}

// Nothing but its wrap vouches for the platform key's row. One wrap serves: a root that the platform has left
// does not come back beside the one of now.
func TestPlatformHasOneActiveWrap(t *testing.T) {
	r := newRing(t, nil)
	r.interruptible()
	var before, after codec.TenantKey
	row := codec.AppendTenantKeyRow(nil, "", codec.DomainPlatform, 1)
	edit := func(fn func(b *bolt.Bucket) error) {
		t.Helper()
		r.Close()
		db, err := bolt.Open(r.path, 0o600, nil)
		r.must(err)
		err = db.Update(func(tx *bolt.Tx) error { return fn(tx.Bucket([]byte("tenant-keys"))) })
		r.must(errors.Join(err, db.Close()))
	}
	edit(func(b *bolt.Bucket) error { return codec.DecodeRecord(b.Get(row), &before) })
	r.must(r.reopen())
	r.must(r.RotatePlatformRoot(t.Context(), "test://platform-2"))
	edit(func(b *bolt.Bucket) error {
		if err := codec.DecodeRecord(b.Get(row), &after); err != nil {
			return err
		}
		after.Wraps = append(before.Wraps, after.Wraps...)
		return b.Put(row, codec.EncodeRecord(after))
	})
	if err := r.reopen(); !errors.Is(err, keys.ErrDamaged) {
		t.Errorf("a platform key under two roots: %v", err)
	}
}
