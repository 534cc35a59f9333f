package pebble_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

func TestOpenMakesNothing(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"missing", "missing/deeper", "."} {
		for _, readOnly := range []bool{false, true} {
			_, err := pebble.Open(filepath.Join(dir, name), &pebble.Options{ReadOnly: readOnly})
			wantError(t, fs.ErrNotExist, err)
		}
	}
	if _, err := pebble.Create(filepath.Join(dir, "missing", "deeper"), nil); err == nil {
		t.Error("Create made the parent of its directory")
	}
	_, err := pebble.Create(filepath.Join(dir, "records"), &pebble.Options{ReadOnly: true})
	wantError(t, engine.ErrReadOnly, err)
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestOneOpening: a directory is opened once, by whatever name.
func TestOneOpening(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	records := filepath.Join(dir, "records")
	e, err := pebble.Create(records, nil)
	wantError(t, nil, err)
	wantError(t, nil, os.Symlink(records, link))
	t.Chdir(dir)
	for _, name := range []string{records, link, "records", "./link/../records"} {
		_, err := pebble.Open(name, nil)
		wantError(t, engine.ErrUnavailable, err)
	}
	if info, err := os.Stat(records); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory's mode is %v (%v), want 0700", info.Mode(), err)
	}
	wantError(t, nil, e.Close())
	e, err = pebble.Open("link", nil)
	wantError(t, nil, err)
	wantError(t, nil, e.Close())
}

// TestCreateKeeps: Create on an engine that is there opens it.
func TestCreateKeeps(t *testing.T) {
	opts := pebble.Options{FS: vfs.NewMem()}
	e := mustCreate(t, opts)
	wantError(t, nil, put(e, []byte("k"), []byte("v"), false))
	wantError(t, nil, e.Close())
	e = mustCreate(t, opts)
	wantError(t, nil, e.Get(context.Background(), []byte("k"), &nullSink{}))
	wantError(t, nil, e.Close())
}

// TestFlippedLogBit flips one bit in the last log of an engine that crashed. Open must notice,
// except in the last record, of which nothing says that it was durable. In Pebble's first format,
// which Create gets rid of, no flip at all would be noticed.
func TestFlippedLogBit(t *testing.T) {
	for _, size := range []int{100, 1000, 8000} {
		disk := vfs.NewCrashableMem()
		e := mustCreate(t, pebble.Options{FS: disk})
		for i := range 100 {
			wantError(t, nil, put(e, numbered(i), make([]byte, size), true))
		}
		crashed := disk.CrashClone(vfs.CrashCloneCfg{})
		wantError(t, nil, e.Close())
		name, length := largest(t, crashed, ".log")
		testFlips(t, crashed, name, length, func(e *pebble.Engine) {
			ctx, sink := context.Background(), &firstSink{n: -1}
			wantError(t, nil, e.Page(ctx, engine.Range{Start: numbered(0), End: numbered(100)}, sink))
			wantError(t, nil, e.Get(ctx, numbered(sink.seen-1), sink)) // so that all before it are there too
		})
	}
}

// TestFlippedManifestBit flips one bit in the MANIFEST of an engine that was closed. Open must
// notice, or nothing be lost.
func TestFlippedManifestBit(t *testing.T) {
	for _, memTable := range []int{small, 0} { // many edits, and one
		disk, w := vfs.NewCrashableMem(), &workload{}
		e := mustCreate(t, pebble.Options{MemTableBytes: memTable, FS: disk})
		w.run(e, 1, 40, nil)
		wantError(t, nil, e.Close())
		found, err := lsm.Peek("/records", disk)
		wantError(t, nil, err)
		info, err := disk.Stat(found.ManifestFilename)
		wantError(t, nil, err)
		testFlips(t, disk, found.ManifestFilename, info.Size(), func(e *pebble.Engine) {
			check(t, e, w.issued(), w.issued())
		})
	}
}

// testFlips flips single bits of a file. At most an eighth of the flips may go unnoticed, and then
// unharmed must find nothing wrong.
func testFlips(t *testing.T, disk *vfs.MemFS, name string, size int64, unharmed func(*pebble.Engine)) {
	t.Helper()
	const flips = 40
	r, silent := rand.New(rand.NewPCG(2, 2)), 0
	for range flips {
		flipped := disk.CrashClone(vfs.CrashCloneCfg{})
		flip(t, flipped, name, r.Int64N(size), byte(1)<<r.IntN(8))
		e, err := pebble.Open("/records", &pebble.Options{FS: flipped})
		if err != nil {
			wantError(t, engine.ErrCorrupt, err)
			continue
		}
		silent++
		unharmed(e)
		wantError(t, nil, e.Close())
	}
	if t.Logf("%d of %d flips went unnoticed", silent, flips); silent > flips/8 {
		t.Error("too many")
	}
}

func flip(t *testing.T, disk vfs.FS, name string, offset int64, bit byte) {
	t.Helper()
	f, err := disk.Open(name)
	wantError(t, nil, err)
	content, err := io.ReadAll(f)
	wantError(t, nil, errors.Join(err, f.Close()))
	content[offset] ^= bit
	f, err = disk.Create(name, vfs.WriteCategoryUnspecified)
	wantError(t, nil, err)
	_, err = f.Write(content)
	wantError(t, nil, errors.Join(err, f.Close()))
}
