package store_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/mem"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// A kept engine outlives the stores that are opened on it, so that a test can look and write
// underneath.
type kept struct{ *mem.Engine }

func newKept() kept { return kept{mem.New()} }

// Close keeps the engine open.
func (kept) Close() error { return nil }

// recordKey is the engine key of a record.
func recordKey(tenant, namespace, key string) []byte {
	return append(codec.AppendPrefix(nil, codec.KindRecord, tenant, namespace), key...)
}

// A copier is a sink that copies what it is given.
type copier struct {
	keys, values [][]byte
}

func (c *copier) Value(value []byte) error {
	c.values = append(c.values, bytes.Clone(value))
	return nil
}

func (c *copier) Entry(key, value []byte) (bool, error) {
	c.keys, c.values = append(c.keys, bytes.Clone(key)), append(c.values, bytes.Clone(value))
	return true, nil
}

// rawGet is what stands in the engine under key, nil for nothing.
func rawGet(t *testing.T, e engine.Reader, key []byte) []byte {
	t.Helper()
	var got copier
	if err := e.Get(context.Background(), key, &got); errors.Is(err, engine.ErrNotFound) {
		return nil
	} else if err != nil {
		t.Fatal(err)
	}
	return got.values[0]
}

// rawSet writes underneath the store; nil removes.
func rawSet(t *testing.T, e engine.Engine, key, value []byte) {
	t.Helper()
	b := e.NewBatch()
	defer b.Close()
	if value == nil {
		b.Delete(key)
	} else {
		b.Set(key, value)
	}
	if err := e.Apply(context.Background(), b, true); err != nil {
		t.Fatal(err)
	}
}

// rawAll is everything of one kind.
func rawAll(t *testing.T, e engine.Reader, kind codec.Kind) (keys, values [][]byte) {
	t.Helper()
	var got copier
	if err := e.Page(context.Background(), engine.Range{Start: []byte{byte(kind)}, End: []byte{byte(kind) + 1}}, &got); err != nil {
		t.Fatal(err)
	}
	return got.keys, got.values
}

// A hooked engine calls its hooks around what goes through it. They are set before it is used.
type hooked struct {
	engine.Engine
	before func(w []write) error // its error is what Apply returns, with nothing done
	after  func(w []write)       // of an Apply that succeeded, before it returns
	read   func(from []byte)     // before a Get or a Page, with where it begins
	got    func(key []byte)      // after a Get
}

// A write is what a batch does to one key; value is nil where it deletes.
type write struct{ key, value []byte }

func (h *hooked) NewBatch() engine.Batch { return &hookedBatch{Batch: h.Engine.NewBatch()} }

func (h *hooked) Apply(ctx context.Context, b engine.Batch, sync bool) error {
	own := b.(*hookedBatch)
	own.settle()
	if h.before != nil {
		if err := h.before(own.writes); err != nil {
			return err
		}
	}
	err := h.Engine.Apply(ctx, own.Batch, sync)
	if h.after != nil && err == nil {
		h.after(own.writes)
	}
	return err
}

func (h *hooked) Get(ctx context.Context, key []byte, sink engine.Sink) error {
	if h.read != nil {
		h.read(key)
	}
	if h.got != nil {
		defer h.got(key)
	}
	return h.Engine.Get(ctx, key, sink)
}

func (h *hooked) Page(ctx context.Context, r engine.Range, sink engine.PageSink) error {
	if h.read != nil {
		h.read(r.Start)
	}
	return h.Engine.Page(ctx, r, sink)
}

// NewSnapshot implements engine.Snapshotter.
func (h *hooked) NewSnapshot(ctx context.Context) (engine.Snapshot, error) {
	return h.Engine.(engine.Snapshotter).NewSnapshot(ctx)
}

type hookedBatch struct {
	engine.Batch
	writes   []write
	deferred *write // the caller may still be filling it
}

func (b *hookedBatch) settle() {
	if b.deferred != nil {
		b.keep(b.deferred.key, b.deferred.value)
		b.deferred = nil
	}
}

func (b *hookedBatch) keep(key, value []byte) {
	b.writes = append(b.writes, write{bytes.Clone(key), bytes.Clone(value)})
}

func (b *hookedBatch) Set(key, value []byte) {
	b.settle()
	b.keep(key, value)
	b.Batch.Set(key, value)
}

func (b *hookedBatch) SetDeferred(keyLen, valueLen int) (key, value []byte) {
	b.settle()
	key, value = b.Batch.SetDeferred(keyLen, valueLen)
	b.deferred = &write{key, value}
	return key, value
}

func (b *hookedBatch) Delete(key []byte) {
	b.settle()
	b.keep(key, nil)
	b.Batch.Delete(key)
}

func (b *hookedBatch) IfAbsent(key []byte)        { b.settle(); b.Batch.IfAbsent(key) }
func (b *hookedBatch) IfEquals(key, value []byte) { b.settle(); b.Batch.IfEquals(key, value) }
func (b *hookedBatch) Reset()                     { b.writes, b.deferred = nil, nil; b.Batch.Reset() }

// onEngines runs a test on each engine, which the store closes.
func onEngines(t *testing.T, test func(t *testing.T, e engine.Engine)) {
	t.Run("mem", func(t *testing.T) { test(t, mem.New()) })
	t.Run("pebble", func(t *testing.T) {
		e, err := pebble.Create(filepath.Join(t.TempDir(), "records"), &pebble.Options{MemTableBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		test(t, e)
	})
}
