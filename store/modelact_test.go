package store_test

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/sealkv/sealkv/store"
)

type iterator = iter.Seq2[store.Entry, error]

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (m *model) acts() map[string]func(*rapid.T) {
	acts := map[string]func(){
		"put": m.put, "put long": m.stream, "put if absent": m.putIfAbsent, "compare and swap": m.compareAndSwap, "delete": m.delete,
		"batch": m.batch, "get": func() { m.check(m.drawPlace()) }, "scan": m.scan, "snapshot": m.takeSnapshot, "read snapshot": m.readSnapshot,
		"later": m.later, "collect": func() { m.must(m.s.Collect(m.t.Context())) }, "verify": m.verify,
		"add tenant": m.newTenant, "rotate data keys": m.rotateDataKeys, "rotate tenant key": m.rotateTenantKey, "move root": m.moveRoot,
		"move platform root": m.movePlatformRoot, "sweep": m.sweep, "retire": m.retire, "revoke": m.revoke, "restore tenant": m.restoreTenant,
		"root fails": m.rootFails, "root heals": m.rootHeals, "apply policy": m.applyPolicy,
		"shred namespace": m.shredNamespace, "shred tenant": m.shredTenant, "shred in scope": m.shredInScope,
		"back up": m.backUp, "restore backup": m.restoreBackup, "reopen": m.reopen, "crash": m.crash, "crash amid": m.crashAmid,
	}
	out := map[string]func(*rapid.T){}
	for name, act := range acts {
		out[name] = func(rt *rapid.T) { m.T = rt; act() }
	}
	return out
}

func (m *model) drawTenant() string { return rapid.SampledFrom(sorted(m.tenants)).Draw(m.T, "tenant") }

func (m *model) drawPlace() place {
	return place{m.drawTenant(), rapid.SampledFrom(modelNamespaces).Draw(m.T, "namespace"), fmt.Sprint("k", rapid.IntRange(0, 4).Draw(m.T, "key"))}
}

func (m *model) drawValue() string {
	size := rapid.SampledFrom([]int{0, 1, 100, modelInline, modelInline + 1, 1000}).Draw(m.T, "size")
	return strings.Repeat(string(rune('a'+rapid.IntRange(0, 25).Draw(m.T, "letter"))), size)
}

func (m *model) put() {
	p, value := m.drawPlace(), m.drawValue()
	err := m.ns(p).Put(m.t.Context(), []byte(p.key), []byte(value))
	m.wants(err, m.seals(p.tenant, p.namespace))
	if err == nil {
		m.stored(p, value)
	}
}

// stream writes a value in chunks and reads it back at an offset.
func (m *model) stream() {
	p, value := m.drawPlace(), strings.Repeat(m.drawValue()+".", 150)
	w, err := m.ns(p).Create(m.t.Context(), []byte(p.key), nil)
	if err == nil {
		_, err = io.Copy(w, strings.NewReader(value))
		err = errors.Join(err, w.Close())
	}
	m.wants(err, m.seals(p.tenant, p.namespace))
	if err != nil {
		return
	}
	m.stored(p, value)
	r, err := m.ns(p).Open(m.t.Context(), []byte(p.key))
	m.must(err)
	defer r.Close()
	got, err := io.ReadAll(io.NewSectionReader(r, int64(len(value)/2), int64(len(value))))
	m.must(err)
	if string(got) != value[len(value)/2:] {
		m.Fatalf("%v: a stream reads otherwise", p)
	}
}

func (m *model) putIfAbsent() {
	p, value := m.drawPlace(), m.drawValue()
	have, there := m.values[p]
	class := m.seals(p.tenant, p.namespace)
	if there && m.live(p, have) {
		class = store.ErrExists
	}
	err := m.ns(p).PutIfAbsent(m.t.Context(), []byte(p.key), []byte(value))
	m.wants(err, class)
	if err == nil {
		m.stored(p, value)
	}
}

