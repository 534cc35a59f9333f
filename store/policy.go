package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/scope"
)

// Errors of a policy that cannot be applied.
var (
	// ErrPolicyVersion says that a policy's version is not above that of the one in force.
	ErrPolicyVersion = errors.New("store: the policy's version is not above that of the one in force")
	// ErrNamespaceInUse says that a policy has no rule for a namespace that holds data.
	ErrNamespaceInUse = errors.New("store: the policy has no rule for a namespace that holds data")
	// ErrDowngrade says that less would depend on the tenants' keys than before, and that nobody
	// has allowed it.
	ErrDowngrade = errors.New("store: the policy takes data out of the tenants' keys")
	// ErrPolicyChanged says that another policy was applied meanwhile.
	ErrPolicyChanged = keys.ErrPolicyChanged
)

// inForce is the policy in force, with what the keyring keeps beside it.
type inForce struct {
	*scope.Policy
	revision uint64 // of the keyring, at which it was applied
	alone    []codec.Alone
}

// readPolicy reads the policy in force from the keyring.
func (s *Store) readPolicy() error {
	p, err := s.keys.Policy()
	if err != nil {
		return err
	}
	policy, err := scope.Parse("policy in "+s.path(keyringName), p.Source)
	if err != nil {
		return err
	}
	s.policy.Store(&inForce{Policy: policy, revision: p.Revision, alone: p.Alone})
	return nil
}

// want is under whose keys the policy in force wants a namespace at a moment.
func (s *Store) want(namespace string, now time.Time) (keys.Want, error) {
	p := s.policy.Load()
	rule, err := p.Lookup(namespace)
	if err != nil {
		return keys.Want{}, err
	}
	domain := rule.DomainAt(now)
	w := keys.Want{
		Tenant: domain.Has(scope.Tenant), Platform: domain.Has(scope.Platform), Policy: p.revision,
		Suite: codec.Suite(rule.Suite), RotateEvery: rule.RotateEvery, MaxSeals: rule.MaxSeals,
	}
	if domain == scope.Both {
		w.Until = rule.Until
	}
	for _, a := range p.alone {
		if a.Namespace == namespace {
			w.Alone = append(w.Alone, a.Domain)
		}
	}
	return w, nil
}

// A PolicyMove is what a new policy changes for one namespace.
type PolicyMove struct {
	scope.Change
	Records uint64 // that are there, over all tenants
	Bytes   uint64 // of their values
}

