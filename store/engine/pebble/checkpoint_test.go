package pebble_test

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// TestCheckpoint takes checkpoints while writers write: each holds at least what was applied
// before it, synced or not, and takes its own way from there.
func TestCheckpoint(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	e, err := pebble.Create(filepath.Join(dir, "records"), &pebble.Options{MemTableBytes: small})
	wantError(t, nil, err)
	w, stop, stopped := &workload{}, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		w.run(e, 1, 1<<40, stop)
	}()
	for _, name := range []string{"one", "two", "three"} {
		wantError(t, nil, put(e, []byte("k"), []byte(name), false))
		acked := w.acked()
		path := filepath.Join(dir, name)
		wantError(t, nil, e.Checkpoint(ctx, path))
		issued := w.issued()
		wantError(t, fs.ErrExist, e.Checkpoint(ctx, path))

		copied, err := pebble.Open(path, nil)
		wantError(t, nil, err)
		check(t, copied, acked, issued)
		sink := &keepSink{}
		wantError(t, nil, copied.Get(ctx, []byte("k"), sink))
		if string(sink.value) != name {
			t.Errorf("checkpoint %s has %q, which was applied before it", name, sink.value)
		}
		b := copied.NewBatch()
		b.DeleteRange([]byte("a"), []byte("z"))
		wantError(t, nil, copied.Apply(ctx, b, true))
		wantError(t, nil, copied.Compact(ctx, engine.Range{Start: []byte("a"), End: []byte("z")}))
		wantError(t, nil, copied.Close())
	}
	close(stop)
	<-stopped
	check(t, e, w.issued(), w.issued())
	wantError(t, nil, e.Close())
}

// TestCheckpointHoldsUnsynced: what nobody has synced is in a checkpoint too.
func TestCheckpointHoldsUnsynced(t *testing.T) {
	disk := vfs.NewMem()
	e := mustCreate(t, pebble.Options{FS: disk})
	wantError(t, nil, put(e, []byte("k"), []byte("v"), false))
	wantError(t, nil, e.Checkpoint(context.Background(), "/copy"))
	wantError(t, nil, e.Close())
	copied, err := pebble.Open("/copy", &pebble.Options{FS: disk})
	wantError(t, nil, err)
	wantError(t, nil, copied.Get(context.Background(), []byte("k"), &nullSink{}))
	wantError(t, nil, copied.Close())
}

// A keepSink copies the value.
type keepSink struct{ value []byte }

func (s *keepSink) Value(value []byte) error {
	s.value = append(s.value[:0], value...)
	return nil
}

// TestCheckpointFails: a disk that the checkpoint cannot be written to is no harm to the engine.
func TestCheckpointFails(t *testing.T) {
	const dir = "/elsewhere/copy"
	for _, fault := range []struct{ op, in string }{
		{"create", dir + "/"},
		{"write", dir + "/"},
		{"sync", dir + "/"},
		{"close", dir + "/"},
		{"link", dir + "/"},
		{"sync", dir}, // itself; Pebble panics
	} {
		disk := vfs.NewMem()
		fails := hookFS{disk, func(op, name string) error {
			within := name == fault.in || fault.in != dir && strings.HasPrefix(name, fault.in)
			if op == fault.op && within {
				return errBroken
			}
			return nil
		}}
		wantError(t, nil, disk.MkdirAll("/elsewhere", 0o700))
		e := mustCreate(t, pebble.Options{FS: fails})
		w := &workload{}
		w.run(e, 1, 5, nil)
		wantError(t, nil, e.Flush(context.Background()))
		w.run(e, 1, 10, nil)
		// A link that fails is replaced by a copy.
		if err := e.Checkpoint(context.Background(), dir); fault.op != "link" {
			wantError(t, engine.ErrUnavailable, err)
			if _, err := disk.Stat(dir); err == nil {
				t.Errorf("%s: the beginning of a checkpoint was left behind", fault.op)
			}
		}
		wantError(t, nil, put(e, []byte("k"), []byte("v"), true))
		wantError(t, nil, e.Close())
	}
}

// TestCheckpointOfRecycledLog lets a checkpoint copy a recycled log while it is written to, in
// the worst order: the copier sees old blocks first and new ones behind them.
func TestCheckpointOfRecycledLog(t *testing.T) {
	ctx, w := context.Background(), &workload{}
	var slow atomic.Pointer[func()]
	disk := readHookFS{vfs.NewMem(), func(name string) {
		if f := slow.Load(); f != nil && strings.HasSuffix(name, ".log") {
			(*f)()
		}
	}}
	e := mustCreate(t, pebble.Options{MemTableBytes: 16 * small, FS: disk})
	w.run(e, 1, 300, nil) // so that logs are recycled
	wantError(t, nil, e.Flush(ctx))
	wantError(t, nil, put(e, []byte("k"), []byte("v"), true)) // in the first block of the log
	write := func() {
		for i := range 100 {
			wantError(t, nil, put(e, numbered(i), make([]byte, 1000), true))
		}
	}
	slow.Store(&write)
	wantError(t, nil, e.Checkpoint(ctx, "/copy"))
	slow.Store(nil)
	wantError(t, nil, e.Close())
	copied, err := pebble.Open("/copy", &pebble.Options{FS: disk})
	wantError(t, nil, err)
	check(t, copied, w.issued(), w.issued())
	wantError(t, nil, copied.Close())
}

// A readHookFS calls hook after each read of a file that was opened for reading.
type readHookFS struct {
	vfs.FS
	hook func(name string)
}

func (r readHookFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := r.FS.Open(name, opts...)
	if err != nil {
		return nil, err
	}
	return &readHookFile{f, r, name}, nil
}

type readHookFile struct {
	vfs.File
	fs   readHookFS
	name string
}

func (f *readHookFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.fs.hook(f.name)
	return n, err
}
