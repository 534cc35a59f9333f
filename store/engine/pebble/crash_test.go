package pebble_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine/pebble"
)

// TestCrash takes the power away while eight writers write, again and again.
func TestCrash(t *testing.T) {
	runs, crashes := 6, 4
	if quick() {
		runs = 2
	}
	for range runs {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 0))
		t.Logf("seed %d", seed)
		disk := vfs.NewCrashableMem()
		opts := pebble.Options{MemTableBytes: small, FS: disk}
		e := mustCreate(t, opts)
		w, stop, stopped := &workload{}, make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			w.run(e, seed, 1<<40, stop)
		}()
		for range crashes {
			time.Sleep(time.Duration(r.IntN(40)) * time.Millisecond)
			acked := w.acked()
			after := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.IntN(3) * 50, RNG: r})
			issued := w.issued()
			recovered := mustOpen(t, pebble.Options{MemTableBytes: small, FS: after})
			check(t, recovered, acked, issued)
			wantError(t, nil, recovered.Close())
		}
		close(stop)
		<-stopped
		wantError(t, nil, e.Close())
		e = mustOpen(t, opts)
		check(t, e, w.issued(), w.issued()) // a clean Close loses nothing
		wantError(t, nil, e.Close())
	}
}

// everyStep runs work on a disk and returns what a crash before each of its operations leaves,
// the last one after all of them.
func everyStep(kept int, from *vfs.MemFS, work func(vfs.FS)) (left []*vfs.MemFS) {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(1, uint64(kept)))
	crash := func(string, string) error {
		mu.Lock()
		defer mu.Unlock()
		left = append(left, from.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: r}))
		return nil
	}
	work(hookFS{from, crash})
	return append(left, from.CrashClone(vfs.CrashCloneCfg{}))
}

// TestCrashWhileCreating takes the power away before each operation of Create. Create on what is
// left must finish the work.
func TestCrashWhileCreating(t *testing.T) {
	for _, kept := range []int{50, 0, 100} {
		if quick() && kept != 50 {
			break
		}
		disks := everyStep(kept, vfs.NewCrashableMem(), func(disk vfs.FS) {
			wantError(t, nil, mustCreate(t, pebble.Options{FS: disk}).Close())
		})
		for i, after := range disks {
			opts := pebble.Options{FS: after}
			if e, err := pebble.Open("/records", &opts); err == nil {
				wantError(t, nil, e.Close())
			} else if i == len(disks)-1 {
				t.Fatalf("Create returned and was not durable: %v", err)
			}
			e := mustCreate(t, opts)
			wantError(t, nil, put(e, []byte("key"), []byte("value"), true))
			wantError(t, nil, e.Close())
		}
	}
}

// TestCrashWhileOpening takes the power away before each operation of Open that replays logs.
func TestCrashWhileOpening(t *testing.T) {
	before, w := logsToReplay(t)
	for _, kept := range []int{0, 50} {
		disk := before.CrashClone(vfs.CrashCloneCfg{})
		left := everyStep(kept, disk, func(disk vfs.FS) {
			wantError(t, nil, mustOpen(t, pebble.Options{MemTableBytes: small, FS: disk}).Close())
		})
		for _, after := range left {
			e := mustOpen(t, pebble.Options{MemTableBytes: small, FS: after})
			check(t, e, w.issued(), w.issued())
			wantError(t, nil, e.Close())
		}
	}
}

// logsToReplay returns a disk after a crash and what was written, and synced, before it.
func logsToReplay(t *testing.T) (*vfs.MemFS, *workload) {
	disk, w := vfs.NewCrashableMem(), &workload{}
	e := mustCreate(t, pebble.Options{MemTableBytes: small, FS: disk})
	w.run(e, 1, 12, nil)
	wantError(t, nil, e.Sync(context.Background()))
	left := disk.CrashClone(vfs.CrashCloneCfg{})
	wantError(t, nil, e.Close())
	return left, w
}