// PlanPolicy says what changes if next takes the place of the policy in force: the rules that
// differ, and of the namespaces that hold data how much that is. It reads every head where
// something changes, and works on a store that is open for inspection.
func (s *Store) PlanPolicy(ctx context.Context, next *scope.Policy) ([]PolicyMove, error) {
	held, err := s.keys.Namespaces()
	if err != nil {
		return nil, translated(err)
	}
	var moves []PolicyMove
	for _, change := range changes(s.Policy(), next, held) {
		moves = append(moves, PolicyMove{Change: change})
	}
	if !slices.ContainsFunc(moves, func(m PolicyMove) bool { return slices.Contains(held, m.Namespace) }) {
		return moves, nil
	}
	rows, err := s.Usage(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, usage := range rows {
		for i := range moves {
			if moves[i].Namespace == usage.Namespace {
				moves[i].Records += usage.Records
				moves[i].Bytes += usage.Bytes
			}
		}
	}
	return moves, nil
}

// changes are those of the policies' rules, and of the namespaces with data that fall under a rule
// for every product.
func changes(before, after *scope.Policy, held []string) []scope.Change {
	all := scope.Diff(before, after)
	for _, namespace := range held {
		named := slices.ContainsFunc(all, func(c scope.Change) bool { return c.Namespace == namespace })
		if c, changed := scope.Compare(before, after, namespace); changed && !named {
			all = append(all, c)
		}
	}
	return all
}

// ApplyOptions of ApplyPolicy. Nil means defaults.
type ApplyOptions struct {
	// AllowDowngrade lets data leave the tenants' keys, for the platform's alone or for both. The
	// audit log names each namespace.
	AllowDowngrade bool
}

// ApplyPolicy puts next in the place of the policy in force, in one durable act, and returns when
// nothing is sealed any more as the old one wanted it. Its version must be above the old one's;
// applying the policy in force again does nothing.
//
// Records that next wants under other keys are moved when they are read, and the rest by Sweep;
// until then they read as before. Values that get a max-age where there was none are dated when
// they are moved.
func (s *Store) ApplyPolicy(ctx context.Context, next *scope.Policy, opts *ApplyOptions) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	s.applying.Lock()
	defer s.applying.Unlock()
	was := s.policy.Load()
	if bytes.Equal(was.Source(), next.Source()) {
		return nil
	}
	plan := func(held []string) (keys.PolicyChange, error) {
		downgraded, err := checkPolicy(was.Policy, next, held)
		if err == nil && len(downgraded) > 0 && (opts == nil || !opts.AllowDowngrade) {
			err = fmt.Errorf("%w: %s", ErrDowngrade, strings.Join(downgraded, ", "))
		}
		return keys.PolicyChange{
			Source: next.Source(), Alone: alone(was, next, held, s.opts.Now()), Downgraded: downgraded,
			Detail: fmt.Sprintf("%s over %s, sha256 %x", next, was, sha256.Sum256(next.Source())),
		}, err
	}
	return translated(s.keys.ApplyPolicy(ctx, was.revision, plan, func(p codec.Policy) {
		s.policy.Store(&inForce{Policy: next, revision: p.Revision, alone: p.Alone})
		s.followPolicy()
	}))
}

// checkPolicy refuses what cannot be applied, and returns the namespaces that leave the tenants'
// keys.
func checkPolicy(was, next *scope.Policy, held []string) (downgraded []string, err error) {
	if next.Version() <= was.Version() {
		return nil, fmt.Errorf("%w: %s, in force is %s; raise its version", ErrPolicyVersion, next, was)
	}
	for _, namespace := range held {
		if _, err := next.Lookup(namespace); err != nil {
			return nil, fmt.Errorf("%w: %s; keep its rule, or shred the namespace first", ErrNamespaceInUse, namespace)
		}
	}
	for _, change := range changes(was, next, held) {
		if change.Downgrade() {
			downgraded = append(downgraded, change.Namespace)
		}
	}
	return downgraded, nil
}

// alone is of which namespaces records may be under one domain's keys alone that next wants
// elsewhere, now or once its transition ends: those of which it was so before, and those that the
// policy until now had under one domain.
func alone(was *inForce, next *scope.Policy, held []string, now time.Time) (out []codec.Alone) {
	add := func(namespace string, domain codec.Domain) {
		a := codec.Alone{Namespace: namespace, Domain: domain}
		rule, err := next.Lookup(namespace)
		if err == nil && !(rule.Domain == scopeOf(domain)) && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	for _, a := range was.alone {
		if slices.Contains(held, a.Namespace) {
			add(a.Namespace, a.Domain)
		}
	}
	for _, namespace := range held {
		rule, err := was.Lookup(namespace)
		if err != nil {
			continue
		}
		switch rule.DomainAt(now) {
		case scope.Tenant:
			add(namespace, codec.DomainTenant)
		case scope.Platform:
			add(namespace, codec.DomainPlatform)
		}
	}
	return out
}

func scopeOf(domain codec.Domain) scope.Domain {
	if domain == codec.DomainPlatform {
		return scope.Platform
	}
	return scope.Tenant
}

// followPolicy has every namespace in use follow the policy in force.
func (s *Store) followPolicy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, n := range s.namespaces {
		if rule, err := s.Policy().Lookup(id.name); err == nil {
			if n := n.Value(); n != nil {
				n.follow(rule)
			}
		}
	}
}
