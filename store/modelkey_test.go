package store_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"pgregory.net/rapid"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/store"
)

// beside runs an act while others read what is there, and one writes a key of its own. What reads
// before the act reads all the while, unless the act may darken it: then it reads, or says that it is
// dark.
func (m *model) beside(darkens bool, act func() error) error {
	type expected struct {
		n     *store.Namespace
		place place
		value string
		class error
	}
	var all []expected
	for p, v := range m.values {
		if m.live(p, v) && p.key != "w" {
			all = append(all, expected{m.ns(p), p, v.value, m.reads(p, m.under(p))})
		}
	}
	stop, failed := make(chan struct{}), make(chan error, 3)
	var wait sync.WaitGroup
	wait.Go(func() {
		for i := 0; len(all) > 0; i++ {
			select {
			case <-stop:
				return
			default:
			}
			e := all[i%len(all)]
			got, err := e.n.Get(m.t.Context(), []byte(e.place.key))
			dark := darkens && (errors.Is(err, store.ErrKeyRevoked) || errors.Is(err, store.ErrKeyUnavailable))
			if !dark && (!errors.Is(err, e.class) || err == nil && string(got) != e.value) && !(darkens && err == nil && string(got) == e.value) {
				failed <- fmt.Errorf("beside an act %v reads %.40q, %v; want %.40q, %v", e.place, got, err, e.value, e.class)
				return
			}
		}
	})
	own := place{m.drawTenant(), rapid.SampledFrom(modelNamespaces).Draw(m.T, "namespace of the writer"), "w"}
	writes, last := !m.crashing && m.seals(own.tenant, own.namespace) == nil, ""
	if n := m.ns(own); writes {
		wait.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				value := fmt.Sprint("own ", i)
				err := n.Put(m.t.Context(), []byte(own.key), []byte(value))
				if darkens && errors.Is(err, store.ErrKeyRevoked) {
					return
				}
				if err != nil {
					failed <- fmt.Errorf("beside an act, writing %v: %w", own, err)
					return
				}
				last = value
			}
		})
	}
	err := act()
	close(stop)
	wait.Wait()
	if last != "" {
		m.values[own] = modelValue{last, m.now()}
	}
	select {
	case err := <-failed:
		m.Fatal(err)
	default:
	}
	return err
}

func (m *model) newTenant() {
	for i := range modelTenants {
		id := fmt.Sprint("t", i)
		if m.gone[id] {
			_, err := m.s.AddTenant(m.t.Context(), id, nil)
			m.wants(err, store.ErrTenantExists)
		} else if m.tenants[id] == nil {
			m.addTenant(id, rapid.SampledFrom([]string{"", fmt.Sprint("test://own-", i)}).Draw(m.T, "root"))
			return
		}
	}
}

// held are the namespaces of a tenant that have data keys in use.
func (m *model) held(id string) (held []string) {
	infos, err := m.tenant(id).DataKeys()
	m.must(err)
	for _, info := range infos {
		if info.State != "retired" && !slices.Contains(held, info.Namespace) {
			held = append(held, info.Namespace)
		}
	}
	return held
}

func (m *model) rotateDataKeys() {
	id := m.drawTenant()
	namespaces := m.held(id)
	if len(namespaces) > 0 && rapid.Bool().Draw(m.T, "one") {
		namespaces = []string{rapid.SampledFrom(namespaces).Draw(m.T, "which")}
	}
	var class error // of active keys, which the tenant's key wraps
	infos, err := m.tenant(id).DataKeys()
	m.must(err)
	for _, info := range infos {
		if info.State == "active" && info.Domain == "tenant" && slices.Contains(namespaces, info.Namespace) {
			class = m.tenants[id].dark()
		}
	}
	if len(namespaces) == 0 {
		return
	}
	m.wants(m.beside(false, func() error {
		_, err := m.tenant(id).RotateDataKeys(m.t.Context(), namespaces...)
		return err
	}), class)
}

func (m *model) rotateTenantKey() {
	id := m.drawTenant()
	m.wants(m.beside(false, func() error {
		_, err := m.tenant(id).RotateTenantKey(m.t.Context())
		return err
	}), m.tenants[id].dark())
}

// moveRoot enrolls a tenant, has it leave, or brings it under another root of its own.
func (m *model) moveRoot() {
	id := m.drawTenant()
	t := m.tenants[id]
	uri := rapid.SampledFrom([]string{"", "test://own-" + id[1:], "test://other-" + id[1:]}).Draw(m.T, "to")
	still := *t
	still.revoked = false // by an operator: that does not hold it up
	class := still.dark()
	m.wants(m.beside(false, func() error { return m.tenant(id).RotateRoot(m.t.Context(), uri) }), class)
	if class == nil {
		t.root = uri
	}
}

func (m *model) movePlatformRoot() {
	uri := rapid.SampledFrom([]string{platformURI, platformURI + "-2"}).Draw(m.T, "to")
	m.must(m.beside(false, func() error { return m.s.RotatePlatformRoot(m.t.Context(), uri) }))
}

