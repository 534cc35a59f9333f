package pebble_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// TestFlippedTableBit flips bits in tables. A read says so or is right, and neither an error nor
// the log names a user key. There are few flips: Pebble looks for the bit by trying them all.
func TestFlippedTableBit(t *testing.T) {
	const flips, entries = 12, 30
	ctx, disk := context.Background(), vfs.NewCrashableMem()
	e := mustCreate(t, pebble.Options{FS: disk})
	b := e.NewBatch()
	for i := range entries {
		b.Set(fmt.Appendf(nil, "secret%03d", i), bytes.Repeat([]byte{byte(i)}, 1000))
	}
	wantError(t, nil, e.Apply(ctx, b, true))
	wantError(t, nil, e.Close())

	var said strings.Builder
	r, noticed := rand.New(rand.NewPCG(1, 1)), 0
	for range flips {
		flipped := disk.CrashClone(vfs.CrashCloneCfg{})
		name, size := largest(t, flipped, ".sst")
		flip(t, flipped, name, r.Int64N(size), byte(1)<<r.IntN(8))
		log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
		e, err := pebble.Open("/records", &pebble.Options{FS: flipped, Logger: log})
		if err == nil {
			err = errors.Join(readAll(t, e, entries), e.Compact(ctx, engine.Range{Start: []byte("a"), End: []byte("z")}))
			_ = e.Close()
		}
		if err != nil {
			wantError(t, engine.ErrCorrupt, err)
			fmt.Fprintln(&said, err)
			noticed++
		}
	}
	if t.Logf("%d of %d flips were noticed", noticed, flips); noticed < flips*3/4 {
		t.Error("too few")
	}
	if strings.Contains(said.String(), "secret") || !strings.Contains(said.String(), "damaged") {
		t.Errorf("what was said names a key, or says nothing:\n%s", said.String())
	}
}

// readAll returns the errors of reading, and fails at a value that is wrong.
func readAll(t *testing.T, e *pebble.Engine, entries int) (failed error) {
	all := engine.Range{Start: []byte("s"), End: []byte("t")}
	for _, all.Reverse = range []bool{false, true} {
		failed = errors.Join(failed, e.Page(context.Background(), all, &firstSink{n: -1}))
	}
	for _, i := range []int{0, entries - 1} {
		sink := &keepSink{}
		err := e.Get(context.Background(), fmt.Appendf(nil, "secret%03d", i), sink)
		if err == nil && !bytes.Equal(sink.value, bytes.Repeat([]byte{byte(i)}, 1000)) {
			t.Error("a wrong value was read")
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// TestDamageStopsWrites: when background work has met damage, writes are refused until the
// engine is opened again.
func TestDamageStopsWrites(t *testing.T) {
	ctx, disk := context.Background(), vfs.NewCrashableMem()
	w := &workload{}
	e := mustCreate(t, pebble.Options{FS: disk})
	w.run(e, 1, 20, nil)
	wantError(t, nil, e.Close())
	name, size := largest(t, disk, ".sst")
	for offset := range size / 2 {
		if offset%4096 == 100 {
			flip(t, disk, name, offset, 1)
		}
	}
	e = mustOpen(t, pebble.Options{FS: disk})
	for i := range 3 { // something newer in the way, so that the damaged table is rewritten
		wantError(t, nil, put(e, workKey(i, 0, "a"), []byte("v"), true))
	}
	wantError(t, engine.ErrCorrupt, e.Compact(ctx, engine.Range{Start: []byte("a"), End: []byte("z")}))
	wantError(t, engine.ErrCorrupt, put(e, []byte("k"), []byte("v"), true))
	wantError(t, engine.ErrCorrupt, e.Flush(ctx))
	wantError(t, nil, e.Get(ctx, workKey(0, 0, "a"), &nullSink{}))
	_ = e.Close()
}

// TestDamageIsNotChased: Pebble collects statistics of each table and begins again at once when it
// cannot read one, for as long as the engine is open.
func TestDamageIsNotChased(t *testing.T) {
	disk, w := vfs.NewCrashableMem(), &workload{}
	e := mustCreate(t, pebble.Options{FS: disk})
	w.run(e, 1, 20, nil)
	wantError(t, nil, e.Close())
	name, size := largest(t, disk, ".sst")
	flip(t, disk, name, size-1, 1) // its footer, read whenever it is opened
	var opened atomic.Int32
	began := time.Now()
	e = mustOpen(t, pebble.Options{FS: openHookFS{disk, func(opening string) {
		if opening == name {
			opened.Add(1)
		}
	}}})
	time.Sleep(200 * time.Millisecond)
	wantError(t, engine.ErrCorrupt, e.Get(context.Background(), workKey(0, 0, "a"), &nullSink{}))
	wantError(t, nil, e.Close()) // at once
	// One attempt in a tenth of a second, and some by opening, reading and closing: not thousands.
	if n := opened.Load(); n > 10+int32(time.Since(began)/(50*time.Millisecond)) {
		t.Errorf("the table was opened %d times", n)
	}
}

// An openHookFS calls hook before it opens a file for reading.
type openHookFS struct {
	vfs.FS
	hook func(name string)
}

func (o openHookFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	o.hook(name)
	return o.FS.Open(name, opts...)
}

// largest returns the largest file in the engine's directory whose name ends like this.
func largest(t *testing.T, disk vfs.FS, suffix string) (name string, size int64) {
	t.Helper()
	names, err := disk.List("/records")
	wantError(t, nil, err)
	for _, base := range names {
		path := filepath.Join("/records", base)
		info, err := disk.Stat(path)
		wantError(t, nil, err)
		if strings.HasSuffix(base, suffix) && info.Size() > size {
			name, size = path, info.Size()
		}
	}
	if name == "" {
		t.Fatal(errors.New("no file " + suffix))
	}
	return name, size
}
