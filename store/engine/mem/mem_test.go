package mem_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/enginetest"
	"github.com/sealkv/sealkv/store/engine/mem"
)

func TestSuite(t *testing.T) {
	enginetest.Run(t, func(*testing.T) engine.Engine { return mem.New() })
}

// A sinkFunc is a Sink.
type sinkFunc func(value []byte) error

func (f sinkFunc) Value(value []byte) error { return f(value) }

func set(t *testing.T, e engine.Engine, key, value string) {
	t.Helper()
	b := e.NewBatch()
	b.Set([]byte(key), []byte(value))
	if err := e.Apply(context.Background(), b, true); err != nil {
		t.Fatal(err)
	}
}

func TestLoansAreTakenBack(t *testing.T) {
	e := mem.New()
	set(t, e, "key", "value")
	var kept []byte
	if err := e.Get(context.Background(), []byte("key"), sinkFunc(func(value []byte) error {
		kept = value
		return nil
	})); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(kept, []byte("value")) {
		t.Error("a value outlived its sink")
	}

	b := e.NewBatch()
	key, value := b.SetDeferred(1, 1)
	key[0], value[0] = 'k', '1'
	b.Delete([]byte("key"))
	value[0] = '2' // too late
	if err := e.Apply(context.Background(), b, true); err != nil {
		t.Fatal(err)
	}
	if err := e.Get(context.Background(), []byte("k"), sinkFunc(func(value []byte) error {
		if string(value) != "1" {
			t.Errorf("the value is %q: a slice was taken back too late", value)
		}
		return nil
	})); err != nil {
		t.Fatal(err)
	}
}

func TestWritingIntoALoanPanics(t *testing.T) {
	e := mem.New()
	set(t, e, "key", "value")
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_ = e.Get(context.Background(), []byte("key"), sinkFunc(func(value []byte) error {
		value[0] ^= 1
		return nil
	}))
}
