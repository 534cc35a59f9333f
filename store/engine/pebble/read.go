package pebble

import (
	"context"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sealkv/sealkv/store/engine"
)

// Get implements engine.Reader.
func (e *Engine) Get(ctx context.Context, key []byte, sink engine.Sink) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	return get(e.db, key, sink)
}

// Page implements engine.Reader.
func (e *Engine) Page(ctx context.Context, r engine.Range, sink engine.PageSink) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	return page(ctx, e.db, r, sink)
}

// get lends Pebble's own buffer to sink, which may be a block in the cache. To find a block of 16
// KiB damaged takes a good part of a second, one of 512 KiB several: Pebble looks for the bit.
func get(from pebble.Reader, key []byte, sink engine.Sink) error {
	value, closer, err := from.Get(key)
	if err != nil {
		return translate("reading", err)
	}
	defer closer.Close()
	if len(value) == 0 {
		return errValueLost
	}
	return sink.Value(value)
}

// errValueLost is what a Get of Pebble's means that succeeds without a value: it could not read
// one that lies apart from its key, and drops the error. There are no empty values.
var errValueLost = fmt.Errorf("%w: a value cannot be read", engine.ErrCorrupt)

// bounds are reused: Pebble copies them, but a call through its interface lets them escape.
var bounds = sync.Pool{New: func() any { return new(pebble.IterOptions) }}

// page walks an iterator, which keeps the state that it began with.
func page(ctx context.Context, from pebble.Reader, r engine.Range, sink engine.PageSink) (err error) {
	if r.Empty() {
		return nil
	}
	within := bounds.Get().(*pebble.IterOptions)
	*within = pebble.IterOptions{LowerBound: r.Start, UpperBound: r.End}
	it, err := from.NewIterWithContext(ctx, within)
	*within = pebble.IterOptions{}
	bounds.Put(within)
	if err != nil {
		return translate("scanning", err)
	}
	defer func() {
		if failed := it.Close(); failed != nil && err == nil {
			err = translate("scanning", failed)
		}
	}()
	for ok := seek(it, r.Reverse); ok; ok = step(it, r.Reverse) {
		if err := ctx.Err(); err != nil {
			return err
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return translate("scanning", err)
		}
		if more, err := sink.Entry(it.Key(), value); err != nil || !more {
			return err
		}
	}
	return nil // or what the iterator met, which its Close returns
}

func seek(it *pebble.Iterator, reverse bool) bool {
	if reverse {
		return it.Last()
	}
	return it.First()
}

func step(it *pebble.Iterator, reverse bool) bool {
	if reverse {
		return it.Prev()
	}
	return it.Next()
}
