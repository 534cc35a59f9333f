package enginetest

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/sealkv/sealkv/store/engine"
)

func testGet(r rig) {
	ctx := context.Background()
	r.set("a=1", "b=2")
	r.wantValue(r, "a", "1")
	r.wantValue(r, "ab", "")
	r.wantValue(r, strings.Repeat("k", r.Limits().MaxKey+1), "")

	failing := &valueSink{err: errors.New("no thanks")}
	r.want(failing.err, r.Get(ctx, []byte("a"), failing))
	r.want(engine.ErrNotFound, r.Get(ctx, []byte("c"), failing))
	r.want(engine.ErrNotFound, r.Get(ctx, nil, failing))
	if failing.calls != 1 {
		r.Fatalf("the sink was called %d times, want once", failing.calls)
	}
}

func testBatch(r rig) {
	r.set("a=1", "b=2", "c=3")
	r.do(func(b engine.Batch) {
		b.Delete([]byte("b"))
		b.Delete([]byte("never there"))
		b.Set([]byte("c"), []byte("4"))
		b.Set([]byte("c"), []byte("5"))
		b.Set([]byte("d"), []byte("6"))
		b.Delete([]byte("d"))
		b.Delete([]byte("e"))
		b.Set([]byte("e"), []byte("7"))
		if b.Len() != 8 || b.Size() < len("bnever therec4c5d6dee7") {
			r.Fatalf("Len %d, Size %d", b.Len(), b.Size())
		}
	})
	r.wantPage(r, "a", "z", "a=1 c=5 e=7")
	r.do(func(engine.Batch) {})
	r.want(nil, r.Sync(context.Background()))
}

func testBatchMisuse(r rig) {
	ctx := context.Background()
	r.set("asked=yes", "gone=1")
	key, value, asked, yes, gone := []byte("key"), []byte("value"), []byte("asked"), []byte("yes"), []byte("gone")
	b := r.NewBatch()
	b.Set(key, value)
	b.IfAbsent(key)
	b.IfEquals(asked, yes)
	b.Delete(gone)
	for _, kept := range [][]byte{key, value, asked, yes, gone} {
		copy(kept, "xxxxx")
	}
	r.want(nil, r.Apply(ctx, b, false))
	r.wantPage(r, "a", "z", "asked=yes key=value")
	if r.Apply(ctx, b, false) == nil {
		r.Fatal("a batch was applied twice")
	}

	b.Reset()
	if b.Len() != 0 || b.Size() != 0 {
		r.Fatal("Reset left something behind")
	}
	r.want(nil, r.Apply(ctx, b, true))
	b.Reset()
	b.Set([]byte("other"), []byte("1"))
	r.want(nil, r.Apply(ctx, b, true))
	r.wantPage(r, "a", "z", "asked=yes key=value other=1")
	b.Close()

	stranger := r.options.Open(r.T)
	defer stranger.Close()
	foreign := stranger.NewBatch()
	foreign.Set([]byte("key"), []byte("2"))
	if r.Apply(ctx, foreign, true) == nil {
		r.Fatal("the batch of another engine was applied")
	}
	r.wantValue(r, "key", "value")
}

func testSetDeferred(r rig) {
	fill := func(b engine.Batch, pair string) {
		key, value := b.SetDeferred(1, len(pair)-2)
		if len(key) != 1 || len(value) != len(pair)-2 {
			r.Fatalf("SetDeferred gave %d and %d bytes", len(key), len(value))
		}
		copy(key, pair)
		copy(value, pair[2:])
	}
	r.do(func(b engine.Batch) {
		fill(b, "a=1")
		fill(b, "b=22")
		b.Set([]byte("c"), []byte("333"))
		fill(b, "c=4444")
		b.Delete([]byte("a"))
		fill(b, "d=5")
	})
	r.wantPage(r, "a", "z", "b=22 c=4444 d=5")

	// Large enough for the batch's memory to move in between.
	large := strings.Repeat("x", r.Limits().MaxValue)
	r.do(func(b engine.Batch) {
		for _, key := range []string{"e", "f", "g"} {
			fill(b, key+"="+large)
			b.IfAbsent([]byte(key))
		}
	})
	for _, key := range []string{"e", "f", "g"} {
		r.wantValue(r, key, large)
	}
}

// testDeleteRange keeps ranges and other operations of a batch apart: their order is left to
// the engine.
func testDeleteRange(r rig) {
	all := "a=1 b=2 ba=3 c=4 d=5"
	for _, test := range []struct{ start, end, left string }{
		{"b", "c", "a=1 c=4 d=5"},
		{"b", "b\x00", "a=1 ba=3 c=4 d=5"},
		{"a", "z", ""},
		{"bb", "bz", all},
		{"c", "c", all},
		{"c", "b", all},
		{"", "z", all},
		{"a", "", all},
		{"", "", all},
	} {
		r.set(strings.Fields(all)...)
		for range 2 {
			r.do(func(b engine.Batch) {
				b.DeleteRange([]byte(test.start), []byte(test.end))
				b.Set([]byte("y"), []byte("0"))
				b.Delete([]byte("y"))
			})
			r.wantPage(r, "a", "y", test.left)
		}
	}
	r.set(strings.Fields(all)...)
	r.do(func(b engine.Batch) {
		b.DeleteRange([]byte("a"), []byte("b"))
		b.DeleteRange([]byte("c"), []byte("d"))
	})
	r.wantPage(r, "a", "z", "b=2 ba=3 d=5")
}

