package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/store"
)

// openExample makes a store for an example, with a tenant of its own root. A service passes
// &keyfile.Opener{} where the example passes roots of a test's.
func openExample(ctx context.Context) (s *store.Store, done func()) {
	dir, err := os.MkdirTemp("", "sealkv-example-")
	if err != nil {
		log.Fatal(err)
	}
	roots := roottest.Opener{"test://platform": roottest.NewKey("platform"), "test://acme": roottest.NewKey("acme")}
	s, err = store.Create(ctx, filepath.Join(dir, "data"), "test://platform", &store.Options{Roots: roots})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.AddTenant(ctx, "acme", &store.TenantOptions{Root: "test://acme"}); err != nil {
		log.Fatal(err)
	}
	return s, func() { s.Close(); os.RemoveAll(dir) }
}

func namespace(s *store.Store, name string) *store.Namespace {
	acme, err := s.Tenant("acme")
	if err != nil {
		log.Fatal(err)
	}
	n, err := acme.Namespace(name)
	if err != nil {
		log.Fatal(err)
	}
	return n
}

func Example() {
	ctx := context.Background()
	s, done := openExample(ctx)
	defer done()
	comments := namespace(s, "jira/comments")
	if err := comments.Put(ctx, []byte("ABC-1/1"), []byte("hello")); err != nil {
		log.Fatal(err)
	}
	value, err := comments.Get(ctx, []byte("ABC-1/1"))
	fmt.Printf("%s %v\n", value, err)
	_, err = comments.Get(ctx, []byte("ABC-1/2"))
	fmt.Println(errors.Is(err, store.ErrNotFound))
	// Output:
	// hello <nil>
	// true
}

// A revoked tenant's contents go dark; what the policy keeps under platform keys still reads.
func ExampleTenant_Revoke() {
	ctx := context.Background()
	s, done := openExample(ctx)
	defer done()
	comments, metadata := namespace(s, "jira/comments"), namespace(s, "jira/attachment-metadata")
	comments.Put(ctx, []byte("c1"), []byte("hello"))
	metadata.Put(ctx, []byte("a1"), []byte("picture.png"))

	acme, _ := s.Tenant("acme")
	if err := acme.Revoke(ctx); err != nil {
		log.Fatal(err)
	}
	_, err := comments.Get(ctx, []byte("c1"))
	fmt.Println(errors.Is(err, store.ErrKeyRevoked))
	value, err := metadata.Get(ctx, []byte("a1"))
	fmt.Printf("%s %v\n", value, err)
	// Output:
	// true
	// picture.png <nil>
}

func ExampleTenant_RotateDataKeys() {
	ctx := context.Background()
	s, done := openExample(ctx)
	defer done()
	namespace(s, "jira/comments").Put(ctx, []byte("c1"), []byte("hello"))
	acme, _ := s.Tenant("acme")
	rotations, err := acme.RotateDataKeys(ctx)
	for _, r := range rotations {
		fmt.Printf("%s: data key %d took over from %d\n", r.Namespace, r.To, r.From)
	}
	fmt.Println(err)
	// Output:
	// jira/comments: data key 2 took over from 1
	// <nil>
}

func ExampleNamespace_Scan() {
	ctx := context.Background()
	s, done := openExample(ctx)
	defer done()
	comments := namespace(s, "jira/comments")
	for _, key := range []string{"ABC-1/1", "ABC-1/2", "XYZ-9/1"} {
		comments.Put(ctx, []byte(key), []byte("text of "+key))
	}
	for entry, err := range comments.Scan(ctx, &store.ScanOptions{Prefix: []byte("ABC-"), Reverse: true}) {
		if err != nil {
			log.Fatal(err) // the scan cannot go on
		}
		value, err := entry.Value() // of this record alone
		fmt.Printf("%s: %s %v\n", entry.Key, value, err)
	}
	// Output:
	// ABC-1/2: text of ABC-1/2 <nil>
	// ABC-1/1: text of ABC-1/1 <nil>
}

func ExampleBatch() {
	ctx := context.Background()
	s, done := openExample(ctx)
	defer done()
	issues, metadata := namespace(s, "jira/issues"), namespace(s, "jira/attachment-metadata")
	b := s.NewBatch()
	b.Put(issues, []byte("ABC-1"), []byte("summary"))
	b.Put(metadata, []byte("ABC-1/a1"), []byte("picture.png"))
	fmt.Println(b.Len(), b.Commit(ctx))
	found, err := issues.Has(ctx, []byte("ABC-1"))
	fmt.Println(found, err)
	// Output:
	// 2 <nil>
	// true <nil>
}

func ExampleNamespace_CompareAndSwap() {
	ctx := context.Background()
	s, done := openExample(ctx)
	defer done()
	issues := namespace(s, "jira/issues")
	fmt.Println(issues.PutIfAbsent(ctx, []byte("ABC-1"), []byte("open")))
	fmt.Println(issues.CompareAndSwap(ctx, []byte("ABC-1"), []byte("open"), []byte("closed")))
	fmt.Println(errors.Is(issues.CompareAndSwap(ctx, []byte("ABC-1"), []byte("open"), []byte("closed")), store.ErrChanged))
	// Output:
	// <nil>
	// <nil>
	// true
}
