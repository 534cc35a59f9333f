package codec_test

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/codec"
)

// The fuzz targets hold every decoder to what FORMAT.md promises of all bytes: a failure has one
// class and leaves nothing behind, and what decodes encodes to the same bytes. Run one with
//
//	go test ./codec -run '^$' -fuzz '^FuzzEnvelope$' -fuzztime 60s

func checkDecode(t *testing.T, form form, b []byte) {
	kept := bytes.Clone(b)
	v := form.new()
	err := form.decode(b, v)
	if !bytes.Equal(b, kept) {
		t.Fatal("the input was changed")
	}
	switch class(err) {
	case "ok":
		if again := form.encode(v); !bytes.Equal(again, b) {
			t.Fatalf("%s encodes as %s", notation(b), notation(again))
		}
	case "malformed":
		if !reflect.ValueOf(v).Elem().IsZero() {
			t.Fatalf("%s is malformed, and decoded as\n%s", notation(b), printFields(v))
		}
	case "unsupported":
	default:
		t.Fatal(err)
	}
}

func FuzzEnvelope(f *testing.F) {
	seedEnvelopes(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		checkDecode(t, forms["envelope"], b)
		var e codec.Envelope
		if class(e.Parse(b)) == "malformed" {
			return
		}
		if again := e.Append(nil); !bytes.Equal(again, b) { // also with a suite or flags of a later version
			t.Fatalf("%s encodes as %s", notation(b), notation(again))
		}
		if len(b) != e.OpeningLen(len(e.Sealed))+len(e.Sealed) {
			t.Fatalf("OpeningLen is %d of %s", e.OpeningLen(len(e.Sealed)), notation(b))
		}
	})
}

func seedEnvelopes(f *testing.F) {
	recipient := func(number uint32) codec.Recipient {
		return codec.Recipient{Number: number, Wrap: bytes.Repeat([]byte{byte(number)}, codec.WrapLen)}
	}
	sealed := bytes.Repeat([]byte{0x22}, codec.SealOverhead)
	for _, e := range []codec.Envelope{
		{Suite: 1, Number: 7, Sealed: sealed},
		{Suite: 1, Number: 1<<32 - 1, Written: largestWritten, Sealed: append(sealed, "hello"...)},
		{Suite: 1, Recipients: []codec.Recipient{recipient(1)}, HeadMAC: make([]byte, codec.MACLen), Sealed: sealed},
		{Suite: 1, Recipients: []codec.Recipient{recipient(7), recipient(300)}, HeadMAC: make([]byte, codec.MACLen), Sealed: sealed},
		{Suite: 1, Recipients: []codec.Recipient{recipient(7)}, HeadMAC: make([]byte, codec.MACLen), Sealed: sealed,
			Chunked: true, Blob: codec.Blob{Size: 1 << 20, ChunkSize: 65536}},
		{Suite: 2, Number: 7, Sealed: sealed},
		{Suite: 2, Recipients: []codec.Recipient{recipient(7)}, HeadMAC: make([]byte, codec.MACLen), Sealed: sealed},
		{Suite: 3, Number: 7, Flags: 4, Sealed: sealed},
		{Suite: 1, Number: 7, Flags: 1, Sealed: sealed},
		{Suite: 1, Number: 7, Flags: 3, Dictionary: 70000, Sealed: sealed},
		{Suite: 1, Recipients: []codec.Recipient{recipient(7)}, Flags: 3, Dictionary: 70000, HeadMAC: make([]byte, codec.MACLen), Sealed: sealed},
	} {
		f.Add(e.Append(nil))
	}
	f.Add([]byte{0x85})
	f.Add([]byte{})
}

func FuzzKey(f *testing.F) {
	for _, kind := range []codec.Kind{codec.KindRecord, codec.KindChunk, codec.KindJournal, codec.KindRetention, codec.KindMiss, codec.KindDictionary} {
		k := engineKey{Kind: kind, Tenant: "acme", Namespace: "jira/comments", Written: 1763856000, UserKey: []byte("ABC-1"), Number: 70000}
		f.Add(k.encode())
	}
	f.Add(codec.MetaIdentity)
	f.Add(codec.MetaMirror)
	f.Fuzz(func(t *testing.T, b []byte) {
		checkDecode(t, forms["engine-key"], b)
		k, err := codec.ParseKey(b)
		if err != nil {
			return
		}
		if err := codec.CheckTenant(string(k.Tenant)); err != nil {
			t.Fatal(err)
		}
		prefix := codec.AppendPrefix(nil, k.Kind, string(k.Tenant), string(k.Namespace))
		if !bytes.HasPrefix(b, prefix) || bytes.Compare(b, codec.PrefixEnd(prefix)) >= 0 {
			t.Fatalf("%s is not of its own namespace", notation(b))
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add(codec.AppendTenantKeyRow(nil, "acme", codec.DomainTenant, 3))
	f.Add(codec.AppendTenantKeyRow(nil, "", codec.DomainPlatform, 1))
	f.Add(codec.AppendDataKeyRow(nil, "acme", codec.DomainTenant, "jira/comments", 7))
	f.Add(codec.AppendDataKeyRow(nil, "acme", codec.DomainPlatform, "jira/comments", 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		checkDecode(t, forms["tenant-key-row"], b)
		checkDecode(t, forms["data-key-row"], b)
		_, asTenant := codec.ParseTenantKeyRow(b)
		_, asData := codec.ParseDataKeyRow(b)
		if asTenant == nil && asData == nil {
			t.Fatalf("%s is both", notation(b))
		}
	})
}

// FuzzRecords decodes its input as each type of record.
func FuzzRecords(f *testing.F) {
	names := slices.Sorted(maps.Keys(records))
	for _, name := range names {
		for seed := range 3 {
			f.Add(forms[name].encode(records[name].Example(seed)))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range names {
			checkDecode(t, forms[name], b)
		}
	})
}

// What is well-formed of one type of record is malformed as most others; of those alike, the
// MAC's label tells them apart.
func TestRecordTypesConfused(t *testing.T) {
	alike := map[string]bool{}
	for name, generator := range records {
		for seed := range 20 {
			b := forms[name].encode(generator.Example(seed))
			for other := range records {
				if forms[other].decode(b, forms[other].new()) == nil && other != name {
					alike[name+" as "+other] = true
				}
			}
		}
	}
	if len(alike) > 0 {
		t.Errorf("records that pass for others: %s", strings.Join(slices.Sorted(maps.Keys(alike)), ", "))
	}
}