func (m *model) compareAndSwap() {
	p, value := m.drawPlace(), m.drawValue()
	have, there := m.values[p]
	old, class := have.value, error(nil)
	if rapid.IntRange(0, 3).Draw(m.T, "other value") == 0 {
		old, class = "another", store.ErrChanged
	}
	switch {
	case !there || !m.live(p, have):
		class = store.ErrNotFound
	case m.reads(p, m.under(p)) != nil:
		class = m.reads(p, m.under(p))
	case class == nil:
		class = m.seals(p.tenant, p.namespace)
	}
	err := m.ns(p).CompareAndSwap(m.t.Context(), []byte(p.key), []byte(old), []byte(value))
	m.wants(err, class)
	if err == nil {
		m.stored(p, value)
	}
}

// delete needs nobody's keys.
func (m *model) delete() {
	p := m.drawPlace()
	m.must(m.ns(p).Delete(m.t.Context(), []byte(p.key)))
	delete(m.values, p)
}

// batch writes in several namespaces, of several tenants, all or nothing.
func (m *model) batch() {
	b, after := m.s.NewBatch(), map[place]string{}
	var class error
	for range rapid.IntRange(1, 5).Draw(m.T, "operations") {
		p := m.drawPlace()
		if rapid.Bool().Draw(m.T, "delete") {
			m.must(b.Delete(m.ns(p), []byte(p.key)))
			after[p] = "" // no value is written empty in a batch here
			continue
		}
		value := "b" + m.drawValue()
		m.must(b.Put(m.ns(p), []byte(p.key), []byte(value)))
		after[p] = value
		if dark := m.seals(p.tenant, p.namespace); class == nil {
			class = dark
		}
	}
	err := b.Commit(m.t.Context())
	if (err == nil) != (class == nil) {
		m.Fatalf("a batch: %v, want %v", err, class)
	}
	if err != nil {
		return
	}
	for p, value := range after {
		if delete(m.values, p); value != "" {
			m.stored(p, value)
		}
	}
}

func (m *model) scan() {
	opts := &store.ScanOptions{
		Reverse: rapid.Bool().Draw(m.T, "reverse"), Reuse: rapid.Bool().Draw(m.T, "reuse"),
		Limit: rapid.SampledFrom([]int{0, 1, 3, 300}).Draw(m.T, "limit"),
	}
	m.checkScan(m.drawTenant(), rapid.SampledFrom(modelNamespaces).Draw(m.T, "namespace"), m.values, opts,
		func(n *store.Namespace) iterator { return n.Scan(m.t.Context(), opts) })
}

func (m *model) takeSnapshot() {
	m.closeSnapshot()
	var err error
	m.snapshot, err = m.s.Snapshot(m.t.Context())
	m.must(err)
	m.snapped = maps.Clone(m.values)
}

func (m *model) closeSnapshot() {
	if m.snapshot != nil {
		m.must(m.snapshot.Close())
		m.snapshot = nil
	}
}

func (m *model) readSnapshot() {
	if m.snapshot == nil {
		m.Skip("there is none")
	}
	opts := &store.ScanOptions{Limit: rapid.SampledFrom([]int{0, 2}).Draw(m.T, "limit")}
	m.checkScan(m.drawTenant(), rapid.SampledFrom(modelNamespaces).Draw(m.T, "namespace"), m.snapped, opts,
		func(n *store.Namespace) iterator { return m.snapshot.Scan(m.t.Context(), n, opts) })
}

// later lets time pass: keys must be vouched for again, and values reach their max-age.
func (m *model) later() {
	m.clock.Add(int64(rapid.IntRange(1, 50).Draw(m.T, "minutes")) * 60)
}

func (m *model) reopen() {
	m.closeSnapshot()
	m.must(m.s.Close())
	m.open()
}

func (m *model) open() {
	m.opts.Engine = m.disks.open(m)
	var err error
	m.s, err = store.Open(m.t.Context(), m.disks.dir(), &m.opts)
	m.must(err)
}

