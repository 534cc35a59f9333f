package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// errDisk is what an engine says of a disk that fails.
var errDisk = fmt.Errorf("%w: flushing: input/output error", engine.ErrUnavailable)

// wantDisk checks that an error is errDisk, with its cause, and not that of a closed store.
func wantDisk(t *testing.T, doing string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrClosed) || !strings.Contains(err.Error(), "input/output error") {
		t.Errorf("%s: %v", doing, err)
	}
}

// What an engine fails to do is not taken for a closed store, and says why.
func TestEngineThatFailsIsNotClosed(t *testing.T) {
	home := t.TempDir()
	inner, err := pebble.Create(filepath.Join(home, "records"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldIn(t, home, store.Options{Engine: &checkpointed{Engine: inner, hook: func(string) error { return errDisk }}}, "acme")
	_, err = w.Backup(t.Context(), t.TempDir())
	wantDisk(t, "Backup", err)

	e := &hooked{Engine: newKept()}
	w = newWorld(t, store.Options{Engine: e}, "acme")
	n := w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "v")
	e.before = func([]write) error { return errDisk }
	wantDisk(t, "Put", n.Put(t.Context(), []byte("k"), []byte("v")))
	if got := w.Stats().Operations[store.OpPut].Outcomes[store.OutcomeError]; got != 1 {
		t.Errorf("%d errors are counted", got)
	}
	e.before = nil
}

// A disk that fails one namespace pauses the sweep of that one.
func TestDiskThatFailsPausesASweep(t *testing.T) {
	e := &hooked{Engine: newKept()}
	w := newWorld(t, store.Options{Engine: e, Rewrap: store.RewrapOff}, "acme", "globex")
	for _, tenant := range []string{"acme", "globex"} {
		mustPut(t, w.ns(tenant, "jira/comments"), "k", "v")
		if _, err := w.tenant(tenant).RotateDataKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	e.before = func(w []write) error {
		if bytes.Equal(w[0].key, recordKey("acme", "jira/comments", "k")) {
			return errDisk
		}
		return nil
	}
	done, failed, err := endings(t, w, store.SweepOptions{Workers: 1})
	wantDisk(t, "Sweep", err)
	if len(done) != 1 || len(failed) != 1 || done["globex jira/comments"].Rewrapped != 1 {
		t.Errorf("done are %+v, failed %v", done, failed)
	}
}
