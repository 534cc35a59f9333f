package codec_test

import (
	"fmt"

	"github.com/sealkv/sealkv/codec"
)

// A form is one of the things that package codec encodes and decodes.
type form struct {
	new    func() any // a pointer to a zero one
	encode func(v any) []byte
	decode func(b []byte, v any) error
}

var forms = map[string]form{
	"envelope": {
		new:    func() any { return new(codec.Envelope) },
		encode: func(v any) []byte { return v.(*codec.Envelope).Append(nil) },
		decode: func(b []byte, v any) error { return v.(*codec.Envelope).Parse(b) },
	},
	"engine-key": {
		new:    func() any { return new(engineKey) },
		encode: func(v any) []byte { return v.(*engineKey).encode() },
		decode: func(b []byte, v any) error { return v.(*engineKey).decode(b) },
	},
	"tenant-key-row": {
		new: func() any { return new(codec.KeyRow) },
		encode: func(v any) []byte {
			row := v.(*codec.KeyRow)
			return codec.AppendTenantKeyRow(nil, row.Tenant, row.Domain, row.Number)
		},
		decode: func(b []byte, v any) (err error) {
			*v.(*codec.KeyRow), err = codec.ParseTenantKeyRow(b)
			return err
		},
	},
	"data-key-row": {
		new: func() any { return new(codec.KeyRow) },
		encode: func(v any) []byte {
			row := v.(*codec.KeyRow)
			return codec.AppendDataKeyRow(nil, row.Tenant, row.Domain, row.Namespace, row.Number)
		},
		decode: func(b []byte, v any) (err error) {
			*v.(*codec.KeyRow), err = codec.ParseDataKeyRow(b)
			return err
		},
	},
	"identity":      record[codec.Identity](),
	"counters":      record[codec.Counters](),
	"signed":        record[codec.Signed](),
	"policy":        record[codec.Policy](),
	"backups":       record[codec.Backups](),
	"tenant":        record[codec.Tenant](),
	"control":       record[codec.Control](),
	"own":           record[codec.Own](),
	"tenant-key":    record[codec.TenantKey](),
	"data-key":      record[codec.DataKey](),
	"audit-entry":   record[codec.AuditEntry](),
	"journal-entry": record[codec.JournalEntry](),
	"sweep":         record[codec.Sweep](),
	"miss":          record[codec.Miss](),
}

func record[T any]() form {
	return form{
		new:    func() any { return new(T) },
		encode: func(v any) []byte { return codec.EncodeRecord(v) },
		decode: func(b []byte, v any) error { return codec.DecodeRecord(b, v.(*T)) },
	}
}

// An engineKey holds what any kind of engine key is made of.
type engineKey struct {
	Kind      codec.Kind
	Tenant    string
	Namespace string
	Blob      codec.BlobID // of chunks and the journal
	Index     uint32       // of chunks
	Written   uint64       // of the retention index
	UserKey   []byte       // of records, misses and the retention index
	Number    uint32       // of dictionaries
}

func (k *engineKey) encode() []byte {
	prefix := codec.AppendPrefix(nil, k.Kind, k.Tenant, k.Namespace)
	switch k.Kind {
	case codec.KindRecord, codec.KindMiss:
		return append(prefix, k.UserKey...)
	case codec.KindChunk:
		return codec.AppendChunkKey(nil, prefix, k.Blob, k.Index)
	case codec.KindJournal:
		return append(prefix, k.Blob[:]...)
	case codec.KindRetention:
		return codec.AppendRetentionKey(nil, prefix, k.Written, k.UserKey)
	case codec.KindSweep, codec.KindCensus:
		return prefix
	case codec.KindDictionary:
		return codec.AppendDictionaryKey(nil, prefix, k.Number)
	}
	panic(fmt.Errorf("engine key of %v", k.Kind))
}

func (k *engineKey) decode(b []byte) error {
	parsed, err := codec.ParseKey(b)
	if err != nil {
		return err
	}
	*k = engineKey{
		Kind:      parsed.Kind,
		Tenant:    string(parsed.Tenant),
		Namespace: string(parsed.Namespace),
		UserKey:   parsed.UserKey(),
	}
	switch k.Kind {
	case codec.KindChunk:
		k.Blob, k.Index = parsed.Blob(), parsed.Index()
	case codec.KindJournal:
		k.Blob = parsed.Blob()
	case codec.KindRetention:
		k.Written = parsed.Written()
	case codec.KindDictionary:
		k.Number = parsed.Dictionary()
	}
	return nil
}
