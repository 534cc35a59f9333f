package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

var errBroken = errors.New("the disk is broken")

// A fault lets an operation fail on files whose name contains a string.
type fault struct {
	op, name string // "" means any
	after    int32  // how many such operations still succeed
	once     bool   // and whether those after the first failure do

	armed atomic.Bool
	seen  atomic.Int32
	hit   atomic.Bool
}

func (f *fault) hook(op, name string) error {
	if !f.armed.Load() || f.op != "" && f.op != op || !strings.Contains(path.Base(name), f.name) {
		return nil
	}
	n := f.seen.Add(1)
	if n <= f.after || f.once && n > f.after+1 {
		return nil
	}
	f.hit.Store(true)
	return errBroken
}

func (f *fault) on(disk vfs.FS) vfs.FS { return hookFS{disk, f.hook} }

// poisoning are the operations whose outcome nobody knows when they fail.
var poisoning = []struct{ op, name string }{
	{"write", ".log"},
	{"sync", ".log"},
	{"close", ".log"},
	{"reuse", ".log"},
	{"create", ".log"},
	{"write", "MANIFEST"},
	{"sync", "MANIFEST"},
	{"sync", "records"}, // the directory
}

// TestPoison breaks the disk under eight writers. What was acknowledged must be there after the
// power is taken away, no call may hang, and the engine must refuse everything until it is
// opened again, in the same process.
func TestPoison(t *testing.T) {
	for _, kind := range poisoning {
		for _, after := range []int32{0, 1, 20} {
			if kind.op == "create" && after > 0 || quick() && after == 20 {
				continue // logs are recycled, so that few are created
			}
			for _, once := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %s/%d/%v", kind.op, kind.name, after, once), func(t *testing.T) {
					testPoison(t, &fault{op: kind.op, name: kind.name, after: after, once: once})
				})
			}
		}
	}
}

func testPoison(t *testing.T, f *fault) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	disk := vfs.NewCrashableMem()
	e := mustCreate(t, pebble.Options{MemTableBytes: small, FS: f.on(disk)})
	ctx, w := context.Background(), &workload{}
	f.armed.Store(true)
	w.run(e, seed, 3000, nil)
	refused := w.refused.Load()
	if !f.hit.Load() || refused == nil {
		t.Fatalf("fault met: %v; first error: %v", f.hit.Load(), refused)
	}
	if !errors.Is(*refused, engine.ErrUnknown) && !errors.Is(*refused, engine.ErrPoisoned) {
		t.Fatalf("the first error is %v", *refused)
	}

	wantError(t, engine.ErrPoisoned, put(e, []byte("k"), []byte("v"), false))
	wantError(t, engine.ErrUnavailable, put(e, []byte("k"), []byte("v"), true))
	wantError(t, engine.ErrPoisoned, e.Get(ctx, workKey(0, 0, "a"), &nullSink{}))
	wantError(t, engine.ErrPoisoned, e.Page(ctx, engine.Range{Start: []byte("a"), End: []byte("z")}, &firstSink{}))
	wantError(t, engine.ErrPoisoned, e.Checkpoint(ctx, "/checkpoint"))
	wantError(t, engine.ErrUnknown, e.Sync(ctx))
	wantError(t, engine.ErrUnknown, e.Close())

	f.armed.Store(false)
	crashed := disk.CrashClone(vfs.CrashCloneCfg{})
	for _, left := range []vfs.FS{crashed, disk} {
		again := mustOpen(t, pebble.Options{MemTableBytes: small, FS: left})
		check(t, again, w.acked(), w.issued())
		wantError(t, nil, put(again, []byte("k"), []byte("v"), true))
		wantError(t, nil, again.Close())
	}
}

// TestTableFault: a table that cannot be written is written again. Writers that were refused
// meanwhile try again, and conditions show that nothing of a refused batch was applied.
func TestTableFault(t *testing.T) {
	for _, op := range []string{"create", "write", "sync", "close", "remove"} {
		t.Run(op, func(t *testing.T) {
			f := &fault{op: op, name: ".sst", once: true}
			opts := pebble.Options{MemTableBytes: small, FS: f.on(vfs.NewMem())}
			e, w := mustCreate(t, opts), &workload{patient: true}
			f.armed.Store(true)
			limit := int64(300)
			if quick() {
				limit = 100
			}
			w.run(e, 1, limit, nil)
			if err := w.refused.Load(); err != nil || !f.hit.Load() {
				t.Fatalf("fault met: %v; first error: %v", f.hit.Load(), err)
			}
			wantError(t, nil, e.Close())
			e = mustOpen(t, opts)
			check(t, e, w.issued(), w.issued())
			wantError(t, nil, e.Close())
		})
	}
}

// TestFaultWhileOpening breaks the disk for good at each operation of Open. Open fails, and does
// not hang, or the engine works; afterwards everything is there.
func TestFaultWhileOpening(t *testing.T) {
	before, w := logsToReplay(t)
	step := int32(2)
	if quick() {
		step = 7
	}
	met := true
	for n := int32(0); met; n += step {
		disk := before.CrashClone(vfs.CrashCloneCfg{})
		f := &fault{after: n}
		f.armed.Store(true)
		e, err := pebble.Open("/records", &pebble.Options{MemTableBytes: small, FS: f.on(disk)})
		met = f.hit.Load()
		if err == nil {
			check(t, e, w.issued(), w.issued())
			_ = e.Close()
		}
		for _, left := range []vfs.FS{disk, disk.CrashClone(vfs.CrashCloneCfg{})} {
			again := mustOpen(t, pebble.Options{MemTableBytes: small, FS: left})
			check(t, again, w.issued(), w.issued())
			wantError(t, nil, again.Close())
		}
	}
}