func testLimits(r rig) {
	l, portable := r.Limits(), engine.Portable
	if l.MaxKey < portable.MaxKey || l.MaxValue < portable.MaxValue ||
		l.MaxBatchOps < portable.MaxBatchOps || l.MaxBatchBytes < portable.MaxBatchBytes {
		r.Fatalf("limits %+v are below the portable %+v", l, portable)
	}
	bytesOf := func(n int) []byte { return bytes.Repeat([]byte("k"), n) }
	fill := func(b engine.Batch, ops, total int) { // distinct keys of 8 bytes
		for i := range ops {
			n := min(total/(ops-i), l.MaxValue+8)
			total -= n
			b.Set([]byte{'f', byte(i >> 16), byte(i >> 8), byte(i), 0, 0, 0, 0}, bytesOf(n-8))
		}
	}
	blocks := l.MaxBatchBytes/l.MaxValue + 1
	for _, test := range []struct {
		name  string
		want  error
		build func(engine.Batch)
	}{
		{"key", nil, func(b engine.Batch) { b.Set(bytesOf(l.MaxKey), []byte("1")) }},
		{"key above", engine.ErrTooLarge, func(b engine.Batch) { b.Set(bytesOf(l.MaxKey+1), []byte("1")) }},
		{"deleted key", nil, func(b engine.Batch) { b.Delete(bytesOf(l.MaxKey)) }},
		{"deleted key above", engine.ErrTooLarge, func(b engine.Batch) { b.Delete(bytesOf(l.MaxKey + 1)) }},
		{"bounds", nil, func(b engine.Batch) { b.DeleteRange([]byte("a"), bytesOf(l.MaxKey)) }},
		{"bounds above", engine.ErrTooLarge, func(b engine.Batch) { b.DeleteRange([]byte("a"), bytesOf(l.MaxKey+1)) }},
		{"value", nil, func(b engine.Batch) { b.Set([]byte("v"), bytesOf(l.MaxValue)) }},
		{"value above", engine.ErrTooLarge, func(b engine.Batch) { b.Set([]byte("v"), bytesOf(l.MaxValue+1)) }},
		{"deferred value", nil, func(b engine.Batch) { copy(first(b.SetDeferred(1, l.MaxValue)), "v") }},
		{"deferred value above", engine.ErrTooLarge, func(b engine.Batch) { copy(first(b.SetDeferred(1, l.MaxValue+1)), "v") }},
		{"asked key above", engine.ErrTooLarge, func(b engine.Batch) { b.IfAbsent(bytesOf(l.MaxKey + 1)) }},
		{"asked value above", engine.ErrTooLarge, func(b engine.Batch) { b.IfEquals([]byte("v"), bytesOf(l.MaxValue+1)) }},
		{"operations", nil, func(b engine.Batch) { fill(b, l.MaxBatchOps, 10*l.MaxBatchOps) }},
		{"operations above", engine.ErrTooLarge, func(b engine.Batch) { fill(b, l.MaxBatchOps+1, 10*(l.MaxBatchOps+1)) }},
		{"bytes", nil, func(b engine.Batch) { fill(b, blocks, l.MaxBatchBytes) }},
		{"bytes above", engine.ErrTooLarge, func(b engine.Batch) { fill(b, blocks, l.MaxBatchBytes+1) }},
	} {
		err := r.try(func(b engine.Batch) {
			b.Set([]byte("witness"), []byte(test.name))
			b.Reset() // which must forget the witness and nothing else
			test.build(b)
		})
		if !errors.Is(err, test.want) {
			r.Errorf("%s: error is %v, want %v", test.name, err, test.want)
		}
		r.wantValue(r, "witness", "")
	}

	r.want(engine.ErrTooLarge, r.try(func(b engine.Batch) {
		b.Set([]byte("before"), []byte("1"))
		b.Set(bytesOf(l.MaxKey+1), []byte("1"))
		b.Set([]byte("after"), []byte("1"))
	}))
	r.wantValue(r, "before", "")
	r.wantValue(r, "after", "")
}

func first(key, _ []byte) []byte { return key }

func testEmpty(r rig) {
	for name, build := range map[string]func(engine.Batch){
		"key":            func(b engine.Batch) { b.Set(nil, []byte("1")) },
		"value":          func(b engine.Batch) { b.Set([]byte("v"), []byte{}) },
		"deferred key":   func(b engine.Batch) { b.SetDeferred(0, 1) },
		"deferred value": func(b engine.Batch) { b.SetDeferred(1, 0) },
		"deleted key":    func(b engine.Batch) { b.Delete(nil) },
		"asked key":      func(b engine.Batch) { b.IfAbsent(nil) },
		"asked value":    func(b engine.Batch) { b.IfEquals([]byte("v"), nil) },
	} {
		err := r.try(func(b engine.Batch) {
			b.Set([]byte("witness"), []byte("1"))
			build(b)
		})
		if !errors.Is(err, engine.ErrEmpty) {
			r.Errorf("%s: error is %v, want %v", name, err, engine.ErrEmpty)
		}
		r.wantValue(r, "witness", "")
	}
}
