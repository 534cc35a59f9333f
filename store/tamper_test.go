package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

// classes are the failures that a record may have.
var classes = []error{
	store.ErrMalformed, store.ErrUnsupported, store.ErrKeyMismatch, store.ErrAuthentication,
	store.ErrKeyRevoked, store.ErrKeyUnavailable, store.ErrKeyDestroyed,
}

// A scene is a store in which everything that can be told apart is there at least twice, on an
// engine that the test writes underneath.
type scene struct {
	*world
	engine  kept
	suite   codec.Suite
	records []planted
}

// A planted record is one whose value the test knows.
type planted struct {
	n          *store.Namespace
	key, value string
	at         []byte // engine key
	raw        []byte // as it was stored
}

func (p planted) String() string { return p.n.Tenant() + " " + p.n.Name() + " " + p.key }

var sceneNamespaces = []string{
	"jira/comments", "jira/issues", // under the tenant's keys
	"jira/attachment-metadata", // under the platform's
	"jira/attachments",         // under both
	"jira/cached-content",      // under the platform's, with a max-age
}

// eachSuite runs a test on a scene of each suite. Under the race detector, which makes it slow and for
// which they are alike, one will do.
func eachSuite(t *testing.T, test func(t *testing.T, s *scene)) {
	for _, suite := range suites {
		if raceEnabled && suite == scope.XChaCha20Poly1305 {
			continue
		}
		t.Run(suite.String(), func(t *testing.T) { test(t, newScene(t, suite)) })
	}
}

