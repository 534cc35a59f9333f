package pebble_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// TestReadOnly opens what a clean shutdown left, what a crash left (with logs to replay, and
// with more of them than a memtable takes) and a checkpoint, and compares every byte afterwards.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	ctx, w := context.Background(), &workload{}
	clean, crashed, checkpoint := filepath.Join(dir, "clean"), filepath.Join(dir, "crashed"), filepath.Join(dir, "checkpoint")
	e, err := pebble.Create(clean, &pebble.Options{MemTableBytes: 32 * small})
	wantError(t, nil, err)
	w.run(e, 1, 30, nil)
	wantError(t, nil, e.Flush(ctx))
	w.run(e, 1, 60, nil) // no compaction moves files while they are copied
	wantError(t, nil, e.Sync(ctx))
	wantError(t, nil, os.CopyFS(crashed, os.DirFS(clean)))
	wantError(t, nil, e.Checkpoint(ctx, checkpoint))
	wantError(t, nil, e.Close())

	for _, path := range []string{clean, crashed, checkpoint} {
		before := fingerprint(t, path)
		for _, memTable := range []int{small, 32 * small} {
			readOnly, err := pebble.Open(path, &pebble.Options{ReadOnly: true, MemTableBytes: memTable})
			wantError(t, nil, err)
			check(t, readOnly, w.issued(), w.issued())
			s, err := readOnly.NewSnapshot(ctx)
			wantError(t, nil, err)
			check(t, s, w.issued(), w.issued())

			if readOnly.Metrics().DiskBytes == 0 {
				t.Error("no metrics")
			}
			wantError(t, engine.ErrReadOnly, put(readOnly, []byte("k"), []byte("v"), true))
			wantError(t, engine.ErrReadOnly, readOnly.Checkpoint(ctx, filepath.Join(dir, "another")))
			wantError(t, engine.ErrReadOnly, readOnly.Flush(ctx))
			wantError(t, engine.ErrReadOnly, readOnly.Compact(ctx, engine.Range{Start: []byte("a"), End: []byte("z")}))
			wantError(t, nil, readOnly.Sync(ctx))
			wantError(t, nil, readOnly.Close())
			if after := fingerprint(t, path); after != before {
				t.Errorf("%s changed from\n%s\nto\n%s", filepath.Base(path), before, after)
			}
		}
		e, err := pebble.Open(path, nil) // and it can still be written
		wantError(t, nil, err)
		check(t, e, w.issued(), w.issued())
		wantError(t, nil, put(e, []byte("k"), []byte("v"), true))
		wantError(t, nil, e.Close())
	}
}

// fingerprint lists the files of a directory: name, mode, time of the last change, hash.
func fingerprint(t *testing.T, dir string) (list string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	wantError(t, nil, err)
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		wantError(t, nil, err)
		info, err := entry.Info()
		wantError(t, nil, err)
		list += fmt.Sprintf("%s %v %v %x\n", entry.Name(), info.Mode(), info.ModTime(), sha256.Sum256(content))
	}
	return list
}
