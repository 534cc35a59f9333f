package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A Kind is the first byte of an engine key and says what the value is. On disk; must not
// change. 0x00 and 0xF0 to 0xFF are never used, so that a range can begin below and end above
// every key.
type Kind byte

const (
	KindMeta      Kind = 0x01 // the store's own records: identity, mirror of the keyring
	KindRecord    Kind = 0x10 // a value's envelope
	KindChunk     Kind = 0x11 // one chunk of a blob
	KindJournal   Kind = 0x12 // one entry for each blob that has chunks
	KindRetention Kind = 0x13 // records of namespaces with a max-age, by time of first write
	KindSweep     Kind = 0x14 // one for each namespace that is being swept: how far that is
	KindMiss      Kind = 0x15 // one for each record that a sweep could not open
	KindCensus    Kind = 0x16 // one for each namespace: what the last sweep that came to its end has found
	// KindDictionary holds envelopes too: of what values of a namespace are compressed with.
	KindDictionary Kind = 0x17
)

// never reports whether no version has keys of this kind.
func (k Kind) never() bool { return k == 0x00 || k >= 0xf0 }

func (k Kind) String() string {
	switch k {
	case KindMeta:
		return "meta"
	case KindRecord:
		return "record"
	case KindChunk:
		return "chunk"
	case KindJournal:
		return "journal"
	case KindRetention:
		return "retention"
	case KindSweep:
		return "sweep"
	case KindMiss:
		return "miss"
	case KindCensus:
		return "census"
	case KindDictionary:
		return "dictionary"
	}
	return fmt.Sprintf("kind 0x%02x", byte(k))
}

// Keys of the store's own records.
var (
	MetaIdentity = []byte{byte(KindMeta), 'i', 'd'}
	MetaMirror   = []byte{byte(KindMeta), 'k', 'e', 'y', 'r', 'i', 'n', 'g'}
)

// BlobIDLen is the length of a blob id in bytes: 6 of creation time (Unix milliseconds,
// big-endian), so that new blobs append, and 10 random ones.
const BlobIDLen = 16

// A BlobID names the chunks of one blob. It is never reused.
type BlobID [BlobIDLen]byte

// MaxEngineKeyLen is the longest engine key in bytes: a retention key with the longest names.
const MaxEngineKeyLen = 1 + MaxTenantLen + 1 + MaxNamespaceLen + 1 + retentionTimeLen + MaxUserKeyLen

const (
	chunkIndexLen    = 4
	dictionaryLen    = 4
	retentionTimeLen = 8
)

// AppendPrefix appends kind ‖ tenant ‖ 0 ‖ namespace ‖ 0, with which every key of that kind in
// the namespace begins.
func AppendPrefix(b []byte, kind Kind, tenant, namespace string) []byte {
	b = AppendTenantPrefix(b, kind, tenant)
	b = append(b, namespace...)
	return append(b, 0)
}

// AppendTenantPrefix appends kind ‖ tenant ‖ 0, with which every key of that kind of the tenant
// begins.
func AppendTenantPrefix(b []byte, kind Kind, tenant string) []byte {
	b = append(b, byte(kind))
	b = append(b, tenant...)
	return append(b, 0)
}

// AppendChunkKey appends the engine key of a blob's chunk; prefix is of KindChunk.
func AppendChunkKey(b, prefix []byte, id BlobID, index uint32) []byte {
	b = append(b, prefix...)
	b = append(b, id[:]...)
	return binary.BigEndian.AppendUint32(b, index)
}

// AppendRetentionKey appends the key under which the retention index holds userKey; prefix is
// of KindRetention, written in Unix seconds.
func AppendRetentionKey(b, prefix []byte, written uint64, userKey []byte) []byte {
	b = append(b, prefix...)
	b = binary.BigEndian.AppendUint64(b, written)
	return append(b, userKey...)
}

// AppendDictionaryKey appends the engine key of a dictionary; prefix is of KindDictionary.
func AppendDictionaryKey(b, prefix []byte, number uint32) []byte {
	b = append(b, prefix...)
	return binary.BigEndian.AppendUint32(b, number)
}

