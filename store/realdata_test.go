package store_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/store"
)

// swept is an environment variable that makes a test process sweep the store in a directory until
// it is killed.
const swept = "SEALKV_TEST_SWEPT"

// A place is where a record is.
type place struct{ tenant, namespace, key string }

// A realStore is a store with all of the real data, and what is in it.
type realStore struct {
	*world
	sums   map[place][sha256.Size]byte
	bytes  uint64
	places []place
}

// TestSweptProcess is the process that is killed. It says how many records it has visited.
func TestSweptProcess(t *testing.T) {
	dir := os.Getenv(swept)
	if dir == "" {
		t.Skip("runs in a process of its own, of TestRealLife")
	}
	roots := root.OpenerFunc(func(_ context.Context, uri string) (root.Key, error) {
		return roottest.NewKey(strings.TrimPrefix(uri, "test://")), nil
	})
	s, err := store.Open(t.Context(), dir, &store.Options{Roots: roots, NoSync: true, CollectEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Sweep(t.Context(), &store.SweepOptions{Workers: 4, Progress: func(p store.SweepProgress) { fmt.Println("visited", p.Visited) }})
	t.Fatalf("it came to its end before it was killed: %v", err)
}

// All of the real data lives through a rotation: it is rotated, a tenth of it is read at random, a
// sweep takes the rest, is killed in its middle and goes on; the old keys are retired, and every
// value is what it was. At each point the exact coverage is exact.
func TestRealLife(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("takes half a minute, and under the race detector several")
	}
	r := loadReal(t)
	total := uint64(len(r.places))
	t.Logf("%d records, %d bytes of values", total, r.bytes)
	if old, active := r.coverage(t); old != (store.CensusCount{}) || active.Records != total || active.Bytes != r.bytes {
		t.Fatalf("after loading: %+v under old keys, %+v under active ones", old, active)
	}
	rotations := 0
	r.eachTenant(t, func(acme *store.Tenant) error {
		done, err := acme.RotateDataKeys(t.Context())
		rotations += len(done)
		return err
	})
	if old, active := r.coverage(t); old.Records != total || old.Bytes != r.bytes || active.Records != 0 {
		t.Fatalf("after %d rotations: %+v under old keys, %+v under active ones", rotations, old, active)
	}

	rand.Shuffle(len(r.places), func(i, j int) { r.places[i], r.places[j] = r.places[j], r.places[i] })
	read := total / 10
	for _, p := range r.places[:read] {
		value, err := r.ns(p.tenant, p.namespace).Get(t.Context(), []byte(p.key))
		if err != nil || sha256.Sum256(value) != r.sums[p] {
			t.Fatalf("a value of %s in %s: %v", p.tenant, p.namespace, err)
		}
	}
	until(t, "what was read is rewrapped", func() bool { return r.Stats().Rewrapped == read })
	if old, active := r.coverage(t); old.Records != total-read || active.Records != read {
		t.Fatalf("after %d reads: %+v under old keys, %+v under active ones", read, old, active)
	}

	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	killed := killSweep(t, r.dir, total/3)
	r.reopen()
	left, _ := r.coverage(t)
	if left.Records == 0 || left.Records >= total-read {
		t.Fatalf("%d of %d are under old keys after the sweep was killed at %d", left.Records, total, killed)
	}
	var again store.SweepProgress
	failed := 0
	err := r.Sweep(t.Context(), &store.SweepOptions{
		Progress: func(p store.SweepProgress) { again = p },
		Ended: func(c store.Census, err error) {
			if err != nil || c.Missed > 0 {
				failed++
				t.Errorf("%v: %+v", err, c)
			}
		},
	})
	if err != nil || failed > 0 {
		t.Fatal(err)
	}
	// What the kill may have taken are pages that were not on their way to the disk yet.
	t.Logf("killed at %d of %d; %d left; the second sweep visited %d, at %.0f a second", killed, total, left.Records, again.Visited, again.PerSecond)
	if again.Visited > total-killed/2 {
		t.Fatalf("it began again: it visited %d of %d, and was killed at %d", again.Visited, total, killed)
	}
	old, active := r.coverage(t)
	if old.Records != 0 || active.Records != total || active.Bytes != r.bytes {
		t.Fatalf("after the sweep: %+v under old keys, %+v under active ones", old, active)
	}
	r.retireAll(t, rotations)
	if old, active := r.coverage(t); old.Records != 0 || active.Records != total {
		t.Fatalf("after retiring: %+v under old keys, %+v under active ones", old, active)
	}
	r.verify(t)
}

func (r *realStore) eachTenant(t *testing.T, fn func(*store.Tenant) error) {
	t.Helper()
	infos, err := r.Tenants("", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		if err := fn(r.tenant(info.ID)); err != nil {
			t.Fatal(err)
		}
	}
}

// coverage counts records under draining and under active keys, each once: a record that is under
// two keys has both in the same state.
func (r *realStore) coverage(t *testing.T) (old, active store.CensusCount) {
	t.Helper()
	report, err := r.Coverage(t.Context(), &store.CoverageOptions{Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	if report.Records != uint64(len(r.places)) {
		t.Fatalf("%d records were read, there are %d", report.Records, len(r.places))
	}
	both := map[string]bool{}
	for _, row := range report.Rows {
		both[row.Tenant+row.Namespace+row.Domain] = true
	}
	for _, row := range report.Rows {
		if row.Domain == "platform" && both[row.Tenant+row.Namespace+"tenant"] {
			continue
		}
		switch row.State {
		case "active":
			active.Records, active.Bytes = active.Records+row.Records, active.Bytes+row.Bytes
		case "draining":
			old.Records, old.Bytes = old.Records+row.Records, old.Bytes+row.Bytes
		default:
			t.Fatalf("%d records under data key %d of %s in %s, which is %s", row.Records, row.Number, row.Tenant, row.Namespace, row.State)
		}
	}
	return old, active
}

// retireAll retires every key that drains. Its census must be what is there.
func (r *realStore) retireAll(t *testing.T, rotations int) {
	t.Helper()
	exact, err := r.Coverage(t.Context(), &store.CoverageOptions{Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	last, err := r.Coverage(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	retired := 0
	for i, row := range last.Rows {
		if now := exact.Rows[i]; row.KeyInfo != now.KeyInfo || row.Records != now.Records || row.Bytes != now.Bytes {
			t.Fatalf("the census says %+v, the heads say %+v", row, now)
		}
		if row.State != "draining" {
			continue
		}
		if err := r.tenant(row.Tenant).RetireDataKey(t.Context(), row.Namespace, row.Number, false); err != nil {
			t.Fatal(err)
		}
		retired++
	}
	if retired != rotations {
		t.Fatalf("%d keys were retired of %d that drained", retired, rotations)
	}
}

// verify opens everything, and compares every value with what was loaded.
func (r *realStore) verify(t *testing.T) {
	t.Helper()
	v, err := r.Verify(t.Context(), nil)
	if err != nil || v.Bad() > 0 {
		t.Fatalf("%v, %d of it is bad", err, v.Bad())
	}
	for _, p := range r.places {
		value, err := r.ns(p.tenant, p.namespace).Get(t.Context(), []byte(p.key))
		if err != nil || sha256.Sum256(value) != r.sums[p] {
			t.Fatalf("a value of %s in %s: %v", p.tenant, p.namespace, err)
		}
	}
}

// loadReal puts all of the real data into a store.
func loadReal(t *testing.T) *realStore {
	t.Helper()
	files, err := filepath.Glob(realData + "/*/*.jsonl.zst")
	if err != nil || len(files) == 0 {
		t.Skip("the real data is not beside this repository")
	}
	r := &realStore{
		world: newWorld(t, store.Options{NoSync: true, RewrapQueue: 100_000}), sums: map[place][sha256.Size]byte{},
	}
	for _, name := range files {
		r.loadLines(t, name)
	}
	r.loadAttachments(t)
	if err := r.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *realStore) put(t *testing.T, p place, value []byte) {
	t.Helper()
	if _, err := r.Tenant(p.tenant); errors.Is(err, store.ErrTenantUnknown) {
		r.enroll(p.tenant)
	}
	if err := r.ns(p.tenant, p.namespace).Put(t.Context(), []byte(p.key), value); err != nil {
		t.Fatal(err)
	}
	if _, found := r.sums[p]; found {
		t.Fatalf("%v is there twice", p)
	}
	r.sums[p] = sha256.Sum256(value)
	r.places = append(r.places, p)
	r.bytes += uint64(len(value))
}

func (r *realStore) loadLines(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	for in := json.NewDecoder(lines); ; {
		var line struct {
			Tenant, Product, Type, Key string
			Value                      json.RawMessage
			Base64                     []byte `json:"value_base64"`
		}
		if err := in.Decode(&line); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		value := []byte(line.Value)
		if line.Base64 != nil {
			value = line.Base64
		}
		r.put(t, place{line.Tenant, line.Product + "/" + line.Type, line.Key}, value)
	}
}

func (r *realStore) loadAttachments(t *testing.T) {
	t.Helper()
	dir := os.DirFS(realData + "/attachments")
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(dir, name)
		tenant, key, _ := strings.Cut(name, "/")
		r.put(t, place{tenant, "jira/attachments", key}, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// killSweep lets a process sweep and kills it once it has visited enough. It returns how many
// records it said it had.
func killSweep(t *testing.T, dir string, enough uint64) (visited uint64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSweptProcess$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), swept+"="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var others strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "visited %d", &visited); err != nil {
			others.WriteString(lines.Text() + "\n")
		}
		if visited >= enough {
			cmd.Process.Kill()
		}
	}
	if cmd.Wait(); cmd.ProcessState.Exited() {
		t.Fatalf("it ended by itself: %s%s", others.String(), stderr.String())
	}
	return visited
}