func newScene(t *testing.T, suite scope.Suite) *scene {
	t.Helper()
	s := &scene{engine: newKept(), suite: codec.Suite(suite)}
	s.world = newWorld(t, store.Options{Engine: s.engine, Policy: defaultBy(t, suite), Rewrap: store.RewrapOff, Inline: 4096}, "acme", "globex")
	for _, tenant := range []string{"acme", "globex"} {
		for _, name := range sceneNamespaces {
			n := s.ns(tenant, name)
			s.plant(n, "k1", 30)
			if _, err := s.tenant(tenant).RotateDataKeys(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			s.plant(n, "k2", 30)
			s.plant(n, "long", 150_000)
		}
	}
	return s
}

func (s *scene) plant(n *store.Namespace, key string, size int) {
	value := fmt.Sprintf("%s/%s/%s/", n.Tenant(), n.Name(), key)
	value += strings.Repeat("x", max(0, size-len(value)))
	mustPut(s.t, n, key, value)
	at := recordKey(n.Tenant(), n.Name(), key)
	s.records = append(s.records, planted{n: n, key: key, value: value, at: at, raw: rawGet(s.t, s.engine, at)})
}

// record finds a planted one.
func (s *scene) record(tenant, name, key string) planted {
	for _, p := range s.records {
		if p.n.Tenant() == tenant && p.n.Name() == name && p.key == key {
			return p
		}
	}
	s.t.Fatal("no such record")
	return planted{}
}

// put writes raw in the place of p.
func (s *scene) put(p planted, raw []byte) { s.t.Helper(); rawSet(s.t, s.engine, p.at, raw) }

// restore brings p back and proves that it is the tampering that was refused.
func (s *scene) restore(p planted) {
	s.t.Helper()
	s.put(p, p.raw)
	wantValue(s.t, p.n, p.key, p.value)
}

// refused fails the test unless every way to read p gives a typed error. It returns that of Get.
func (s *scene) refused(p planted, what string) error {
	s.t.Helper()
	ctx := s.t.Context()
	var record *store.RecordError
	got, err := p.n.Get(ctx, []byte(p.key))
	if got != nil || !errors.As(err, &record) || !typed(err) {
		s.t.Fatalf("%s: %s: Get returns %d bytes and %v", p, what, len(got), err)
	}
	into := make([]byte, 3, 4096)
	if got, err := p.n.GetInto(ctx, []byte(p.key), into); len(got) != len(into) || !typed(err) {
		s.t.Fatalf("%s: %s: GetInto returns %d bytes and %v", p, what, len(got), err)
	}
	for e, err := range p.n.Scan(ctx, &store.ScanOptions{Prefix: []byte(p.key)}) {
		if value, valueErr := e.Value(); err != nil || value != nil || !errors.As(valueErr, &record) {
			s.t.Fatalf("%s: %s: Scan gives %d bytes, %v, %v", p, what, len(value), valueErr, err)
		}
	}
	if err := p.n.CompareAndSwap(ctx, []byte(p.key), []byte(p.value), []byte("new")); !typed(err) {
		s.t.Fatalf("%s: %s: CompareAndSwap returns %v", p, what, err)
	}
	snapshot, snapErr := s.Snapshot(ctx)
	if snapErr != nil {
		s.t.Fatal(snapErr)
	}
	defer snapshot.Close()
	if got, err := snapshot.Get(ctx, p.n, []byte(p.key)); got != nil || !typed(err) {
		s.t.Fatalf("%s: %s: Snapshot.Get returns %d bytes and %v", p, what, len(got), err)
	}
	return err
}

func typed(err error) bool {
	for _, class := range classes {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

func (s *scene) refusedAs(p planted, what string, class error) {
	s.t.Helper()
	if err := s.refused(p, what); !errors.Is(err, class) {
		s.t.Fatalf("%s: %s: %v, want %v", p, what, err, class)
	}
}

// The bytes of each record in the place of each other: another tenant's, namespace's, key's,
// shape's.
func TestMovedRecords(t *testing.T) { eachSuite(t, testMovedRecords) }

func testMovedRecords(t *testing.T, s *scene) {
	for _, to := range s.records {
		for _, from := range s.records {
			if bytes.Equal(from.at, to.at) {
				continue
			}
			s.put(to, from.raw)
			class := store.ErrKeyMismatch
			if from.n == to.n {
				class = store.ErrAuthentication
			}
			s.refusedAs(to, "holds "+from.String(), class)
		}
		s.restore(to)
	}
}

// Bytes of each other kind in the place of a record.
func TestOtherKindsAsRecords(t *testing.T) { eachSuite(t, testOtherKindsAsRecords) }

func testOtherKindsAsRecords(t *testing.T, s *scene) {
	for _, kind := range []codec.Kind{codec.KindMeta, codec.KindChunk, codec.KindJournal, codec.KindRetention} {
		keys, values := rawAll(t, s.engine, kind)
		if len(values) == 0 {
			t.Fatalf("there is no %v", kind)
		}
		for i := range keys {
			for _, to := range s.records {
				s.put(to, values[i])
				s.refused(to, fmt.Sprintf("holds a %v", kind))
				s.restore(to)
			}
		}
	}
}

// Each bit of an envelope of every shape.
func TestFlippedBits(t *testing.T) { eachSuite(t, testFlippedBits) }

func testFlippedBits(t *testing.T, s *scene) {
	for _, name := range sceneNamespaces {
		for _, key := range []string{"k1", "k2", "long"} {
			p := s.record("acme", name, key)
			step := 1
			if testing.Short() {
				step = 7
			}
			for bit := 0; bit < 8*len(p.raw); bit += step {
				flipped := bytes.Clone(p.raw)
				flipped[bit/8] ^= 1 << (bit % 8)
				s.put(p, flipped)
				got, err := p.n.Get(t.Context(), []byte(p.key))
				if got != nil || !typed(err) && !s.aged(p, flipped, err) {
					t.Fatalf("%s: bit %d: %d bytes, %v", p, bit, len(got), err)
				}
			}
			s.restore(p)
		}
	}
}

// aged reports whether a flip made a record look older than it may be: then it is not found,
// which whoever can write the files could also have by deleting it.
func (s *scene) aged(p planted, raw []byte, err error) bool {
	var e codec.Envelope
	return p.n.MaxAge() > 0 && errors.Is(err, store.ErrNotFound) && e.Parse(raw) == nil && e.Written < s.written(p)
}

func (s *scene) written(p planted) uint64 {
	var e codec.Envelope
	if err := e.Parse(p.raw); err != nil {
		s.t.Fatal(err)
	}
	return e.Written
}

// An envelope that is longer, shorter, empty, or twice there.
func TestCutAndPaddedEnvelopes(t *testing.T) { eachSuite(t, testCutAndPaddedEnvelopes) }

func testCutAndPaddedEnvelopes(t *testing.T, s *scene) {
	for _, p := range s.records {
		for what, raw := range map[string][]byte{
			"nothing but a byte": {0}, "cut by one": p.raw[:len(p.raw)-1], "cut by a tag": p.raw[:len(p.raw)-codec.TagLen],
			"padded": append(bytes.Clone(p.raw), 0), "twice": append(bytes.Clone(p.raw), p.raw...), "without its first": p.raw[1:],
		} {
			s.put(p, raw)
			s.refusedAs(p, what, store.ErrMalformed)
		}
		s.restore(p)
	}
}