// PrefixEnd returns the first key after all keys that begin with prefix. prefix ends in 0x00
// or in a kind, as all prefixes of this package do, so there always is one.
func PrefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	panic("codec: prefix without an end")
}

// A Key is an engine key, taken apart. Its slices alias what was parsed.
type Key struct {
	Kind      Kind
	Tenant    []byte
	Namespace []byte
	// Rest is the user key of a record or a miss; for the other kinds see UserKey, Blob and Index.
	Rest []byte
}

// ParseKey takes apart an engine key of any kind but KindMeta.
func ParseKey(b []byte) (Key, error) {
	if len(b) == 0 || len(b) > MaxEngineKeyLen {
		return Key{}, fmt.Errorf("%w: an engine key has 1 to %d bytes, not %d", ErrMalformed, MaxEngineKeyLen, len(b))
	}
	k := Key{Kind: Kind(b[0])}
	switch k.Kind {
	case KindRecord, KindChunk, KindJournal, KindRetention, KindSweep, KindMiss, KindCensus, KindDictionary:
	default:
		if k.Kind.never() {
			return Key{}, fmt.Errorf("%w: engine key of %v", ErrMalformed, k.Kind)
		}
		return Key{}, fmt.Errorf("%w: engine key of %v", ErrUnsupported, k.Kind)
	}
	var found bool
	if k.Tenant, b, found = bytes.Cut(b[1:], []byte{0}); !found {
		return Key{}, fmt.Errorf("%w: engine key without a namespace", ErrMalformed)
	}
	if k.Namespace, k.Rest, found = bytes.Cut(b, []byte{0}); !found {
		return Key{}, fmt.Errorf("%w: engine key without a user key", ErrMalformed)
	}
	return k, k.check()
}

func (k Key) check() error {
	if err := CheckTenant(string(k.Tenant)); err != nil {
		return err
	}
	if err := checkNamespaceBytes(k.Namespace); err != nil {
		return err
	}
	switch k.Kind {
	case KindChunk:
		return checkLen("chunk id and index", len(k.Rest), BlobIDLen+chunkIndexLen)
	case KindJournal:
		return checkLen("blob id", len(k.Rest), BlobIDLen)
	case KindSweep, KindCensus:
		return checkLen("key of a sweep, after its namespace,", len(k.Rest), 0)
	case KindDictionary:
		if err := checkLen("number of a dictionary", len(k.Rest), dictionaryLen); err != nil {
			return err
		}
		if k.Dictionary() == 0 {
			return fmt.Errorf("%w: dictionary number 0", ErrMalformed)
		}
		return nil
	case KindRetention:
		if len(k.Rest) >= retentionTimeLen && k.Written() > maxWritten {
			return fmt.Errorf("%w: retention key with time %d out of range", ErrMalformed, k.Written())
		}
	}
	return CheckUserKey(k.UserKey())
}

// UserKey is the user key of a record, a miss or an entry of the retention index, else nil.
func (k Key) UserKey() []byte {
	switch {
	case k.Kind == KindRecord, k.Kind == KindMiss:
		return k.Rest
	case k.Kind == KindRetention && len(k.Rest) >= retentionTimeLen:
		return k.Rest[retentionTimeLen:]
	}
	return nil
}

// Blob is the blob id in the key of a chunk or of a journal entry.
func (k Key) Blob() (id BlobID) {
	copy(id[:], k.Rest)
	return id
}

// Index is the chunk's index in the key of a chunk.
func (k Key) Index() uint32 { return binary.BigEndian.Uint32(k.Rest[BlobIDLen:]) }

// Dictionary is the number in the key of a dictionary.
func (k Key) Dictionary() uint32 { return binary.BigEndian.Uint32(k.Rest) }

// Written is the time in the key of a retention entry, in Unix seconds.
func (k Key) Written() uint64 { return binary.BigEndian.Uint64(k.Rest) }

func checkLen(what string, got, want int) error {
	if got != want {
		return fmt.Errorf("%w: %s has %d bytes, not %d", ErrMalformed, what, want, got)
	}
	return nil
}
