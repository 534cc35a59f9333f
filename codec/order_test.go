package codec_test

import (
	"bytes"
	"cmp"
	"testing"

	"pgregory.net/rapid"

	"github.com/sealkv/sealkv/codec"
)

// The order of engine keys is that of tenant, namespace and user key, and the prefix of a
// namespace holds its keys and no others.
func TestKeyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := shortRecord(t, "a"), shortRecord(t, "b")
		if rapid.Bool().Draw(t, "same tenant") {
			b.Tenant = a.Tenant
		}
		if rapid.Bool().Draw(t, "same namespace") {
			b.Namespace = a.Namespace
		}
		want := cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Namespace, b.Namespace), bytes.Compare(a.UserKey, b.UserKey))
		if got := bytes.Compare(a.encode(), b.encode()); got != want {
			t.Fatalf("order %d, want %d", got, want)
		}
		inTenant := a.Tenant == b.Tenant
		checkRange(t, codec.AppendTenantPrefix(nil, a.Kind, a.Tenant), b.encode(), inTenant)
		checkRange(t, codec.AppendPrefix(nil, a.Kind, a.Tenant, a.Namespace), b.encode(), inTenant && a.Namespace == b.Namespace)
		checkRange(t, []byte{byte(a.Kind)}, b.encode(), true)
		checkRange(t, []byte{byte(a.Kind) + 1}, b.encode(), false)
	})
}

// shortRecord draws the engine key of a record, with short names so that prefixes of each other
// come up.
func shortRecord(t *rapid.T, name string) *engineKey {
	return &engineKey{
		Kind:      codec.KindRecord,
		Tenant:    rapid.StringOfN(rapid.SampledFrom([]rune("a-.Z")), 1, 3, -1).Draw(t, "tenant of "+name),
		Namespace: rapid.SampledFrom([]string{"a/b", "a/bb", "a-/b", "aa/b", "a/b-", "0/0"}).Draw(t, "namespace of "+name),
		UserKey:   userKeys().Draw(t, "user key of "+name),
	}
}

func checkRange(t *rapid.T, prefix, key []byte, want bool) {
	end := codec.PrefixEnd(prefix)
	if got := bytes.Compare(prefix, key) <= 0 && bytes.Compare(key, end) < 0; got != want {
		t.Fatalf("%s in [%s, %s): %v", notation(key), notation(prefix), notation(end), got)
	}
}

// ends draws bytes next to where carries happen.
func ends(min, max int) *rapid.Generator[[]byte] {
	return rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x7f, 0x80, 0xfe, 0xff}), min, max)
}

func TestPrefixEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prefix := append([]byte{rapid.Byte().Draw(t, "first") &^ 0x80}, ends(0, 5).Draw(t, "rest")...)
		kept := bytes.Clone(prefix)
		key := rapid.OneOf(byteStrings(0, 8), rapid.Map(ends(0, 3), func(b []byte) []byte { return concat(prefix, b) })).Draw(t, "key")
		checkRange(t, prefix, key, bytes.HasPrefix(key, prefix))
		if !bytes.Equal(prefix, kept) {
			t.Fatal("PrefixEnd changed the prefix")
		}
	})
	defer func() {
		if recover() == nil {
			t.Error("a prefix of 0xff has an end")
		}
	}()
	codec.PrefixEnd([]byte{0xff, 0xff})
}
