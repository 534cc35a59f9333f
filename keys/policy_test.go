package keys_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
)

// A policy is applied while somebody who asked for the one before is about to make the first key of a
// namespace: no key is made that only the old one wanted. And a change is worked out from all keys there
// are when it is applied.
func TestFirstKeyBesidePolicy(t *testing.T) {
	r := newRing(t, nil, "acme")
	pin(t, r.Space("acme", "a/before", tenantOnly)).Unpin()
	first, err := r.Policy()
	if err != nil {
		t.Fatal(err)
	}
	var held []string
	now := keys.Want{Tenant: true, Policy: first.Revision}
	apply := func() {
		plan := func(namespaces []string) (keys.PolicyChange, error) {
			held = namespaces
			return keys.PolicyChange{Source: []byte("next")}, nil
		}
		err := r.ApplyPolicy(t.Context(), first.Revision, plan, func(p codec.Policy) {
			now = keys.Want{Platform: true, Policy: p.Revision}
		})
		if err != nil {
			t.Error(err)
		}
	}
	s := r.Space("acme", "a/x", func(time.Time) (keys.Want, error) {
		old := now
		if held == nil {
			apply()
		}
		return old, nil
	})
	l := pin(t, s)
	defer l.Unpin()
	if len(l.Active) != 1 || l.Active[0].Domain != codec.DomainPlatform {
		t.Errorf("keys of %v are active", l.Numbers())
	}
	infos, err := r.DataKeys("acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		if info.Namespace == "a/x" && info.Domain != codec.DomainPlatform.String() {
			t.Errorf("a key that only the old policy wanted was made: %+v", info)
		}
	}
	if !slices.Equal(held, []string{"a/before"}) {
		t.Errorf("the change was worked out from %v", held)
	}
	failed := errors.New("no")
	plan := func([]string) (keys.PolicyChange, error) { return keys.PolicyChange{}, failed }
	if err := r.ApplyPolicy(t.Context(), now.Policy, plan, nil); !errors.Is(err, failed) {
		t.Error(err)
	}
	if err := r.ApplyPolicy(t.Context(), first.Revision, func([]string) (keys.PolicyChange, error) { return keys.PolicyChange{}, nil }, nil); !errors.Is(err, keys.ErrPolicyChanged) {
		t.Error(err)
	}
}
