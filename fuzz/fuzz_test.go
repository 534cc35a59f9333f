// Package fuzz_test holds the fuzz targets that drive a whole store. A parser's own target sits
// beside the parser.
package fuzz_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// policy has namespaces of each domain by each suite.
var policy = func() *scope.Policy {
	p, err := scope.Parse("fuzz.yaml", []byte(`version: 1
name: fuzz
rules:
- {namespace: jira/comments, domain: tenant}
- {namespace: jira/attachments, domain: both}
- {namespace: jira/analytics, domain: platform}
- {namespace: aes/comments, domain: tenant, suite: xaes-256-gcm}
- {namespace: aes/attachments, domain: both, suite: xaes-256-gcm}
`))
	if err != nil {
		panic(err)
	}
	return p
}()

// house is one store for all inputs of a fuzzing process; inputs keep apart by their keys.
type house struct {
	*store.Store
	engine engine.Engine
	tenant *store.Tenant
	inputs atomic.Uint64
}

func newHouse(f *testing.F) *house {
	h := &house{engine: mem.New()}
	roots := roottest.Opener{"test://platform": roottest.NewKey("platform"), "test://acme": roottest.NewKey("acme")}
	var err error
	h.Store, err = store.Create(f.Context(), filepath.Join(f.TempDir(), "store"), "test://platform", &store.Options{
		Roots: roots, Policy: policy, Engine: h.engine, CollectEvery: -1, Inline: 1 << 10, Rewrap: store.RewrapInline,
	})
	if err == nil {
		h.tenant, err = h.AddTenant(f.Context(), "acme", &store.TenantOptions{Root: "test://acme"})
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { h.Close() })
	return h
}

// FuzzModel reads an input as a program on a few keys, and holds the store against a map.
func FuzzModel(f *testing.F) {
	f.Add([]byte{0, 1, 5, 1, 1, 0, 2, 1, 0, 7, 0, 0})
	f.Add([]byte("\x00\x01\xff\x06\x00\x00\x01\x01\x00\x03\x01\x02\x04\x01\x03\x05\x00\x00\x07\x00\x00"))
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, program []byte) {
		for _, name := range []string{"jira/comments", "jira/attachments", "jira/analytics", "aes/comments", "aes/attachments"} {
			n, err := h.tenant.Namespace(name)
			if err != nil {
				t.Fatal(err)
			}
			m := &model{t: t, h: h, n: n, prefix: fmt.Sprintf("%d/", h.inputs.Add(1)), want: map[string][]byte{}}
			for p := program[:min(len(program), 90)]; len(p) >= 3; p = p[3:] {
				m.step(p[0], p[1], p[2])
			}
			m.check()
		}
	})
}

type model struct {
	t      *testing.T
	h      *house
	n      *store.Namespace
	prefix string
	want   map[string][]byte // by key
}

// step does one operation: what it is, on which of four keys, and a byte that the value is made of.
func (m *model) step(what, which, b byte) {
	ctx := m.t.Context()
	key := m.prefix + string('a'+rune(which%4))
	value := bytes.Repeat([]byte{b}, int(b)*8) // up to 2 KiB: some in chunks
	have, found := m.want[key]
	switch what % 8 {
	case 0, 1:
		m.must(m.n.Put(ctx, []byte(key), value))
		m.want[key] = value
	case 2:
		m.must(m.n.Delete(ctx, []byte(key)))
		delete(m.want, key)
	case 3:
		if err := m.n.PutIfAbsent(ctx, []byte(key), value); errors.Is(err, store.ErrExists) != found {
			m.t.Fatalf("PutIfAbsent: %v, there was a value: %v", err, found)
		}
		if !found {
			m.want[key] = value
		}
	case 4:
		err := m.n.CompareAndSwap(ctx, []byte(key), have, value)
		if errors.Is(err, store.ErrNotFound) == found {
			m.t.Fatalf("CompareAndSwap: %v, there was a value: %v", err, found)
		}
		if found {
			m.must(err)
			m.want[key] = value
		}
	case 5:
		batch := m.h.NewBatch()
		m.must(batch.Put(m.n, []byte(m.prefix+"a"), value))
		m.must(batch.Delete(m.n, []byte(m.prefix+"b")))
		m.must(batch.Commit(ctx))
		m.want[m.prefix+"a"] = value
		delete(m.want, m.prefix+"b")
	case 6:
		if b%16 == 0 { // keys are kept for ever: not too many
			_, err := m.h.tenant.RotateDataKeys(ctx, m.n.Name())
			m.must(err)
		}
	case 7:
		m.must(m.h.Collect(ctx))
	}
}

func (m *model) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// check reads everything back, alone and in a scan.
func (m *model) check() {
	ctx := m.t.Context()
	for _, which := range "abcd" {
		key := m.prefix + string(which)
		got, err := m.n.Get(ctx, []byte(key))
		want, found := m.want[key]
		if found != (err == nil) || !found && !errors.Is(err, store.ErrNotFound) || !bytes.Equal(got, want) {
			m.t.Fatalf("Get(%q): %d bytes, %v; want %d bytes, %v", key, len(got), err, len(want), found)
		}
	}
	var seen []string
	for e, err := range m.n.Scan(ctx, &store.ScanOptions{Prefix: []byte(m.prefix)}) {
		m.must(err)
		value, err := e.Value()
		if m.must(err); !bytes.Equal(value, m.want[string(e.Key)]) {
			m.t.Fatalf("scan: %q has another value", e.Key)
		}
		seen = append(seen, string(e.Key))
	}
	if want := slices.Sorted(maps.Keys(m.want)); strings.Join(seen, " ") != strings.Join(want, " ") {
		m.t.Fatalf("scan: %q, want %q", seen, want)
	}
}

// FuzzEnvelope puts any bytes in the place of an envelope: they never open, and nothing panics.
func FuzzEnvelope(f *testing.F) {
	h := newHouse(f)
	names := []string{"jira/attachments", "aes/attachments"}
	for _, name := range names {
		n, err := h.tenant.Namespace(name)
		if err != nil {
			f.Fatal(err)
		}
		for i, size := range []int{0, 100, 5000} {
			key := binary.BigEndian.AppendUint32([]byte("seed"), uint32(i))
			if err := n.Put(f.Context(), key, make([]byte, size)); err != nil {
				f.Fatal(err)
			}
			head, err := h.Head(f.Context(), "acme", name, key)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(head.Envelope)
		}
	}
	f.Fuzz(func(t *testing.T, envelope []byte) {
		if len(envelope) == 0 || len(envelope) > engine.Portable.MaxValue {
			return
		}
		for _, name := range names {
			h.neverOpens(t, name, envelope)
		}
	})
}

func (h *house) neverOpens(t *testing.T, name string, envelope []byte) {
	n, err := h.tenant.Namespace(name)
	if err != nil {
		t.Fatal(err)
	}
	b := h.engine.NewBatch()
	defer b.Close()
	b.Set([]byte("\x10acme\x00"+name+"\x00target"), envelope)
	if err := h.engine.Apply(t.Context(), b, false); err != nil {
		t.Fatal(err)
	}
	if got, err := n.Get(t.Context(), []byte("target")); err == nil {
		t.Fatalf("%d bytes that no key made open to %d", len(envelope), len(got))
	}
	h.Head(t.Context(), "acme", name, []byte("target"))
	h.Usage(t.Context(), "acme")
	for _, err := range n.Scan(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
	}
}
