package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/mem"
)

func dictionaryKey(tenant, namespace string, number uint32) []byte {
	return codec.AppendDictionaryKey(nil, codec.AppendPrefix(nil, codec.KindDictionary, tenant, namespace), number)
}

// A dictScene is a store in which each of two tenants has two dictionaries in a namespace of each domain, and
// values under both, on an engine that the test writes underneath.
type dictScene struct {
	*world
	engine  kept
	numbers map[*store.Namespace][2]uint32
}

const dictScenePolicy = `version: 1
name: test
compression: zstd-dict
rules:
- namespace: jira/comments
  domain: tenant
- namespace: jira/issues
  domain: tenant
- namespace: jira/analytics
  domain: platform
- namespace: jira/attachments
  domain: both
`

var dictSceneNamespaces = []string{"jira/comments", "jira/issues", "jira/analytics", "jira/attachments"}

func newDictScene(t *testing.T) *dictScene {
	t.Helper()
	p, err := scope.Parse("test.yaml", []byte(dictScenePolicy))
	if err != nil {
		t.Fatal(err)
	}
	s := &dictScene{engine: newKept(), numbers: map[*store.Namespace][2]uint32{}}
	s.world = newWorld(t, store.Options{Policy: p, Engine: s.engine, Rewrap: store.RewrapOff}, "acme", "globex")
	for _, tenant := range []string{"acme", "globex"} {
		for _, name := range dictSceneNamespaces {
			n := s.ns(tenant, name)
			fillJSON(t, n, s.world, 100)
			first := mustTrain(t, n)
			mustPut(t, n, "first", jsonRecord(1))
			second := mustTrain(t, n)
			mustPut(t, n, "second", jsonRecord(2))
			s.numbers[n] = [2]uint32{first, second}
		}
	}
	return s
}

// fresh forgets every dictionary that was opened: nothing of them may hide what stands in the engine.
func (s *dictScene) fresh(tenant, name string) *store.Namespace {
	s.reopen()
	return s.ns(tenant, name)
}

// A dictionary serves its own tenant, namespace and number: in the place of another one it is refused, and so is
// anything else in its place.
func TestDictionarySwapped(t *testing.T) {
	s := newDictScene(t)
	record := rawGet(t, s.engine, recordKey("acme", "jira/comments", "k00001"))
	for _, c := range []struct {
		what         string
		tenant, name string // whose first dictionary stands in the place
		other        int
		class        error
	}{
		{"another tenant's", "globex", "jira/comments", 0, store.ErrKeyMismatch},
		{"another namespace's", "acme", "jira/issues", 0, store.ErrKeyMismatch},
		{"another of the namespace", "acme", "jira/comments", 1, store.ErrAuthentication},
		{"a record", "", "", 0, store.ErrAuthentication},
	} {
		numbers := s.numbersOf("acme", "jira/comments")
		at := dictionaryKey("acme", "jira/comments", numbers[0])
		raw, other := rawGet(t, s.engine, at), record
		if c.tenant != "" {
			other = rawGet(t, s.engine, dictionaryKey(c.tenant, c.name, s.numbersOf(c.tenant, c.name)[c.other]))
		}
		rawSet(t, s.engine, at, other)
		n := s.fresh("acme", "jira/comments")
		wantError(t, n, "first", c.class)
		wantValue(t, n, "second", jsonRecord(2))
		if v, err := s.Verify(t.Context(), nil); err != nil || v.Bad() != 2 {
			t.Fatalf("%s: %+v, %v; want the dictionary and the record", c.what, v, err)
		}
		rawSet(t, s.engine, at, raw)
		n = s.fresh("acme", "jira/comments")
		wantValue(t, n, "first", jsonRecord(1))
	}
	// And a dictionary is no record.
	n := s.ns("acme", "jira/comments")
	at := recordKey("acme", "jira/comments", "k00001")
	rawSet(t, s.engine, at, rawGet(t, s.engine, dictionaryKey("acme", "jira/comments", s.numbersOf("acme", "jira/comments")[0])))
	wantError(t, n, "k00001", store.ErrAuthentication)
	rawSet(t, s.engine, at, record)
	wantValue(t, n, "k00001", jsonRecord(1))
}

