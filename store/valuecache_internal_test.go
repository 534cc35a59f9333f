package store

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/root/roottest"
)

// CachedValues are the values in the cache; they share its memory.
func CachedValues(s *Store) (values [][]byte) {
	for _, v := range s.values.values.All() {
		values = append(values, v.value)
	}
	return values
}

// Everything that writes records tells the cache: nothing else in the package has the engine apply.
func TestValueCacheKnowsOfEveryWrite(t *testing.T) {
	allowed := map[string]int{
		"valuecache.go": 4, // newBatch and applyBatch
		"open.go":       2, // the keyring's mirror
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if found := len(regexp.MustCompile(`\be(ngine)?\.(NewBatch|Apply)\(`).FindAll(text, -1)); found != allowed[name] {
			t.Errorf("%s calls the engine's NewBatch and Apply %d times, not %d; use newBatch and applyBatch", name, found, allowed[name])
		}
	}
}

// Two keys of one hash are two keys.
func TestValueCacheCollision(t *testing.T) {
	c, err := newValueCache(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	const hash = 7
	one, other := &op{key: []byte("one")}, &op{key: []byte("other")}
	c.keep(one, hash, c.stamp(hash), []byte("v"))
	if v := c.find(one, hash); v == nil || string(v.value) != "v" {
		t.Errorf("%+v", v)
	}
	if v := c.find(other, hash); v != nil {
		t.Errorf("%+v", v)
	}
}

// A range that is deleted is gone from the cache.
func TestValueCacheRange(t *testing.T) {
	s, err := Create(t.Context(), filepath.Join(t.TempDir(), "store"), "test://platform", &Options{
		Roots: roottest.Opener{"test://platform": roottest.NewKey("platform")}, ValueCacheBytes: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	acme, err := s.AddTenant(t.Context(), "acme", nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := acme.Namespace("jira/comments")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Put(t.Context(), []byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Get(t.Context(), []byte("k")); err != nil {
		t.Fatal(err)
	}
	b := s.newBatch()
	defer b.Close()
	b.DeleteRange([]byte{byte(codec.KindRecord)}, []byte{byte(codec.KindRecord) + 1})
	if err := s.applyBatch(t.Context(), b, false); err != nil {
		t.Fatal(err)
	}
	if v, err := n.Get(t.Context(), []byte("k")); err == nil {
		t.Errorf("%q is still read", v)
	}
	if err := n.Put(t.Context(), []byte("k"), []byte("w")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if v, err := n.Get(t.Context(), []byte("k")); err != nil || string(v) != "w" {
			t.Errorf("%q, %v", v, err)
		}
	}
	if s.Stats().CacheHits != 1 {
		t.Errorf("%d hits", s.Stats().CacheHits)
	}
}

// A lease may end when the store is closed already: whoever was the last to use it, or was still opening
// keys, tells the cache all the same.
func TestLeaseEndsAfterClose(t *testing.T) {
	c, err := newValueCache(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	c.close()
	c.leaseEnded()
}
