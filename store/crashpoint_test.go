package store_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// A crashPoint is what both files would be if the machine lost its power at one step of an act.
type crashPoint struct {
	name    string // what came before it
	commits int    // of the keyring, since the act began
	records *vfs.MemFS
	keyring []byte
	copied  []byte // what a compaction of the keyring had beside it; nil for none
}

// A camera is an engine that takes a crash point around each call that changes what is on its disk.
// The keyring's commits need no hook: an act tells the engine's mirror of each, so there is a crash
// point at which the keyring has it and the mirror has not.
type camera struct {
	hooked
	inner *pebble.Engine
	disk  *vfs.MemFS
	t     *testing.T
	begun func() // called when a checkpoint begins, if it is not nil

	mu      sync.Mutex // chunks are written by several goroutines
	keyring string     // its path; empty while nothing is taken
	file    os.FileInfo
	raw     []byte // the keyring at the last crash point
	commits int    // of the keyring, since the act began
	last    string
	points  []crashPoint
}

func newCamera(t *testing.T) *camera {
	c := &camera{t: t, disk: vfs.NewCrashableMem()}
	var err error
	if c.inner, err = pebble.Create("/records", &pebble.Options{FS: c.disk}); err != nil {
		t.Fatal(err)
	}
	c.Engine = c.inner
	c.before = func([]write) error { c.take(""); return nil }
	c.after = func(ws []write) { c.take(nameOf(ws)) }
	return c
}

// nameOf names a batch by what it writes.
func nameOf(ws []write) string {
	var names []string
	for _, w := range ws {
		name := codec.Kind(w.key[0]).String()
		if bytes.Equal(w.key, codec.MetaMirror) {
			name = "mirror"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "deletion"
	}
	return strings.Join(names, " and ")
}

func (c *camera) Exclusive() {}

func (c *camera) Sync(ctx context.Context) error {
	return c.around("sync", func() error { return c.inner.Sync(ctx) })
}

func (c *camera) Flush(ctx context.Context) error {
	return c.around("flush", func() error { return c.inner.Flush(ctx) })
}

func (c *camera) Compact(ctx context.Context, r engine.Range) error {
	return c.around("compaction", func() error { return c.inner.Compact(ctx, r) })
}

// Checkpoint makes one on the disk that forgets, and moves it to where it was asked for.
func (c *camera) Checkpoint(ctx context.Context, dir string) error {
	if c.begun != nil {
		c.begun()
	}
	return c.around("checkpoint", func() error {
		err := c.disk.RemoveAll("/checkpoint") // one that a crash has left
		if err == nil {
			err = c.inner.Checkpoint(ctx, "/checkpoint")
		}
		if err != nil {
			return err
		}
		_, err = vfs.Clone(c.disk, vfs.Default, "/checkpoint", dir)
		return err
	})
}

func (c *camera) around(name string, call func() error) error {
	c.take("")
	err := call()
	c.take(name)
	return err
}

// start takes what the act begins with.
func (c *camera) start(keyring string) {
	c.keyring, c.last = keyring, "nothing"
	c.take("nothing")
}

// stop takes what it ends with.
func (c *camera) stop() []crashPoint {
	c.take("")
	c.keyring = ""
	return c.points
}

// take takes a crash point after a call, or, if it has no name, before one: that is another than the
// last only if the keyring is.
func (c *camera) take(call string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keyring == "" {
		return
	}
	raw, err := os.ReadFile(c.keyring) // bbolt syncs what it commits
	if os.IsNotExist(err) {
		return // the store is being created
	}
	file, statErr := os.Stat(c.keyring)
	if err != nil || statErr != nil {
		c.t.Error(err, statErr)
		return
	}
	changed := c.file == nil || !bytes.Equal(raw, c.raw)
	switch {
	case c.file != nil && !os.SameFile(file, c.file): // compacted since then, into a new file
		c.add("half a copied keyring", c.raw, raw[:len(raw)/2])
		c.add("a copied keyring", c.raw, raw)
		c.last = "the keyring's compaction"
	case changed && c.file != nil:
		c.commits++
	}
	c.file, c.raw = file, raw
	if call != "" {
		c.last = call
	}
	if call != "" || changed {
		c.add(c.last, raw, nil)
	}
}

// add adds two points: all that was not synced is lost, or nothing is. What is lost in between is
// for TestCrashes to find.
func (c *camera) add(after string, keyring, copied []byte) {
	kept := []int{0, 100}
	if testing.Short() {
		kept = kept[:1]
	}
	for _, percent := range kept {
		c.points = append(c.points, crashPoint{
			name:    fmt.Sprintf("after %s, keyring %d, %d%% kept", after, c.commits, percent),
			commits: c.commits,
			records: c.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(1, 1))}),
			keyring: keyring, copied: copied,
		})
	}
}

// lay puts the keyring where a store's directory is, and opens the records.
func (p *crashPoint) lay(t *testing.T, dir string) *camera {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"keyring.db": p.keyring, "keyring.db.compact": p.copied} {
		if raw == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := &camera{t: t, disk: p.records}
	var err error
	if c.inner, err = pebble.Open("/records", &pebble.Options{FS: p.records}); err != nil {
		t.Fatal(err)
	}
	c.Engine = c.inner
	return c
}
