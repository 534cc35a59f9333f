package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// killedAt is an environment variable that makes a test process kill itself: the number of the
// write to the engine before which it does, an act and a store's directory.
const killedAt = "SEALKV_TEST_KILLED_AT"

// killActs are what the process is killed in. Before them k has 70 chunks, t nine, s none.
var killActs = map[string]func(t *testing.T, w *world, n *store.Namespace) error{
	"create": func(t *testing.T, _ *world, n *store.Namespace) error {
		mustCreate(t, n, "new", content(9*chunk, 4))
		return nil
	},
	"replace": func(t *testing.T, w *world, n *store.Namespace) error {
		mustCreate(t, n, "k", content(9*chunk, 5))
		return w.Collect(t.Context())
	},
	"replace by a short one": func(t *testing.T, w *world, n *store.Namespace) error {
		return errors.Join(n.Put(t.Context(), []byte("t"), []byte("short")), w.Collect(t.Context()))
	},
	"abort": func(t *testing.T, _ *world, n *store.Namespace) error {
		out, err := n.Create(t.Context(), []byte("k"), nil)
		if err == nil {
			_, err = out.Write(content(9*chunk, 5))
			out.Abort()
		}
		return err
	},
	"delete": func(t *testing.T, w *world, n *store.Namespace) error {
		return errors.Join(n.Delete(t.Context(), []byte("k")), w.Collect(t.Context()))
	},
	"transition": func(t *testing.T, w *world, n *store.Namespace) error {
		_, err := w.tenant("acme").Sweep(t.Context(), nil)
		return errors.Join(err, w.Collect(t.Context()))
	},
}

// killChanges are the keys that an act changes, with what they have afterwards; nil is none.
var killChanges = map[string]map[string][]byte{
	"create": {"new": content(9*chunk, 4)}, "replace": {"k": content(9*chunk, 5)},
	"replace by a short one": {"t": []byte("short")}, "delete": {"k": nil},
}

func killValues() map[string][]byte {
	return map[string][]byte{"k": content(70*chunk, 1), "t": content(9*chunk-1, 2), "s": content(100, 3)}
}

// TestProcessKilledAt is the process that kills itself. What it says before is that it was done.
func TestProcessKilledAt(t *testing.T) {
	var at int64
	rest, found := os.LookupEnv(killedAt)
	if !found {
		t.Skip("runs in a process of its own, of TestKillsAtEachWrite")
	}
	parts := strings.SplitN(rest, "|", 3)
	if _, err := fmt.Sscan(parts[0], &at); err != nil {
		t.Fatal(err)
	}
	act, dir := parts[1], parts[2]
	records, err := pebble.Open(filepath.Join(dir, "records"), &pebble.Options{MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	die := func() error {
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		time.Sleep(time.Minute)
		return err
	}
	var armed atomic.Bool
	var writes atomic.Int64
	e := &hooked{Engine: records, before: func([]write) error {
		if armed.Load() && writes.Add(1) == at {
			return die()
		}
		return nil
	}}
	w := &world{t: t, dir: dir, roots: roottest.Opener{platformURI: roottest.NewKey("platform"), "test://acme": roottest.NewKey("acme")}}
	w.opts = store.Options{Roots: w.roots, Engine: e, CollectEvery: -1, Rewrap: store.RewrapOff}
	if act == "transition" {
		w.opts.Now = func() time.Time { return afterTransition }
	}
	if w.Store, err = store.Open(t.Context(), dir, &w.opts); err != nil {
		t.Fatal(err)
	}
	n := w.ns("acme", "jira/attachments")
	armed.Store(true)
	if err := killActs[act](t, w, n); err != nil {
		t.Fatal(err)
	}
	fmt.Println("done")
	t.Fatal(die())
}

// A process that is killed before any of the writes that creating, replacing, deleting or the end of
// a transition consist of leaves each value as it was or as it was to be, whole, and what it has
// acknowledged; and no chunk more once the garbage is collected.
func TestKillsAtEachWrite(t *testing.T) {
	p, err := scope.Parse("test.yaml", []byte(transition))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, store.Options{Policy: p}, "acme")
	for key, value := range killValues() {
		mustCreate(t, w.ns("acme", "jira/attachments"), key, value)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	step := 1
	if testing.Short() {
		step = 4
	}
	for act := range killActs {
		t.Run(act, func(t *testing.T) {
			t.Parallel()
			points := 0
			for done := false; !done; points += step {
				dir := filepath.Join(t.TempDir(), "store")
				if err := os.CopyFS(dir, os.DirFS(w.dir)); err != nil {
					t.Fatal(err)
				}
				done = killAt(t, act, dir, 1+points)
				checkKilled(t, act, dir, done)
				if t.Failed() {
					t.Fatalf("killed before write %d", 1+points)
				}
				os.RemoveAll(dir)
			}
			if points < 3 {
				t.Fatalf("%d points", points)
			}
			t.Logf("killed before each of %d writes", points-step)
		})
	}
}

// killAt runs the process that kills itself, and reports whether it was done before.
func killAt(t *testing.T, act, dir string, at int) (done bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcessKilledAt$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d|%s|%s", killedAt, at, act, dir))
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("it ended by itself: %v\n%s", err, out)
	}
	return bytes.HasPrefix(out, []byte("done\n"))
}

func checkKilled(t *testing.T, act, dir string, done bool) {
	t.Helper()
	w, records := openKilled(t, dir, time.Now)
	defer w.Close()
	n := w.ns("acme", "jira/attachments")
	for range 2 { // before and after a collection
		values := killValues()
		for key, is := range killChanges[act] {
			was := values[key]
			got, err := n.Get(t.Context(), []byte(key))
			if errors.Is(err, store.ErrNotFound) {
				err = nil
			}
			if err != nil || !bytes.Equal(got, is) && (done || !bytes.Equal(got, was)) {
				t.Errorf("%s has %d bytes, %v; it had %d, and was to have %d", key, len(got), err, len(was), len(is))
			}
			delete(values, key)
		}
		for key, value := range values {
			wantContent(t, n, key, value)
		}
		if v := verify(t, w, store.VerifyOptions{}); v.Bad() != 0 {
			t.Errorf("%+v", v)
		}
		if err := w.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkBlobs(t, records)
	}
}
