package keys

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/root/roottest"
)

type noAnchor struct{}

func (noAnchor) LoadMirror(context.Context) ([]byte, error) { return nil, nil }
func (noAnchor) StoreMirror(context.Context, []byte) error  { return nil }

// newTestRing makes a keyring with the tenant acme, whose root is test://acme, and which nothing keeps fresh.
func newTestRing(t *testing.T, opts *Options) (*Keyring, roottest.Opener) {
	t.Helper()
	roots := roottest.Opener{"test://platform": roottest.NewKey("platform"), "test://acme": roottest.NewKey("acme")}
	path := filepath.Join(t.TempDir(), "keyring.db")
	k, err := Create(t.Context(), path, codec.Identity{Format: codec.Format}, "test://platform", nil, roots, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	k.mirror.anchor = noAnchor{}
	if err := k.AddTenant(t.Context(), "acme", "test://acme"); err != nil {
		t.Fatal(err)
	}
	return k, roots
}

// Who has read a state from before a shredding makes no keys in it.
func TestNoKeysForTheShredded(t *testing.T) {
	for name, c := range map[string]struct {
		shred  Shred
		domain codec.Domain
		mints  bool
	}{
		"whole":                 {Shred{How: codec.ShreddedWhole}, codec.DomainPlatform, false},
		"whole, own":            {Shred{How: codec.ShreddedWhole}, codec.DomainTenant, false},
		"own":                   {Shred{How: codec.ShreddedOwn}, codec.DomainTenant, false},
		"own, platform":         {Shred{How: codec.ShreddedOwn}, codec.DomainPlatform, true},
		"a namespace":           {Shred{Namespaces: []string{"a/x"}}, codec.DomainTenant, false},
		"a namespace, platform": {Shred{Namespaces: []string{"a/x"}}, codec.DomainPlatform, false},
		"another namespace":     {Shred{Namespaces: []string{"a/y"}}, codec.DomainTenant, true},
	} {
		t.Run(name, func(t *testing.T) {
			k, _ := newTestRing(t, nil)
			platform, err := k.platformKey(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer platform.release()
			var own *parent
			if c.domain == codec.DomainTenant {
				if own, err = k.unlocked(t.Context(), "acme"); err != nil {
					t.Fatal(err)
				}
				defer own.release()
			}
			c.shred.Tenant = "acme"
			if err := k.BeginShred(t.Context(), c.shred); err != nil {
				t.Fatal(err)
			}
			row := codec.KeyRow{Tenant: "acme", Domain: c.domain, Namespace: "a/x"}
			err = k.adjust(t.Context(), "acme", &Want{}, []codec.KeyRow{row}, nil, platform, own)
			minted := k.Counters().Highest == 1
			if minted != c.mints || !c.mints && !errors.Is(err, ErrDestroyed) {
				t.Errorf("a key is made: %v, %v", minted, err)
			}
		})
	}
}

// Of a state that is not of now no fallback follows: one revocation is noted once, and none that is over.
func TestFallbackIsNotedAsOfNow(t *testing.T) {
	k, _ := newTestRing(t, nil)
	if err := k.Revoke(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	platform, err := k.platformKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer platform.release()
	revoked, err := k.verifiedState(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	s := k.Space("acme", "a/x", nil)
	for range 2 {
		if err := s.noteFallback(t.Context(), revoked, platform); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Restore(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if err := s.noteFallback(t.Context(), revoked, platform); !errors.Is(err, errChanged) {
		t.Errorf("a fallback for a tenant that was restored: %v", err)
	}
	noted := 0
	for e, err := range k.Audit(0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Act == ActFallback {
			noted++
		}
	}
	if noted != 1 {
		t.Errorf("%d entries for one fallback", noted)
	}
	if now, err := k.verifiedState(t.Context(), "acme"); err != nil || len(now.control.Fallback) > 0 {
		t.Errorf("after it was restored: %v, %v", now.control.Fallback, err)
	}
}

// A lease does not end for a key that is overdue where nobody replaces it.
func TestOverdueWhereNothingIsMinted(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	opts := Options{Now: func() time.Time { return now }}
	for name, c := range map[string]struct {
		before, after Want
		do            func(*testing.T, *Keyring, roottest.Opener) *Keyring
		ends          bool // in some time, to ask the root again
	}{
		"read only": {Want{Tenant: true}, Want{Tenant: true}, func(t *testing.T, k *Keyring, roots roottest.Opener) *Keyring {
			path := k.file.db.Path()
			k.Close()
			opts := opts
			opts.ReadOnly = true
			k, err := Open(path, roots, &opts)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { k.Close() })
			return k
		}, false},
		"fallback": {Want{Tenant: true, Platform: true}, Want{Tenant: true, Platform: true}, func(t *testing.T, k *Keyring, _ roottest.Opener) *Keyring {
			if err := k.Revoke(t.Context(), "acme"); err != nil {
				t.Fatal(err)
			}
			return k
		}, true},
		"locked": {Want{Tenant: true}, Want{Platform: true, Alone: []codec.Domain{codec.DomainTenant}}, func(t *testing.T, k *Keyring, _ roottest.Opener) *Keyring {
			if err := k.Revoke(t.Context(), "acme"); err != nil {
				t.Fatal(err)
			}
			return k
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			k, roots := newTestRing(t, &opts)
			want := c.before
			pinned := func() *Lease {
				l, err := k.Space("acme", "a/x", func(time.Time) (Want, error) { return want, nil }).Pin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				l.Unpin()
				return l
			}
			pinned()
			k = c.do(t, k, roots)
			now = now.Add(48 * time.Hour)
			want = c.after
			want.RotateEvery = 24 * time.Hour
			l := pinned()
			if l.expired(now) || c.ends == l.until.IsZero() {
				t.Errorf("it ends at %v, now is %v", l.until, now)
			}
		})
	}
}