func (s *dictScene) numbersOf(tenant, name string) [2]uint32 {
	for n, numbers := range s.numbers {
		if n.Tenant() == tenant && n.Name() == name {
			return numbers
		}
	}
	s.t.Fatal("no such namespace")
	return [2]uint32{}
}

// What a head says of compression is authenticated: another dictionary's number, another flag and no
// dictionary at all are refused, in every shape of envelope.
func TestCompressedHeadIsAuthenticated(t *testing.T) {
	s := newDictScene(t)
	for _, name := range dictSceneNamespaces {
		n, numbers := s.ns("acme", name), s.numbersOf("acme", name)
		at := recordKey("acme", name, "first")
		raw := rawGet(t, s.engine, at)
		for what, change := range map[string]func(e *codec.Envelope){
			"the other dictionary":  func(e *codec.Envelope) { e.Dictionary = numbers[1] },
			"without a dictionary":  func(e *codec.Envelope) { e.Flags, e.Dictionary = codec.FlagZstd, 0 },
			"as if not compressed":  func(e *codec.Envelope) { e.Flags, e.Dictionary = 0, 0 },
			"with the other's seal": func(e *codec.Envelope) { e.Sealed = sealedOf(t, s, name, "second") },
		} {
			var e codec.Envelope
			if err := e.Parse(bytes.Clone(raw)); err != nil || e.Dictionary != numbers[0] {
				t.Fatalf("%+v, %v", e, err)
			}
			change(&e)
			rawSet(t, s.engine, at, e.Append(nil))
			if got, err := n.Get(t.Context(), []byte("first")); !errors.Is(err, store.ErrAuthentication) {
				t.Fatalf("%s: %s: %q, %v", name, what, got, err)
			}
		}
		for bit := range 8 * len(raw) {
			flipped := bytes.Clone(raw)
			flipped[bit/8] ^= 1 << (bit % 8)
			rawSet(t, s.engine, at, flipped)
			got, err := n.Get(t.Context(), []byte("first"))
			if got != nil || !typed(err) && !errors.Is(err, store.ErrNoDictionary) {
				t.Fatalf("%s: bit %d: %q, %v", name, bit, got, err)
			}
		}
		rawSet(t, s.engine, at, raw)
		wantValue(t, n, "first", jsonRecord(1))
	}
}

func sealedOf(t *testing.T, s *dictScene, name, key string) []byte {
	var e codec.Envelope
	if err := e.Parse(rawGet(t, s.engine, recordKey("acme", name, key))); err != nil {
		t.Fatal(err)
	}
	return e.Sealed
}