func (m *model) crash() {
	d := m.mayCrash()
	m.snapshot = nil
	d.crash(m)
	m.open()
}

func (m *model) mayCrash() *memoryDisks {
	d, ok := m.disks.(*memoryDisks)
	if !ok {
		m.Skip("these disks do not crash")
	}
	return d
}

// crashAmid crashes within an act, and does it again afterwards.
func (m *model) crashAmid() {
	d := m.mayCrash()
	act := rapid.SampledFrom([]func(){m.rotateDataKeys, m.rotateTenantKey, m.moveRoot, m.movePlatformRoot, m.sweep, m.retire, m.verify}).Draw(m.T, "act")
	was := maps.Clone(m.tenants)
	for id, t := range was {
		copied := *t
		was[id] = &copied
	}
	m.closeSnapshot()
	d.arm(rapid.IntRange(1, 12).Draw(m.T, "writes"))
	m.crashing = true // nobody writes beside the act: what of that the crash has kept nobody knows
	act()
	m.crashing = false
	m.crash()
	m.tenants = was
	m.relearn()
}

// relearn asks the store under which roots its tenants are: an act that a crash cut short has moved
// them or not.
func (m *model) relearn() {
	for id, t := range m.tenants {
		info, err := m.tenant(id).Info()
		m.must(err)
		if t.root = info.Root; info.Root == platformURI || info.Root == platformURI+"-2" {
			t.root = ""
		}
	}
}

func (m *model) verify() {
	v, err := m.s.Verify(m.t.Context(), nil)
	m.must(err)
	for _, id := range sorted(m.tenants) {
		if m.tenants[id].dark() != nil {
			return // what does not open is no damage
		}
	}
	for _, row := range v.Rows {
		if row.Bad > 0 || row.Dark > 0 || row.Opened != row.Records {
			m.Fatalf("verify: %+v", row)
		}
	}
	if v.Stray > 0 || v.Unread > 0 {
		m.Fatalf("verify: %+v", v)
	}
}

func (m *model) backUp() {
	if _, ok := m.disks.(*realDisks); !ok {
		m.Skip("records lie in memory")
	}
	m.forgetBackup()
	dir := m.t.TempDir()
	info, err := m.s.Backup(m.t.Context(), dir)
	m.must(err)
	m.backup, m.backupID, m.backedUp, m.backedUnder = dir, info.ID, maps.Clone(m.values), map[place][]string{}
	for p, v := range m.values {
		if m.live(p, v) {
			m.backedUnder[p] = m.under(p)
		}
	}
}

func (m *model) forgetBackup() {
	if m.backup != "" {
		m.must(m.s.ForgetBackup(m.t.Context(), m.backupID))
		m.backup = ""
	}
}

// restoreBackup goes back to the backup's values; what was destroyed since stays so.
func (m *model) restoreBackup() {
	d, ok := m.disks.(*realDisks)
	if !ok || m.backup == "" {
		m.Skip("there is no backup")
	}
	m.closeSnapshot()
	m.must(m.s.Close())
	old := d.dir()
	d.life++
	opts := m.opts
	_, err := store.Restore(m.t.Context(), m.backup, d.dir(), old, &opts)
	m.must(err)
	m.values = maps.Clone(m.backedUp)
	maps.DeleteFunc(m.values, func(p place, _ modelValue) bool { // what nothing opens any more is not restored
		return m.tenants[p.tenant].inScope && !slices.Contains(m.backedUnder[p], "platform")
	})
	m.open()
}

// forget takes the values of a tenant, or of one of its namespaces, out of the model and its backup.
func (m *model) forget(tenant string, namespaces ...string) {
	for _, values := range []map[place]modelValue{m.values, m.backedUp} {
		maps.DeleteFunc(values, func(p place, _ modelValue) bool {
			return p.tenant == tenant && (len(namespaces) == 0 || slices.Contains(namespaces, p.namespace))
		})
	}
}
