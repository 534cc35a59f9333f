package pebble

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	cockroach "github.com/cockroachdb/errors"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
)

func TestTranslate(t *testing.T) {
	for _, test := range []struct{ from, to error }{
		{nil, nil},
		{pebble.ErrNotFound, engine.ErrNotFound},
		{pebble.ErrReadOnly, engine.ErrReadOnly},
		{cockroach.Mark(cockroach.Newf("block of %q", "secret"), pebble.ErrCorruption), engine.ErrCorrupt},
		{cockroach.Wrapf(syscall.ENOSPC, "writing %q", "secret"), engine.ErrDiskFull},
		{cockroach.Wrapf(syscall.EDQUOT, "writing %q", "secret"), engine.ErrDiskFull},
		{cockroach.Wrapf(fs.ErrExist, "making %q", "secret"), fs.ErrExist},
		{cockroach.Wrapf(context.Canceled, "reading %q", "secret"), context.Canceled},
		{cockroach.Newf("key %q", "secret"), engine.ErrUnavailable},
		{fmt.Errorf("key %q", "secret"), engine.ErrUnavailable},
	} {
		got := translate("testing", test.from)
		if !errors.Is(got, test.to) || strings.Contains(fmt.Sprint(got), "secret") {
			t.Errorf("%v becomes %v, want %v", test.from, got, test.to)
		}
	}
}

// TestFatalf: Pebble gives itself up. The call panics, with no argument that may be a key, and
// nothing is acknowledged any more.
func TestFatalf(t *testing.T) {
	e, err := Create("/records", &Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if said, _ := recover().(string); !strings.Contains(said, "broken invariant") || strings.Contains(said, "secret") {
				t.Errorf("it panics with %q", said)
			}
		}()
		logger{e}.Fatalf("broken invariant at key %q", "secret")
		t.Error("Fatalf has returned")
	}()
	b := e.NewBatch()
	b.Set([]byte("k"), []byte("v"))
	if err := e.Apply(context.Background(), b, true); !errors.Is(err, engine.ErrPoisoned) {
		t.Errorf("Apply: %v", err)
	}
	if err := e.Close(); !errors.Is(err, engine.ErrUnknown) {
		t.Errorf("Close: %v", err)
	}
}
