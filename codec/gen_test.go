package codec_test

import (
	"math"
	"slices"

	"pgregory.net/rapid"

	"github.com/sealkv/sealkv/codec"
)

// What rapid draws is what FORMAT.md allows, and its ends more often than chance would have.

const (
	tenantAlphabet    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	namespaceAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789-"
	largestWritten    = 1<<40 - 1
)

// uints draws one of up to 64 bits, every length of which is as likely.
func uints(min, max uint64) *rapid.Generator[uint64] {
	return rapid.OneOf(
		rapid.SampledFrom([]uint64{min, max}),
		rapid.Custom(func(t *rapid.T) uint64 {
			bits := rapid.IntRange(0, 64).Draw(t, "bits")
			n := rapid.Uint64().Draw(t, "n")
			if bits < 64 {
				n &= 1<<bits - 1
			}
			return clamp(n, min, max)
		}),
	)
}

func clamp(n, low, high uint64) uint64 { return min(max(n, low), high) }

func numbers() *rapid.Generator[uint32] {
	return rapid.Map(uints(1, math.MaxUint32), func(n uint64) uint32 { return uint32(n) })
}

// ascending draws min to max different numbers in order.
func ascending(min, max int) *rapid.Generator[[]uint32] {
	return rapid.Map(rapid.SliceOfNDistinct(numbers(), min, max, rapid.ID), func(numbers []uint32) []uint32 {
		slices.Sort(numbers)
		return numbers
	})
}

func byteStrings(min, max int) *rapid.Generator[[]byte] {
	return rapid.SliceOfN(rapid.Byte(), min, max)
}

func tenants() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.RuneFrom([]rune(tenantAlphabet)), 1, codec.MaxTenantLen, -1)
}

func namespaces() *rapid.Generator[string] {
	part := rapid.StringOfN(rapid.RuneFrom([]rune(namespaceAlphabet)), 1, 31, -1)
	return rapid.Custom(func(t *rapid.T) string { return part.Draw(t, "product") + "/" + part.Draw(t, "type") })
}

// userKeys are short more often, or of equal beginnings, so that orders are told apart late.
func userKeys() *rapid.Generator[[]byte] {
	return rapid.OneOf(
		byteStrings(1, 4),
		rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0xff}), 1, 6),
		byteStrings(1, codec.MaxUserKeyLen),
	)
}

func storeIDs() *rapid.Generator[codec.StoreID] {
	return rapid.Map(byteStrings(codec.StoreIDLen, codec.StoreIDLen), func(b []byte) codec.StoreID { return codec.StoreID(b) })
}

func blobIDs() *rapid.Generator[codec.BlobID] {
	return rapid.Map(byteStrings(codec.BlobIDLen, codec.BlobIDLen), func(b []byte) codec.BlobID { return codec.BlobID(b) })
}

func engineKeys() *rapid.Generator[*engineKey] {
	return rapid.Custom(func(t *rapid.T) *engineKey {
		k := &engineKey{
			Kind:      rapid.SampledFrom([]codec.Kind{0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17}).Draw(t, "kind"),
			Tenant:    tenants().Draw(t, "tenant"),
			Namespace: namespaces().Draw(t, "namespace"),
		}
		switch k.Kind {
		case codec.KindChunk:
			k.Index = rapid.Uint32().Draw(t, "index")
			fallthrough
		case codec.KindJournal:
			k.Blob = blobIDs().Draw(t, "blob")
		case codec.KindRetention:
			k.Written = uints(0, largestWritten).Draw(t, "written")
			fallthrough
		case codec.KindRecord, codec.KindMiss:
			k.UserKey = userKeys().Draw(t, "user key")
		case codec.KindDictionary:
			k.Number = numbers().Draw(t, "number")
		}
		return k
	})
}

func blobs() *rapid.Generator[codec.Blob] {
	return rapid.Custom(func(t *rapid.T) codec.Blob {
		size := uint32(1) << rapid.IntRange(12, 18).Draw(t, "log of chunk size")
		return codec.Blob{ID: blobIDs().Draw(t, "id"), Size: uints(0, uint64(size)<<32).Draw(t, "size"), ChunkSize: size}
	})
}

func envelopes() *rapid.Generator[*codec.Envelope] { return rapid.OneOf(directs(), contents()) }

func suites() *rapid.Generator[codec.Suite] {
	return rapid.SampledFrom([]codec.Suite{codec.SuiteXChaCha, codec.SuiteXAES})
}

func directs() *rapid.Generator[*codec.Envelope] {
	return rapid.Custom(func(t *rapid.T) *codec.Envelope {
		e := &codec.Envelope{
			Suite:   suites().Draw(t, "suite"),
			Number:  numbers().Draw(t, "number"),
			Written: uints(0, largestWritten).Draw(t, "written"),
			Sealed:  byteStrings(codec.SealOverhead, codec.SealOverhead+300).Draw(t, "sealed"),
		}
		compress(t, e)
		return e
	})
}

