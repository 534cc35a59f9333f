package store_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// killed is an environment variable that makes a test process work until it is killed: an act
// and a store's directory.
const killed = "SEALKV_TEST_KILLED"

const transition = `version: 1
name: test
rules:
- namespace: jira/attachments
  domain: both
  until: 2100-01-01
`

var afterTransition = time.Date(2100, 2, 1, 0, 0, 0, 0, time.UTC)

// killContent is the content of a seed: most are long, some are one record.
func killContent(seed uint64) []byte {
	if seed%5 == 0 {
		return content(100, seed)
	}
	return content(40*chunk+int(seed%1000), seed)
}

// openKilled opens the store in dir, with its engine within reach.
func openKilled(t *testing.T, dir string, now func() time.Time) (*world, engine.Engine) {
	t.Helper()
	records, err := pebble.Open(filepath.Join(dir, "records"), &pebble.Options{MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, roots: roottest.Opener{platformURI: roottest.NewKey("platform"), "test://acme": roottest.NewKey("acme")}}
	w.opts = store.Options{Roots: w.roots, Engine: records, CollectEvery: -1, Rewrap: store.RewrapOff, Now: now}
	if w.Store, err = store.Open(t.Context(), dir, &w.opts); err != nil {
		t.Fatal(err)
	}
	return w, records
}

// TestKilledProcess is the process that is killed. It says what it begins and what is done.
func TestKilledProcess(t *testing.T) {
	act, dir, found := strings.Cut(os.Getenv(killed), " ")
	if !found {
		t.Skip("runs in a process of its own, of TestKills")
	}
	now := time.Now
	if act == "transition" {
		now = func() time.Time { return afterTransition }
	}
	w, _ := openKilled(t, dir, now)
	n := w.ns("acme", "jira/attachments")
	fmt.Println("begin 0")
	for seed := uint64(1); ; seed++ {
		var err error
		switch {
		case act == "transition":
			_, err = w.tenant("acme").Sweep(t.Context(), nil)
		case act == "delete" && seed%2 == 0:
			fmt.Println("begin", 0)
			err = errors.Join(n.Delete(t.Context(), []byte("k")), w.Collect(t.Context()))
			fmt.Println("done", 0)
		default:
			fmt.Println("begin", seed)
			mustCreate(t, n, "k", killContent(seed))
			fmt.Println("done", seed)
		}
		if err == nil && act == "replace" && seed%3 == 0 {
			err = w.Collect(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A process that is killed while it writes, replaces, deletes or ends a transition leaves the old
// content or the new one, whole; and nothing else once the garbage is collected.
func TestKills(t *testing.T) {
	rounds := 4
	if testing.Short() {
		rounds = 1
	}
	for _, act := range []string{"replace", "delete", "transition"} {
		for round := range rounds {
			t.Run(fmt.Sprint(act, round), func(t *testing.T) { t.Parallel(); testKill(t, act) })
		}
	}
}

func testKill(t *testing.T, act string) {
	p, err := scope.Parse("test.yaml", []byte(transition))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, store.Options{Policy: p}, "acme")
	if act == "transition" {
		for seed := range uint64(30) {
			mustCreate(t, w.ns("acme", "jira/attachments"), fmt.Sprint("t", seed), killContent(seed+1))
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	last := run(t, act, w.dir)
	again, records := openKilled(t, w.dir, time.Now)
	defer again.Close()
	n := again.ns("acme", "jira/attachments")
	if act != "transition" {
		checkOneOf(t, n, last)
	}
	if act == "transition" {
		moved := 0
		for seed := range 30 {
			h, err := again.Head(t.Context(), "acme", "jira/attachments", fmt.Append(nil, "t", seed))
			if err != nil {
				t.Fatal(err)
			}
			if len(h.Keys) == 1 {
				moved++
			}
		}
		t.Logf("%d of 30 were moved when it was killed", moved)
	}
	for range 2 { // before and after a collection
		for seed := range uint64(30) {
			if act == "transition" {
				wantContent(t, n, fmt.Sprint("t", seed), killContent(seed+1))
			}
		}
		if err := again.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkBlobs(t, records)
	}
}

// run lets a process work for a moment and kills it. It returns the seeds of the contents of
// which one must be there: the last that was acknowledged and what came after.
func run(t *testing.T, act, dir string) (seeds []uint64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledProcess$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), killed+"="+act+" "+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	time.Sleep(time.Duration(20+rand.IntN(400)) * time.Millisecond)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Wait(); cmd.ProcessState.Exited() {
		t.Fatalf("it ended by itself: %s%s%s", line, rest, stderr.String())
	}
	seeds = []uint64{0}
	for line := range strings.Lines(string(rest)) {
		var what string
		var seed uint64
		if k, _ := fmt.Sscan(line, &what, &seed); k < 2 || !strings.HasSuffix(line, "\n") {
			continue
		}
		if what == "done" {
			seeds = seeds[:0]
		}
		seeds = append(seeds, seed)
	}
	return seeds
}

// checkOneOf fails the test unless the value is whole and one of those of seeds; 0 is none.
func checkOneOf(t *testing.T, n *store.Namespace, seeds []uint64) {
	t.Helper()
	got, err := n.Get(t.Context(), []byte("k"))
	if errors.Is(err, store.ErrNotFound) && slices.Contains(seeds, 0) {
		return
	}
	if err != nil {
		t.Fatalf("%v; want one of %v", err, seeds)
	}
	for _, seed := range seeds {
		if seed != 0 && bytes.Equal(got, killContent(seed)) {
			return
		}
	}
	t.Fatalf("%d bytes of another content than %v", len(got), seeds)
}
