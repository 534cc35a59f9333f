package store_test

import (
	"errors"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
)

// A sweep that begins while its tenant is shredded writes nothing of it afterwards.
func TestShredAgainstABeginningSweep(t *testing.T) {
	e := &hooked{Engine: newKept()}
	w := newWorld(t, store.Options{Engine: e}, "acme")
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	hook, arm := firstOf(codec.AppendPrefix(nil, codec.KindSweep, "acme", "jira/comments"), func() { shred(t, w, nil) })
	e.read = hook // where the sweep looks for one that was cut short, the last thing before it writes
	arm()
	if _, err := w.tenant("acme").Sweep(t.Context(), nil); !errors.Is(err, store.ErrKeyDestroyed) {
		t.Errorf("the sweep: %v", err)
	}
	for _, kind := range []codec.Kind{codec.KindSweep, codec.KindCensus, codec.KindMiss} {
		if keys, _ := rawAll(t, e, kind); len(keys) > 0 {
			t.Errorf("%v: %q is left", kind, keys)
		}
	}
}