// Without its dictionary a value is refused as such, by everything that reads it; heads alone tell it too.
func TestDictionaryTakenAway(t *testing.T) {
	s := newDictScene(t)
	numbers := s.numbersOf("acme", "jira/comments")
	at := dictionaryKey("acme", "jira/comments", numbers[0])
	raw := rawGet(t, s.engine, at)
	rawSet(t, s.engine, at, nil)
	n := s.fresh("acme", "jira/comments")
	wantError(t, n, "first", store.ErrNoDictionary)
	if got := s.Stats().Operations[store.OpGet].Outcomes[store.OutcomeUnreadable]; got != 1 {
		t.Fatalf("%d gets are counted as unreadable", got)
	}
	wantValue(t, n, "second", jsonRecord(2))
	if _, err := n.Open(t.Context(), []byte("first")); !errors.Is(err, store.ErrNoDictionary) {
		t.Fatal(err)
	}
	failed := 0
	for e, err := range n.Scan(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Value(); errors.Is(err, store.ErrNoDictionary) {
			failed++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if failed != 1 {
		t.Fatalf("%d entries without their dictionary", failed)
	}
	for _, opts := range []*store.VerifyOptions{nil, {HeadsOnly: true}} {
		if v, err := s.Verify(t.Context(), opts); err != nil || v.Bad() != 1 {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	done := sweep(t, s.world, &store.SweepOptions{Namespaces: []string{"jira/comments"}, Again: true})
	if done[0].Missed != 1 {
		t.Fatalf("%+v", done[0])
	}
	for m, err := range s.tenant("acme").Misses(t.Context()) {
		if err != nil || string(m.Key) != "first" || !errors.Is(m.Err, store.ErrNoDictionary) {
			t.Fatalf("%+v, %v", m, err)
		}
	}
	rawSet(t, s.engine, at, raw)
	n = s.fresh("acme", "jira/comments")
	wantValue(t, n, "first", jsonRecord(1))
}

// A newest dictionary that does not open is not written with; what can be read is read.
func TestNewestDictionaryDamaged(t *testing.T) {
	s := newDictScene(t)
	numbers := s.numbersOf("acme", "jira/comments")
	at := dictionaryKey("acme", "jira/comments", numbers[1])
	raw := rawGet(t, s.engine, at)
	damaged := bytes.Clone(raw)
	damaged[len(damaged)-1] ^= 1
	rawSet(t, s.engine, at, damaged)
	n := s.fresh("acme", "jira/comments")
	wantError(t, n, "second", store.ErrAuthentication)
	wantValue(t, n, "first", jsonRecord(1))
	mustPut(t, n, "third", jsonRecord(3))
	wantValue(t, n, "third", jsonRecord(3))
	if h := headOf(t, s.world, "third"); h.Dictionary != 0 {
		t.Fatalf("%+v", h)
	}
	done := sweep(t, s.world, &store.SweepOptions{Namespaces: []string{"jira/comments"}})
	if done[0].Missed != 2 { // the record, and the dictionary
		t.Fatalf("%+v", done[0])
	}
	if got := dictionaries(t, n); len(got) != 2 || got[0] != numbers[1] { // the first has no user any more; of the damaged one there is
		t.Fatalf("dictionaries %v; the damaged one is %d", got, numbers[1])
	}
	wantValue(t, n, "first", jsonRecord(1))
}

// A change of domain or suite takes the dictionary along: afterwards nothing depends on the keys that were left,
// and of what moves first none on keys that are to be left.
func TestDictionaryFollows(t *testing.T) {
	for _, c := range []struct{ from, to string }{
		{"tenant", "platform"}, {"platform", "tenant"}, {"both", "tenant"}, {"tenant", "both"}, {"tenant", "tenant\n  suite: xaes-256-gcm"},
	} {
		t.Run(strings.ReplaceAll(c.from+" to "+c.to, "\n ", ""), func(t *testing.T) {
			w := policyWorld(t, packed(c.from, "zstd-dict"), store.Options{Rewrap: store.RewrapInline})
			n := w.ns("acme", "jira/comments")
			fillJSON(t, n, w, 100)
			number := mustTrain(t, n)
			sweep(t, w, nil)
			apply(t, w, 2, packed(c.to, "zstd-dict"), true)
			wantValue(t, n, "k00001", jsonRecord(1)) // moves, and with it the dictionary
			if c.to == "platform" {
				if err := w.tenant("acme").Revoke(t.Context()); err != nil {
					t.Fatal(err)
				}
				wantValue(t, n, "k00001", jsonRecord(1))
				wantError(t, n, "k00002", store.ErrKeyRevoked)
				if err := w.tenant("acme").Restore(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if d := domains(t, w); len(d) == 0 {
				t.Fatal(d)
			}
			for _, cov := range coverage(t, w) {
				if cov.State == "draining" {
					if err := w.tenant("acme").RetireDataKey(t.Context(), cov.Namespace, cov.Number, false); err != nil {
						t.Fatal(err)
					}
				}
			}
			w.reopen()
			n = w.ns("acme", "jira/comments")
			wantJSON(t, n, 100)
			if h := headOf(t, w, "k00003"); h.Dictionary != number {
				t.Fatalf("%+v, want dictionary %d", h, number)
			}
			mustVerify(t, w, nil)
		})
	}
}

// While a tenant is revoked during a transition its compressed values read through the platform's wrap, of the
// dictionary too.
func TestDictionaryInAFallback(t *testing.T) {
	w := policyWorld(t, packed("both", "zstd-dict"), store.Options{})
	n := w.ns("acme", "jira/comments")
	fillJSON(t, n, w, 100)
	mustTrain(t, n)
	mustPut(t, n, "k", jsonRecord(7))
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantValue(t, n, "k", jsonRecord(7))
	if err := n.Put(t.Context(), []byte("k"), []byte("v")); !errors.Is(err, store.ErrKeyRevoked) {
		t.Fatal(err)
	}
}

// After Revoke no compressed value reads, though its dictionary was open; a shredded namespace has no dictionary
// left, and a restored backup has.
func TestDictionaryRevokedBackedUpShredded(t *testing.T) {
	w := policyWorld(t, packed("tenant", "zstd-dict"), store.Options{})
	n := w.ns("acme", "jira/comments")
	fillJSON(t, n, w, 100)
	number := mustTrain(t, n)
	mustPut(t, n, "k", jsonRecord(7))
	wantValue(t, n, "k", jsonRecord(7))
	if err := w.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantError(t, n, "k", store.ErrKeyRevoked)
	if v, err := w.Verify(t.Context(), nil); err != nil || v.Bad() != 0 || v.Rows[0].Dark != 102 {
		t.Fatalf("%+v, %v", v, err)
	}
	if err := w.tenant("acme").Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantValue(t, n, "k", jsonRecord(7))

	dir := filepath.Join(t.TempDir(), "backup")
	if _, err := w.Backup(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := w.tenant("acme").Shred(t.Context(), &store.ShredOptions{Namespaces: []string{"jira/comments"}}); err != nil {
		t.Fatal(err)
	}
	if got := dictionaries(t, n); len(got) != 0 {
		t.Fatalf("dictionaries %v after shredding", got)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	if _, err := store.Restore(t.Context(), dir, restored, "", &w.opts); err != nil {
		t.Fatal(err)
	}
	w.dir = restored
	w.reopen()
	n = w.ns("acme", "jira/comments")
	wantValue(t, n, "k", jsonRecord(7))
	if got := dictionaries(t, n); len(got) != 1 || got[0] != number {
		t.Fatalf("dictionaries %v, want %d", got, number)
	}
	mustVerify(t, w, nil)

	// With the newest keyring, in which its keys are destroyed, nothing of it comes back.
	again := filepath.Join(t.TempDir(), "again")
	if _, err := w.tenant("acme").Shred(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Restore(t.Context(), dir, again, restored, &w.opts); err == nil {
		w.dir = again
		if w.Store, err = store.Open(t.Context(), again, &w.opts); err != nil {
			t.Fatal(err)
		}
		if got := dictionaries(t, w.ns("acme", "jira/comments")); len(got) != 0 {
			t.Fatalf("dictionaries %v of a shredded tenant", got)
		}
	} else {
		t.Fatal(err)
	}
}

// A dictionary that a writer has sealed with is not dropped before that writer is done, whether its successor was
// trained to the end or not.
func TestDictionaryIsNotDroppedUnderAWriter(t *testing.T) {
	for _, cancelled := range []bool{false, true} {
		t.Run(fmt.Sprint("training cancelled ", cancelled), func(t *testing.T) {
			g := newGatekeeper(mem.New())
			w := policyWorld(t, packed("tenant", "zstd-dict"), store.Options{Engine: g.engine, Rewrap: store.RewrapOff})
			n := w.ns("acme", "jira/comments")
			fillJSON(t, n, w, 100)
			first := mustTrain(t, n)
			g.hold(n, "k")
			t.Cleanup(g.letGo)
			wrote := make(chan error, 1)
			go func() { wrote <- n.Put(context.Background(), []byte("k"), []byte(jsonRecord(7))) }()
			<-g.arrived
			if cancelled {
				ctx, cancel := context.WithCancel(t.Context())
				trained := make(chan error, 1)
				go func() { _, err := n.TrainDictionary(ctx); trained <- err }()
				until(t, "the successor is stored", func() bool { return len(dictionaries(t, n)) == 2 })
				cancel()
				if err := <-trained; !errors.Is(err, context.Canceled) {
					t.Fatalf("trained, though somebody writes with the dictionary before: %v", err)
				}
			}
			swept := make(chan error, 1)
			go func() {
				if !cancelled {
					if _, err := n.TrainDictionary(context.Background()); err != nil {
						swept <- err
						return
					}
				}
				_, err := w.tenant("acme").Sweep(context.Background(), nil)
				swept <- err
			}()
			select {
			case err := <-swept:
				t.Fatalf("swept under a writer: %v", err)
			case <-time.After(100 * time.Millisecond):
			}
			g.letGo()
			if err := errors.Join(<-wrote, <-swept); err != nil {
				t.Fatal(err)
			}
			wantValue(t, n, "k", jsonRecord(7))
			got := dictionaries(t, n)
			if len(got) != 1 || got[0] == first {
				t.Fatalf("dictionaries %v; the first was %d", got, first)
			}
			mustVerify(t, w, nil)
		})
	}
}

// Writers, readers, trainings, sweeps and changes of the policy at the same time: whatever is there reads.
func TestDictionaryRace(t *testing.T) {
	w := policyWorld(t, packed("tenant", "zstd-dict"), store.Options{Engine: mem.New(), RewrapQueue: 64, ValueCacheBytes: 0})
	n := w.ns("acme", "jira/comments")
	const keys = 120
	fillJSON(t, n, w, keys)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var group sync.WaitGroup
	var failed atomic.Pointer[string]
	fail := func(what string, err error) {
		text := fmt.Sprint(what, ": ", err)
		failed.CompareAndSwap(nil, &text)
		cancel()
	}
	each := func(what string, do func(r *rand.Rand) error) {
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(len(what)), 1))
			for ctx.Err() == nil {
				if err := do(r); err != nil && ctx.Err() == nil {
					fail(what, err)
				}
			}
		})
	}
	key := func(r *rand.Rand) (int, []byte) { i := r.IntN(keys); return i, fmt.Appendf(nil, "k%05d", i) }
	for i := range 2 {
		each(fmt.Sprint("Put", i), func(r *rand.Rand) error {
			i, key := key(r)
			return n.Put(ctx, key, []byte(jsonRecord(i)))
		})
	}
	each("Get", func(r *rand.Rand) error {
		i, key := key(r)
		got, err := n.Get(ctx, key)
		if err == nil && string(got) != jsonRecord(i) {
			err = errors.New("another value")
		}
		return err
	})
	each("Scan", func(r *rand.Rand) error {
		i := 0
		for e, err := range n.Scan(ctx, nil) {
			value, failed := e.Value()
			if err := errors.Join(err, failed); err != nil {
				return err
			}
			if string(value) != jsonRecord(i) {
				return errors.New("another value")
			}
			i++
		}
		return nil
	})
	each("Open", func(r *rand.Rand) error {
		i, key := key(r)
		reader, err := n.Open(ctx, key)
		if err != nil {
			return err
		}
		defer reader.Close()
		read := make([]byte, reader.Size())
		if _, err := reader.ReadAt(read, 0); err != nil || string(read) != jsonRecord(i) {
			return fmt.Errorf("another value, %w", err)
		}
		return nil
	})
	each("TrainDictionary", func(*rand.Rand) error {
		_, err := n.TrainDictionary(ctx)
		if errors.Is(err, store.ErrNotCompressed) {
			return nil
		}
		return err
	})
	each("Sweep", func(*rand.Rand) error {
		done, err := w.tenant("acme").Sweep(ctx, &store.SweepOptions{Again: true, Urgent: true})
		if err == nil && done[0].Missed > 0 {
			err = fmt.Errorf("%+v", done[0])
		}
		return err
	})
	version := 1
	each("ApplyPolicy", func(r *rand.Rand) error {
		version++
		to := []string{"none", "zstd", "zstd-dict", "zstd-dict"}[r.IntN(4)]
		p, err := scope.Parse("p", fmt.Appendf(nil, "version: %d\nname: test\nrules:\n- namespace: jira/issues\n  domain: tenant\n- namespace: jira/comments\n  domain: tenant\n  compression: %s\n", version, to))
		if err != nil {
			return err
		}
		if err := w.ApplyPolicy(ctx, p, nil); err != nil {
			return err
		}
		time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
		return nil
	})
	group.Wait()
	if text := failed.Load(); text != nil {
		t.Fatal(*text)
	}
	wantJSON(t, n, keys)
	mustVerify(t, w, nil)
	t.Logf("%d versions of the policy, dictionaries %v", version, dictionaries(t, n))
}

// A record that a sweep cannot open keeps its dictionary: it may open another day.
func TestDictionaryOfWhatDoesNotOpen(t *testing.T) {
	s := newDictScene(t)
	numbers, at := s.numbersOf("acme", "jira/comments"), recordKey("acme", "jira/comments", "first")
	raw := rawGet(t, s.engine, at)
	damaged := bytes.Clone(raw)
	damaged[len(damaged)-1] ^= 1
	rawSet(t, s.engine, at, damaged)
	sweep(t, s.world, &store.SweepOptions{Namespaces: []string{"jira/comments"}})
	if got := dictionaries(t, s.ns("acme", "jira/comments")); len(got) != 2 || got[0] != numbers[0] {
		t.Fatalf("dictionaries %v, want %v", got, numbers)
	}
	rawSet(t, s.engine, at, raw)
	wantValue(t, s.fresh("acme", "jira/comments"), "first", jsonRecord(1))
	sweep(t, s.world, &store.SweepOptions{Namespaces: []string{"jira/comments"}})
	if got := dictionaries(t, s.ns("acme", "jira/comments")); len(got) != 1 || got[0] != numbers[1] {
		t.Fatalf("dictionaries %v, want %d alone", got, numbers[1])
	}
}

// The newest dictionary stays while the policy wants one, though no record names it.
func TestNewestDictionaryStays(t *testing.T) {
	w := policyWorld(t, packed("tenant", "zstd-dict"), store.Options{})
	n := w.ns("acme", "jira/comments")
	fillJSON(t, n, w, 100)
	number := mustTrain(t, n)
	for i := range 100 {
		if err := n.Delete(t.Context(), fmt.Appendf(nil, "k%05d", i)); err != nil {
			t.Fatal(err)
		}
	}
	sweep(t, w, nil)
	mustPut(t, n, "k", jsonRecord(1))
	w.reopen()
	wantValue(t, w.ns("acme", "jira/comments"), "k", jsonRecord(1))
	if h := headOf(t, w, "k"); h.Dictionary != number {
		t.Fatalf("%+v, want dictionary %d", h, number)
	}
}

// A policy that wants dictionaries again, applied just when a sweep has found that nobody uses the last one, has it
// used, and so it stays.
func TestPolicyBringsADictionaryBack(t *testing.T) {
	e := &hooked{Engine: newKept()}
	w := policyWorld(t, packed("tenant", "zstd-dict"), store.Options{Engine: e, Rewrap: store.RewrapOff})
	n := w.ns("acme", "jira/comments")
	fillJSON(t, n, w, 100)
	number := mustTrain(t, n)
	sweep(t, w, nil)
	apply(t, w, 2, packed("tenant", "none"), false)
	end, applied := append(recordKey("acme", "jira/comments", "k00099"), 0), false
	e.read = func(from []byte) { // where the heads end, all of which were read
		if bytes.Equal(from, end) && !applied {
			applied = true
			apply(t, w, 3, packed("tenant", "zstd-dict"), false)
			mustPut(t, n, "k00000", jsonRecord(0))
		}
	}
	sweep(t, w, &store.SweepOptions{Workers: 1})
	if h := headOf(t, w, "k00000"); !applied || h.Dictionary != number {
		t.Fatalf("%+v, want dictionary %d", h, number)
	}
	w.reopen()
	wantValue(t, w.ns("acme", "jira/comments"), "k00000", jsonRecord(0))
	mustVerify(t, w, nil)
}
