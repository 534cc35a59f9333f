package pebble_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/enginetest"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

var apart = engine.Range{Start: []byte("b"), End: []byte("c")}

// The suite, with the values of keys of every kind in files of their own.
func TestSuiteApart(t *testing.T) {
	opts := &pebble.Options{MemTableBytes: 4 * small, FS: vfs.NewMem(), Apart: engine.Range{Start: []byte{0}, End: []byte{0xff}}}
	count := 0
	enginetest.RunDurable(t, dirs{}.options(opts, func(*testing.T) string {
		count++
		return fmt.Sprintf("/apart%d", count)
	}))
}

func fillApart(t *testing.T, e *pebble.Engine) (value []byte) {
	t.Helper()
	value = make([]byte, small)
	rand.NewChaCha8([32]byte{}).Read(value)
	for i := range 40 {
		b := e.NewBatch()
		for _, prefix := range []string{"a", "b", "c"} {
			b.Set(fmt.Appendf(nil, "%s%02d", prefix, i), value)
		}
		b.Set(fmt.Appendf(nil, "bshort%02d", i), value[:100])
		if err := e.Apply(t.Context(), b, false); err != nil {
			t.Fatal(err)
		}
		b.Close()
	}
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return value
}

func blobFiles(t *testing.T, dir string) (names []string, size int64) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.blob"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // Pebble has deleted it meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return names, size
}

// Long values of the keys that Apart names lie in files of their own and others do not;
// compactions leave those files alone, and a deletion unlinks them.
func TestApart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "records")
	e, err := pebble.Create(dir, &pebble.Options{Apart: apart})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	value := fillApart(t, e)
	before, size := blobFiles(t, dir)
	if size < 40*small || size > 41*small {
		t.Fatalf("%d bytes in %d files", size, len(before))
	}
	if err := e.Compact(t.Context(), engine.Range{Start: []byte("a"), End: []byte("d")}); err != nil {
		t.Fatal(err)
	}
	after, _ := blobFiles(t, dir)
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Fatalf("%v became %v", before, after)
	}
	var got catch
	if err := e.Get(t.Context(), []byte("b07"), &got); err != nil || !bytes.Equal(got.value, value) {
		t.Fatal(err)
	}
	b := e.NewBatch()
	defer b.Close()
	b.DeleteRange(apart.Start, apart.End)
	if err := e.Apply(t.Context(), b, true); err != nil {
		t.Fatal(err)
	}
	if err := e.Compact(t.Context(), engine.Range{Start: []byte("a"), End: []byte("d")}); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if names, _ := blobFiles(t, dir); len(names) == 0 {
			break
		} else if time.Since(start) > 30*time.Second {
			t.Fatalf("%v are still there", names)
		}
	}
}

type catch struct{ value []byte }

func (c *catch) Value(value []byte) error { c.value = bytes.Clone(value); return nil }

// Damage of such a file is noticed by who reads the value.
func TestDamageApart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "records")
	opts := &pebble.Options{Apart: apart}
	e, err := pebble.Create(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	value := fillApart(t, e)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	names, _ := blobFiles(t, dir)
	raw, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(names[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if e, err = pebble.Open(dir, opts); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	damaged := 0
	for i := range 40 {
		var got catch
		if err := e.Get(t.Context(), fmt.Appendf(nil, "b%02d", i), &got); errors.Is(err, engine.ErrCorrupt) {
			damaged++
		} else if err != nil || !bytes.Equal(got.value, value) {
			t.Fatalf("value %d is wrong: %v", i, err)
		}
	}
	if damaged != 1 {
		t.Fatalf("%d values are damaged; files %v of %d bytes", damaged, names, len(raw))
	}
}
