package store_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

// A modelValue is what must be read there.
type modelValue struct {
	value   string
	written time.Time
}

// A modelTenant is what is known of a tenant's keys.
type modelTenant struct {
	root     string // URI; empty for a hosted one
	revoked  bool   // by an operator
	rootSays error  // what its root answers; nil while it vouches
	inScope  bool   // shredded in scope: its own keys are destroyed
}

// dark is why the tenant's keys do not serve, or nil.
func (t *modelTenant) dark() error {
	switch {
	case t.inScope:
		return store.ErrKeyDestroyed
	case t.revoked, errors.Is(t.rootSays, root.ErrRevoked):
		return store.ErrKeyRevoked
	case t.rootSays != nil:
		return store.ErrKeyUnavailable
	}
	return nil
}

// Namespaces of the model's policies. That of the moving ones changes from policy to policy.
var (
	movingNamespaces = []string{"app/plain", "app/aged"}
	modelNamespaces  = []string{"app/plain", "app/aged", "app/fixed", "app/metadata"}
)

const (
	agedMaxAge   = time.Hour
	modelInline  = 200
	modelTenants = 6 // ids that there may ever be
)

// A model is a store, and beside it a map that says what must be in it, and who can read what.
type model struct {
	*rapid.T
	t     *testing.T
	disks disks
	opts  store.Options
	roots roottest.Opener
	s     *store.Store
	clock atomic.Int64 // Unix seconds

	tenants  map[string]*modelTenant
	gone     map[string]bool // tenants that were shredded
	values   map[place]modelValue
	domains  map[string]string // of the namespaces, by the policy in force
	version  int
	crashing bool // amid an act

	snapshot    *store.Snapshot // nil for none
	snapped     map[place]modelValue
	backup      string // directory of the last backup, empty for none
	backedUp    map[place]modelValue
	backupID    string
	backedUnder map[place][]string // domains of the keys in the backup
}

// newModel makes a store with two tenants.
func newModel(t *testing.T, rt *rapid.T, d disks) *model {
	m := &model{
		T: rt, t: t, disks: d, roots: roottest.Opener{},
		tenants: map[string]*modelTenant{}, gone: map[string]bool{}, values: map[place]modelValue{},
		domains: map[string]string{"app/plain": "tenant", "app/aged": "platform", "app/fixed": "tenant", "app/metadata": "platform"},
	}
	m.clock.Store(1_700_000_000)
	// All there will ever be: the store looks into the map from its own goroutines.
	for _, uri := range []string{platformURI, platformURI + "-2"} {
		m.roots[uri] = roottest.NewKey(uri)
	}
	for i := range modelTenants {
		for _, uri := range []string{fmt.Sprint("test://own-", i), fmt.Sprint("test://other-", i)} {
			m.roots[uri] = roottest.NewKey(uri)
		}
	}
	m.opts = store.Options{
		Roots: m.roots, Policy: m.policy(), Inline: modelInline, Rewrap: store.RewrapInline, CollectEvery: -1, MaxOpen: -1,
		CacheBytes: 8 << 20, ValueCacheBytes: int64(rapid.SampledFrom([]int{0, 1 << 20}).Draw(rt, "value cache")),
		Now: m.now,
	}
	m.opts.Engine = d.create(m)
	s, err := store.Create(t.Context(), d.dir(), platformURI, &m.opts)
	m.must(err)
	m.s = s
	m.addTenant("t0", "")
	m.addTenant("t1", "test://own-1")
	return m
}

func (m *model) now() time.Time { return time.Unix(m.clock.Load(), 0) }

func (m *model) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// wants checks that err is of a class, or nil where the class is nil.
func (m *model) wants(err, class error) {
	m.Helper()
	if class == nil && err != nil || class != nil && !errors.Is(err, class) {
		m.Fatalf("%v, want %v", err, class)
	}
}

func (m *model) policy() *scope.Policy {
	m.version++
	source := fmt.Appendf(nil, "version: %d\nname: model\nrules:\n", m.version)
	for _, name := range modelNamespaces {
		source = fmt.Appendf(source, "- namespace: %s\n  domain: %s\n", name, m.domains[name])
		if name == "app/aged" {
			source = fmt.Appendf(source, "  max-age: %dh\n", agedMaxAge/time.Hour)
		}
	}
	p, err := scope.Parse("model.yaml", source)
	m.must(err)
	return p
}

func (m *model) addTenant(id, uri string) {
	_, err := m.s.AddTenant(m.t.Context(), id, &store.TenantOptions{Root: uri})
	m.must(err)
	m.tenants[id] = &modelTenant{root: uri}
}

func (m *model) tenant(id string) *store.Tenant {
	t, err := m.s.Tenant(id)
	m.must(err)
	return t
}

func (m *model) ns(p place) *store.Namespace {
	n, err := m.tenant(p.tenant).Namespace(p.namespace)
	m.must(err)
	return n
}

// seals is the error with which values of a namespace are not sealed, or nil.
func (m *model) seals(tenant, namespace string) error {
	if m.domains[namespace] == "platform" {
		return nil
	}
	return m.tenants[tenant].dark()
}

// reads is the error with which the value at a place does not open, or nil. domains are those of the
// keys that it is under.
func (m *model) reads(p place, domains []string) error {
	dark, wanted := m.tenants[p.tenant].dark(), m.domains[p.namespace]
	switch {
	case dark == nil:
		return nil
	case wanted == "both" && dark == store.ErrKeyRevoked && len(domains) == 2:
		return nil // what a transition means
	case wanted == "platform" && slices.Contains(domains, "platform"):
		return nil
	}
	return dark
}

