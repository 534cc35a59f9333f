package pebble_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/sealkv/sealkv/store/engine"
)

// The engine alone, on 20,000 values of 1 KiB that fit into its cache.
func BenchmarkEngine(b *testing.B) {
	const entries = 20_000
	e, ctx, sink, value := filled(b, entries), context.Background(), &nullSink{}, make([]byte, 1<<10)
	existing := make([][]byte, 4096)
	for i := range existing {
		existing[i] = numbered(rand.IntN(entries - 100))
	}
	run := func(name string, do func(i int) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := do(i % len(existing)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("Get", func(i int) error { return e.Get(ctx, existing[i], sink) })
	run("GetMiss", func(i int) error {
		if err := e.Get(ctx, append(existing[i], 'x'), sink); !errors.Is(err, engine.ErrNotFound) {
			return errors.New("a key is there that was never put")
		}
		return nil
	})
	run("Page100", func(i int) error {
		return e.Page(ctx, engine.Range{Start: existing[i], End: numbered(entries)}, &firstSink{n: 100})
	})
	run("Apply", func(i int) error { return put(e, existing[i], value, false) })
	run("ApplySync", func(i int) error { return put(e, existing[i], value, true) })
	run("ApplyConditional", func(i int) error {
		batch := e.NewBatch()
		defer batch.Close()
		batch.IfEquals(existing[i], value)
		batch.Set(existing[i], value)
		return e.Apply(ctx, batch, false)
	})
	run("Apply100", func(i int) error {
		batch := e.NewBatch()
		defer batch.Close()
		for j := range 100 {
			batch.Set(existing[(i+j)%len(existing)], value)
		}
		return e.Apply(ctx, batch, false)
	})
}
