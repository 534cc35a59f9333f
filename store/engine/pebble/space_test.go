package pebble_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// A device is a file system of limited size.
type device struct {
	vfs.FS
	size atomic.Int64

	mu    sync.Mutex
	files map[string]int64
}

func newDevice(size int64) *device {
	d := &device{FS: vfs.NewMem(), files: make(map[string]int64)}
	d.size.Store(size)
	return d
}

func (d *device) used() (sum int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.files {
		sum += n
	}
	return sum
}

func (d *device) GetDiskUsage(string) (vfs.DiskUsage, error) {
	size, used := d.size.Load(), d.used()
	return vfs.DiskUsage{TotalBytes: uint64(size), AvailBytes: uint64(max(0, size-used))}, nil
}

func (d *device) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return &deviceFile{File: f, device: d, name: name}, err
}

func (d *device) ReuseForWrite(oldname, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(oldname, name, c)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[name] = d.files[oldname]
	delete(d.files, oldname)
	return &deviceFile{File: f, device: d, name: name}, err
}

func (d *device) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.files, name)
	return d.FS.Remove(name)
}

type deviceFile struct {
	vfs.File
	device *device
	name   string
	offset int64
}

func (f *deviceFile) Write(p []byte) (int, error) {
	end := f.offset + int64(len(p))
	f.device.mu.Lock()
	grow := max(0, end-f.device.files[f.name])
	f.device.mu.Unlock()
	if grow > 0 && f.device.used()+grow > f.device.size.Load() {
		return 0, syscall.ENOSPC
	}
	f.device.mu.Lock()
	f.device.files[f.name] += grow
	f.device.mu.Unlock()
	f.offset = end
	return f.File.Write(p)
}

// TestDiskFull fills a device again and again, as compactions free a little. Writes are refused
// before the device is full, nothing hangs, reads go on, and when there is space writes do too.
func TestDiskFull(t *testing.T) {
	disk := newDevice(6 << 20)
	opts := pebble.Options{MemTableBytes: small, FS: disk}
	e, w := mustCreate(t, opts), &workload{}
	for round := range uint64(5) {
		w.run(e, round, 1<<40, nil)
		wantError(t, engine.ErrDiskFull, *w.refused.Load())
		wantError(t, engine.ErrUnavailable, *w.refused.Load())
		w.stepBack()
		check(t, e, w.acked(), w.issued())
	}
	disk.size.Store(16 << 20)
	putWhenTaken(t, e)
	wantError(t, nil, e.Close())
	e = mustOpen(t, opts)
	check(t, e, w.issued(), w.issued())
	wantError(t, nil, e.Close())
}

// putWhenTaken waits until Pebble has found out that there is space again.
func putWhenTaken(t *testing.T, e *pebble.Engine) {
	t.Helper()
	for {
		err := put(e, []byte("k"), []byte("v"), true)
		if err == nil {
			return
		}
		wantError(t, engine.ErrUnavailable, err)
		time.Sleep(time.Millisecond)
	}
}

// TestDiskFilledByOthers: a device that somebody else fills is noticed soon, without an error from
// it, and forgotten as soon as there is space.
func TestDiskFilledByOthers(t *testing.T) {
	disk := newDevice(64 << 20)
	e := mustCreate(t, pebble.Options{MemTableBytes: small, FS: disk})
	wantError(t, nil, put(e, []byte("k"), []byte("v"), true))
	foreign := func(size int64) {
		disk.mu.Lock()
		defer disk.mu.Unlock()
		disk.files["/foreign"] = size
	}
	foreign(64<<20 - disk.used() - small)
	var err error
	for written := 0; err == nil && written < small/8; written += small / 64 {
		err = put(e, []byte("k"), make([]byte, small/64), true)
	}
	wantError(t, engine.ErrDiskFull, err)
	foreign(0)
	wantError(t, nil, put(e, []byte("k"), []byte("v"), true))
	wantError(t, nil, e.Close())
}

// stepBack takes back the batch that each writer was refused, so that it may write it again.
func (w *workload) stepBack() {
	w.refused.Store(nil)
	for i := range w.writers {
		w.writers[i].issued.Add(-1)
	}
}

// TestTablesFindNoSpace uses up a quota of which the file system does not tell: the log still
// grows, in space that it has, but tables cannot be written. Without the engine's own refusal
// the writers would wait for ever once the memtables are full.
func TestTablesFindNoSpace(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO} {
		var full atomic.Bool
		disk := hookFS{vfs.NewMem(), func(op, name string) error {
			if full.Load() && op == "write" && strings.HasSuffix(name, ".sst") {
				return errno
			}
			return nil
		}}
		opts := pebble.Options{MemTableBytes: small, FS: disk}
		e, w := mustCreate(t, opts), &workload{}
		full.Store(true)
		w.run(e, 1, 1<<40, nil)
		want := engine.ErrDiskFull
		if errno == syscall.EIO {
			want = engine.ErrUnavailable
		}
		wantError(t, want, *w.refused.Load())
		check(t, e, w.acked(), w.issued())
		wantError(t, want, e.Flush(context.Background()))
		wantError(t, want, e.Sync(context.Background()))

		full.Store(false)
		putWhenTaken(t, e)
		w.stepBack()
		w.run(e, 2, w.writers[0].issued.Load()+20, nil)
		wantError(t, nil, e.Close())
		e = mustOpen(t, opts)
		check(t, e, w.issued(), w.issued())
		wantError(t, nil, e.Close())
	}
}

// TestCloseOnFullDisk: neither Close nor Open waits for space. The log keeps everything.
func TestCloseOnFullDisk(t *testing.T) {
	disk := newDevice(64 << 20)
	opts := pebble.Options{MemTableBytes: 16 * small, FS: disk}
	e := mustCreate(t, opts)
	wantError(t, nil, put(e, []byte("k"), make([]byte, 500<<10), false))
	wantError(t, nil, e.Sync(context.Background()))
	disk.size.Store(disk.used() + 4096) // enough for the end of the log, not for a table
	wantError(t, nil, e.Close())
	_, err := pebble.Open("/records", &opts)
	wantError(t, engine.ErrDiskFull, err)
	disk.size.Store(64 << 20)
	e = mustOpen(t, opts)
	wantError(t, nil, e.Get(context.Background(), []byte("k"), &nullSink{}))
	wantError(t, nil, e.Close())
}
