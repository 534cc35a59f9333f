package pebble

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
)

// A fence stands between Pebble and its directory, and breaks at the first error of an operation
// whose outcome then nobody knows: one on the log (WAL), on the MANIFEST, on the other small
// files, or on the directory. The engine is poisoned from then on.
//
// Told of such an error Pebble panics with its locks held or calls Logger.Fatalf, and if that
// returns it goes on and acknowledges writes that are lost. So it is not told. From the moment
// before the error would reach it, Pebble is cut off: what it writes to those files, renames or
// removes is dropped and reported as done. It stays in good order, no caller is left waiting in
// it, and it can be closed; on disk everything stays as it was, for the next opening to recover.
// In return nothing that Pebble reports as durable may be believed before broken was asked
// again; outcome is for that.
//
// Errors on tables are Pebble's own affair: it tries again with a new file.
type fence struct {
	vfs.FS
	dir      string
	readOnly bool
	log      *slog.Logger
	breach   atomic.Pointer[breach]
	// logs are the logs that were opened for writing, by name.
	logs sync.Map // string to *fencedFile
	// beforeTable is called before a table is created.
	beforeTable func()
}

// A breach is what became of a broken fence.
type breach struct {
	cause error
	// ghost takes the tables of flushes that were still to come, so that they end; in memory,
	// no more than was in the memtables.
	ghost *vfs.MemFS
}

func newFence(files vfs.FS, dir string, readOnly bool, log *slog.Logger) *fence {
	return &fence{FS: files, dir: dir, readOnly: readOnly, log: log, beforeTable: func() {}}
}

// broken reports whether the engine is poisoned.
func (f *fence) broken() bool { return f.breach.Load() != nil }

// cause is why the engine is poisoned; nil if it is not.
func (f *fence) cause() error {
	if b := f.breach.Load(); b != nil {
		return b.cause
	}
	return nil
}

// refusal is the error of a call that finds the engine poisoned and does nothing.
func (f *fence) refusal() error { return fmt.Errorf("%w (%v)", engine.ErrPoisoned, f.cause()) }

// outcome is the error of a call that has written: nil, or ErrUnknown if the fence is broken.
func (f *fence) outcome() error {
	if f.broken() {
		return fmt.Errorf("%w (%v)", engine.ErrUnknown, f.cause())
	}
	return nil
}

// sever breaks the fence; only the first error is kept.
func (f *fence) sever(doing string, err error) {
	b := &breach{cause: translate(doing, err), ghost: vfs.NewMem()}
	_ = b.ghost.MkdirAll(f.dir, 0o700) // in memory, where nothing fails
	if f.breach.CompareAndSwap(nil, b) {
		f.log.Error("engine: poisoned; close and open again", "cause", b.cause)
	}
}

// inside reports whether name lies directly in the engine's directory. A checkpoint does not.
func (f *fence) inside(name string) bool { return f.PathDir(name) == f.dir }

// guards reports whether an error on name poisons the engine.
func (f *fence) guards(name string) bool { return f.inside(name) && !isTable(name) }

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// isMarker is true for the empty files whose names say which MANIFEST and format are in force.
func (f *fence) isMarker(name string) bool {
	return f.inside(name) && strings.HasPrefix(f.PathBase(name), "marker.")
}