// compress draws flags, and what goes with them.
func compress(t *rapid.T, e *codec.Envelope) {
	if e.Flags = rapid.SampledFrom([]uint64{0, 1, 3}).Draw(t, "flags"); e.Flags == 3 {
		e.Dictionary = numbers().Draw(t, "dictionary")
	}
}

func contents() *rapid.Generator[*codec.Envelope] {
	return rapid.Custom(func(t *rapid.T) *codec.Envelope {
		e := &codec.Envelope{
			Suite:   suites().Draw(t, "suite"),
			Written: uints(0, largestWritten).Draw(t, "written"),
			HeadMAC: byteStrings(codec.MACLen, codec.MACLen).Draw(t, "head-mac"),
			Chunked: rapid.Bool().Draw(t, "chunked"),
		}
		for _, number := range ascending(1, codec.MaxRecipients).Draw(t, "numbers") {
			e.Recipients = append(e.Recipients, codec.Recipient{
				Number: number,
				Wrap:   byteStrings(codec.WrapLen, codec.WrapLen).Draw(t, "wrap"),
			})
		}
		longest := codec.SealOverhead + 300
		if e.Chunked {
			e.Blob = blobs().Draw(t, "blob")
			longest = codec.SealOverhead
		} else {
			compress(t, e)
		}
		e.Sealed = byteStrings(codec.SealOverhead, longest).Draw(t, "sealed")
		return e
	})
}

// wildEnvelopes draws encodings of which any part may be just out of bounds, one part in 16.
func wildEnvelopes() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		wild := func(name string, good any, bad ...any) any {
			if rapid.IntRange(0, 15).Draw(t, name) < 15 {
				return good
			}
			return rapid.SampledFrom(bad).Draw(t, "other "+name)
		}
		bytesOf := func(name string, n int) any {
			return wild(name, make([]byte, n), make([]byte, n-1), make([]byte, n+1), nil)
		}
		suite := wild("suite", suites().Draw(t, "suite"), 0, 3, 255, 256)
		dictionary, named := []any(nil), rapid.Bool().Draw(t, "with a dictionary")
		flags := wild("flags", rapid.SampledFrom([]int{0, 1}).Draw(t, "zstd"), 2, 3, 4, uint64(math.MaxUint64), nil)
		if named {
			flags = wild("flags", 3, 1, 2, 7, uint64(math.MaxUint64), nil)
		}
		if named == (rapid.IntRange(0, 15).Draw(t, "dictionary in its place") < 15) {
			dictionary = []any{wild("dictionary", 70000, 0, math.MaxUint32, math.MaxUint32+1, nil)}
		}
		written := wild("written", 1763856000, largestWritten, largestWritten+1, -1)
		if rapid.Bool().Draw(t, "direct") {
			number := wild("number", 7, 0, math.MaxUint32, math.MaxUint32+1)
			return brackets(slices.Concat([]any{suite, number, flags, written}, dictionary, []any{bytesOf("sealed", codec.SealOverhead)})...)
		}
		recipients := []any{}
		for i := range rapid.IntRange(0, codec.MaxRecipients+1).Draw(t, "recipients") {
			number := wild("number", 7+i, 0, 7, 7-i, math.MaxUint32, math.MaxUint32+1)
			recipients = append(recipients, wild("pair", []any{number, bytesOf("wrap", codec.WrapLen)}, []any{number}, nil))
		}
		size := uint64(1) << rapid.IntRange(11, 19).Draw(t, "log of chunk size")
		blob := []any{bytesOf("blob id", codec.BlobIDLen), wild("size", 1<<20, 0, size<<32, size<<32+1), wild("chunk size", size, size-1, 0)}
		return brackets(slices.Concat([]any{suite, recipients, flags, written}, dictionary,
			[]any{wild("blob", blob, nil, []any{}), bytesOf("head-mac", codec.MACLen), bytesOf("sealed", codec.SealOverhead)})...)
	})
}

// keyRows draws rows of tenant keys (no namespace), of the platform's key (no tenant either),
// and of data keys.
func keyRows() *rapid.Generator[codec.KeyRow] {
	return rapid.Custom(func(t *rapid.T) codec.KeyRow {
		row := codec.KeyRow{Number: numbers().Draw(t, "number"), Domain: codec.DomainTenant}
		switch rapid.SampledFrom([]string{"tenant", "platform", "data"}).Draw(t, "of a key of") {
		case "tenant":
			row.Tenant = tenants().Draw(t, "tenant")
		case "platform":
			row.Domain = codec.DomainPlatform
		default:
			row.Tenant, row.Namespace = tenants().Draw(t, "tenant"), namespaces().Draw(t, "namespace")
			row.Domain = rapid.SampledFrom([]codec.Domain{codec.DomainTenant, codec.DomainPlatform}).Draw(t, "domain")
		}
		return row
	})
}