// under are the domains of the keys that a record is under now, by its head.
func (m *model) under(p place) (domains []string) {
	head, err := m.s.Head(m.t.Context(), p.tenant, p.namespace, []byte(p.key))
	m.must(err)
	infos, err := m.tenant(p.tenant).DataKeys()
	m.must(err)
	for _, info := range infos {
		if info.Namespace == p.namespace && slices.Contains(head.Keys, info.Number) {
			domains = append(domains, info.Domain)
		}
	}
	if len(domains) != len(head.Keys) {
		m.Fatalf("%v is under %v, which are not all keys of its namespace", p, head.Keys)
	}
	return domains
}

// live reports whether a value has not reached its max-age.
func (m *model) live(p place, v modelValue) bool {
	return p.namespace != "app/aged" || m.now().Before(v.written.Add(agedMaxAge))
}

// stored notes a write that was acknowledged, which went under the keys that the policy wants.
func (m *model) stored(p place, value string) {
	m.values[p] = modelValue{value, m.now()}
	m.checkKeys(p)
}

// checkKeys checks that a record is under the keys that the policy wants.
func (m *model) checkKeys(p place) {
	want := []string{m.domains[p.namespace]}
	if want[0] == "both" {
		want = []string{"platform", "tenant"}
	}
	got := m.under(p)
	if slices.Sort(got); !slices.Equal(got, want) {
		m.Fatalf("%v is sealed for %v; the policy wants %v", p, got, want)
	}
}

// check reads one place.
func (m *model) check(p place) {
	m.Helper()
	want, there := m.values[p]
	there = there && m.live(p, want)
	var class error = store.ErrNotFound
	if there {
		class = m.reads(p, m.under(p))
	}
	got, err := m.ns(p).Get(m.t.Context(), []byte(p.key))
	m.wants(err, class)
	if err == nil && string(got) != want.value {
		m.Fatalf("%v: read %.40q, wrote %.40q", p, got, want.value)
	}
	if has, err := m.ns(p).Has(m.t.Context(), []byte(p.key)); err != nil || has != there {
		m.Fatalf("%v: Has says %v, %v", p, has, err)
	}
}

// checkScan reads a namespace of a tenant in order, as values must be, and all errors typed.
func (m *model) checkScan(tenant, namespace string, values map[place]modelValue, opts *store.ScanOptions, scan func(*store.Namespace) iterator) {
	var want []string
	for p, v := range values {
		if p.tenant == tenant && p.namespace == namespace && m.live(p, v) {
			want = append(want, p.key)
		}
	}
	slices.Sort(want)
	if opts.Reverse {
		slices.Reverse(want)
	}
	if opts.Limit > 0 {
		want = want[:min(len(want), opts.Limit)]
	}
	at := 0
	for e, err := range scan(m.ns(place{tenant, namespace, ""})) {
		m.must(err)
		if at == len(want) || string(e.Key) != want[at] {
			m.Fatalf("a scan of %s of %s comes to %q, entry %d of %q", namespace, tenant, e.Key, at, want)
		}
		p := place{tenant, namespace, want[at]}
		at++
		value, err := e.Value()
		if err == nil && !bytes.Equal(value, []byte(values[p].value)) {
			m.Fatalf("a scan reads %.40q at %v, want %.40q", value, p, values[p].value)
		}
		if dark := m.tenants[tenant].dark(); err != nil && !errors.Is(err, dark) {
			m.Fatalf("a scan at %v: %v; the tenant's keys: %v", p, err, dark)
		}
	}
	if at != len(want) {
		m.Fatalf("a scan of %s of %s ends after %d of %q", namespace, tenant, at, want)
	}
}

// checkAll reads everything, and what was shredded.
func (m *model) checkAll() {
	for _, id := range sorted(m.tenants) {
		for _, namespace := range modelNamespaces {
			opts := &store.ScanOptions{}
			m.checkScan(id, namespace, m.values, opts, func(n *store.Namespace) iterator { return n.Scan(m.t.Context(), opts) })
		}
	}
	for p := range m.values {
		m.check(p)
	}
	_, err := m.s.VerifyAudit(m.t.Context(), nil)
	m.must(err)
}

// TestModel drives everything that may be done to a store: by the same steps each time, unless
// -rapid.seed says others. -rapid.checks and -rapid.steps make it longer, without bound; a failure prints
// what replays it.
func TestModel(t *testing.T) {
	if seed := flag.Lookup("rapid.seed"); seed.Value.String() == "0" {
		if err := seed.Value.Set("20261125"); err != nil {
			t.Fatal(err)
		}
		defer seed.Value.Set("0")
	}
	for name, make := range map[string]func(t *testing.T, dir string) disks{
		"in memory, with crashes": newMemoryDisks,
		"on disk, with backups":   newRealDisks,
	} {
		t.Run(name, func(t *testing.T) {
			rounds := 0
			rapid.Check(t, func(rt *rapid.T) {
				rounds++
				m := newModel(t, rt, make(t, filepath.Join(t.TempDir(), fmt.Sprint(rounds))))
				defer func() { m.s.Close() }()
				rt.Repeat(m.acts())
				m.closeSnapshot()
				m.checkAll()
			})
		})
	}
}
