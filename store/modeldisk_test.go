package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// disks are what a model's store lies on.
type disks interface {
	dir() string
	// create returns the engine of a new store; nil where the store makes its own.
	create(m *model) engine.Engine
	// open returns that of the store that is opened again, after it was closed.
	open(m *model) engine.Engine
}

// memoryDisks keep records in a file system in memory, of which a crash loses half of what was not
// synced. The keyring is a file, which bbolt syncs in each commit.
type memoryDisks struct {
	t       *testing.T
	base    string
	life    int // directories of keyrings
	fs      *vfs.MemFS
	random  *rand.Rand
	mu      sync.Mutex
	left    int // writes until the armed crash; 0 for none
	image   *vfs.MemFS
	keyring []byte
}

func newMemoryDisks(t *testing.T, dir string) disks {
	return &memoryDisks{t: t, base: dir, fs: vfs.NewCrashableMem()}
}

func (d *memoryDisks) dir() string { return filepath.Join(d.base, fmt.Sprint(d.life)) }

func (d *memoryDisks) create(m *model) engine.Engine {
	d.random = rand.New(rand.NewPCG(uint64(len(m.tenants)), 7))
	e, err := pebble.Create("/records", &pebble.Options{FS: d.fs, CacheBytes: 4 << 20, MemTableBytes: 1 << 18})
	m.must(err)
	return &imaged{e, d}
}

func (d *memoryDisks) open(m *model) engine.Engine {
	e, err := pebble.Open("/records", &pebble.Options{FS: d.fs, CacheBytes: 4 << 20, MemTableBytes: 1 << 18})
	m.must(err)
	return &imaged{e, d}
}

// arm has a crash come at the n-th write from now on.
func (d *memoryDisks) arm(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left, d.image = n, nil
}

// step counts a write towards the crash that is armed.
func (d *memoryDisks) step() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left == 0 {
		return
	}
	if d.left--; d.left == 0 {
		d.take()
	}
}

func (d *memoryDisks) take() {
	raw, err := os.ReadFile(filepath.Join(d.dir(), "keyring.db"))
	if err != nil {
		d.t.Error(err)
	}
	d.keyring, d.image = raw, d.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: d.random})
}

// crash makes of the disks what they were when the armed crash came, or what they would be after one now.
func (d *memoryDisks) crash(m *model) {
	d.mu.Lock()
	if d.left = 0; d.image == nil {
		d.take()
	}
	d.fs, d.image = d.image, nil
	d.mu.Unlock()
	m.s.Close() // of the other life
	d.life++
	m.must(os.MkdirAll(d.dir(), 0o700))
	m.must(os.WriteFile(filepath.Join(d.dir(), "keyring.db"), d.keyring, 0o600))
}

// An imaged engine counts its writes towards a crash.
type imaged struct {
	*pebble.Engine
	disks *memoryDisks
}

func (e *imaged) Apply(ctx context.Context, b engine.Batch, sync bool) error {
	e.disks.step()
	defer e.disks.step()
	return e.Engine.Apply(ctx, b, sync)
}

// realDisks keep everything in files. They do not crash: for that there are tests that kill processes.
type realDisks struct {
	base string
	life int
}

func newRealDisks(_ *testing.T, dir string) disks { return &realDisks{base: dir} }

func (d *realDisks) dir() string                 { return filepath.Join(d.base, fmt.Sprint(d.life)) }
func (d *realDisks) create(*model) engine.Engine { return nil }
func (d *realDisks) open(*model) engine.Engine   { return nil }