func (m *model) sweep() {
	id := m.drawTenant()
	var class error
	for _, namespace := range m.held(id) {
		if dark := m.seals(id, namespace); dark != nil {
			class = dark
		}
	}
	for p, v := range m.values { // left where the policy does not want it, it makes its namespace pause too
		if dark := m.tenants[id].dark(); p.tenant == id && m.live(p, v) && dark != store.ErrKeyDestroyed && m.reads(p, m.under(p)) != nil {
			class = dark
		}
	}
	m.wants(m.beside(false, func() error {
		_, err := m.tenant(id).Sweep(m.t.Context(), &store.SweepOptions{Workers: 1, Urgent: true, Again: rapid.Bool().Draw(m.T, "again")})
		return err
	}), class)
	if m.tenants[id].dark() != nil {
		return
	}
	for p, v := range m.values {
		if p.tenant == id && m.live(p, v) {
			m.checkKeys(p)
		}
	}
}

// retire destroys all keys of a tenant of which coverage says that they can be.
func (m *model) retire() {
	id := m.drawTenant()
	rows, err := m.tenant(id).Coverage(m.t.Context())
	m.must(err)
	for _, row := range rows {
		if row.Needed != "" || row.State != "draining" {
			continue
		}
		var class error
		if row.Domain == "tenant" {
			class = m.tenants[id].dark()
		}
		m.wants(m.beside(false, func() error { return m.tenant(id).RetireDataKey(m.t.Context(), row.Namespace, row.Number, false) }), class)
	}
}

func (m *model) revoke() {
	id := m.drawTenant()
	m.must(m.beside(true, func() error { return m.tenant(id).Revoke(m.t.Context()) }))
	m.tenants[id].revoked = true
}

func (m *model) restoreTenant() {
	for _, id := range sorted(m.tenants) {
		if t := m.tenants[id]; t.revoked && t.rootSays == nil && !t.inScope {
			m.must(m.tenant(id).Restore(m.t.Context()))
			t.revoked = false
			return
		}
	}
	m.Skip("nobody is revoked")
}

// rootFails has a tenant's own root refuse, or not answer. What is open is let go by opening the store
// again: that it ends in time otherwise is for other tests.
func (m *model) rootFails() {
	id := m.drawTenant()
	t := m.tenants[id]
	if t.root == "" {
		m.Skip("its root is the platform's")
	}
	t.rootSays = rapid.SampledFrom([]error{root.ErrRevoked, root.ErrUnavailable, root.ErrThrottled}).Draw(m.T, "says")
	m.bothRoots(id, func(k *roottest.Key) { k.SetError(t.rootSays) })
	m.reopen()
}

func (m *model) rootHeals() {
	for _, id := range sorted(m.tenants) {
		if t := m.tenants[id]; t.rootSays != nil {
			m.bothRoots(id, func(k *roottest.Key) { k.SetError(nil) })
			t.rootSays = nil
			m.reopen()
			return
		}
	}
	m.Skip("all roots vouch")
}

func (m *model) bothRoots(id string, do func(*roottest.Key)) {
	do(m.roots["test://own-"+id[1:]])
	do(m.roots["test://other-"+id[1:]])
}

// applyPolicy moves namespaces to other domains.
func (m *model) applyPolicy() {
	for _, namespace := range movingNamespaces {
		m.domains[namespace] = rapid.SampledFrom([]string{"tenant", "platform", "both"}).Draw(m.T, namespace)
	}
	next := m.policy()
	m.must(m.s.ApplyPolicy(m.t.Context(), next, &store.ApplyOptions{AllowDowngrade: true}))
}

func (m *model) shredNamespace() {
	id := m.drawTenant()
	if m.tenants[id].dark() != nil {
		m.Skip("it takes the tenant's key")
	}
	m.closeSnapshot()
	namespace := rapid.SampledFrom(modelNamespaces).Draw(m.T, "namespace")
	_, err := m.tenant(id).Shred(m.t.Context(), &store.ShredOptions{Namespaces: []string{namespace}})
	m.must(err)
	m.forget(id, namespace)
}

func (m *model) shredTenant() {
	if len(m.tenants) == 1 {
		m.Skip("it is the last")
	}
	id := m.drawTenant()
	m.closeSnapshot()
	_, err := m.tenant(id).Shred(m.t.Context(), nil)
	m.must(err)
	m.forget(id)
	delete(m.tenants, id)
	m.gone[id] = true
	for _, namespace := range modelNamespaces {
		n := m.ns(place{id, namespace, "k0"})
		_, err := n.Get(m.t.Context(), []byte("k0"))
		m.wants(err, store.ErrNotFound)
		m.wants(n.Put(m.t.Context(), []byte("k0"), nil), store.ErrKeyDestroyed)
	}
}

// shredInScope destroys the tenant's own keys, with what was under them alone.
func (m *model) shredInScope() {
	id := m.drawTenant()
	m.closeSnapshot()
	receipt, err := m.tenant(id).Shred(m.t.Context(), &store.ShredOptions{InScope: true})
	m.must(err)
	if len(receipt.Namespaces) > 0 {
		m.forget(id, receipt.Namespaces...)
	}
	m.tenants[id].inScope = true
}
