package store_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

const benchRecords = 10_000

func benchKey(i int) []byte { return fmt.Appendf(nil, "ABC-%07d", i) }

// benchNamespace holds benchRecords values of 1 KiB, which fit into the cache, under a suite.
func benchNamespace(b *testing.B, suite scope.Suite, valueCache int64) (*store.Store, *store.Namespace) {
	roots := roottest.Opener{platformURI: roottest.NewKey("platform")}
	opts := &store.Options{Roots: roots, NoSync: true, Policy: defaultBy(b, suite), ValueCacheBytes: valueCache}
	s, err := store.Create(b.Context(), filepath.Join(b.TempDir(), "store"), platformURI, opts)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	tenant, err := s.AddTenant(b.Context(), "acme", nil)
	if err != nil {
		b.Fatal(err)
	}
	n, err := tenant.Namespace("jira/comments")
	if err != nil {
		b.Fatal(err)
	}
	batch, value := s.NewBatch(), bytes.Repeat([]byte("v"), 1<<10)
	for i := range benchRecords {
		if err := batch.Put(n, benchKey(i), value); err != nil {
			b.Fatal(err)
		}
		if batch.Len() == 1000 {
			if err := batch.Commit(b.Context()); err != nil {
				b.Fatal(err)
			}
			batch.Reset()
		}
	}
	return s, n
}

// What is in the cache of values is neither looked up in the engine nor opened.
func BenchmarkGetCached(b *testing.B) {
	_, n := benchNamespace(b, suites[0], 16<<20)
	room := make([]byte, 0, 2<<10)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := n.GetInto(b.Context(), benchKey(i%1024), room); err != nil {
			b.Fatal(err)
		}
	}
}

// The whole way of an operation; what it is made of is measured in the packages below.
func BenchmarkStore(b *testing.B) {
	for _, suite := range suites {
		s, n := benchNamespace(b, suite, 0)
		ctx, value, room := b.Context(), bytes.Repeat([]byte("v"), 1<<10), make([]byte, 0, 2<<10)
		existing := make([][]byte, 1024)
		for i := range existing {
			existing[i] = benchKey(rand.IntN(benchRecords - 100))
		}
		run := func(name string, do func(i int) error) {
			b.Run(fmt.Sprintf("%s/suite=%d", name, suite), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if err := do(i % len(existing)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("Get", func(i int) error { _, err := n.GetInto(ctx, existing[i], room); return err })
		run("Put", func(i int) error { return n.Put(ctx, existing[i], value) })
		scan := func(o store.ScanOptions) error {
			for e, err := range n.Scan(ctx, &o) {
				if _, valueErr := e.Value(); err != nil || valueErr != nil {
					return fmt.Errorf("%v, %v", err, valueErr)
				}
			}
			return nil
		}
		run("Scan100", func(i int) error { return scan(store.ScanOptions{Start: existing[i], Limit: 100, Reuse: true}) })
		run("Scan10000", func(int) error { return scan(store.ScanOptions{Reuse: true}) })
		batch := s.NewBatch()
		run("Batch100", func(i int) error {
			batch.Reset()
			for j := range 100 {
				if err := batch.Put(n, existing[(i+j)%len(existing)], value); err != nil {
					return err
				}
			}
			return batch.Commit(ctx)
		})
		b.Run(fmt.Sprintf("GetParallel/suite=%d", suite), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				room := make([]byte, 0, 2<<10)
				for i := 0; pb.Next(); i++ {
					if _, err := n.GetInto(ctx, existing[i%len(existing)], room); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
