package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store/engine"
)

// A Head is what can be told of a record without any key. Nothing of it is authenticated.
type Head struct {
	Tenant    string   `json:"tenant"`
	Namespace string   `json:"namespace"`
	Suite     uint8    `json:"suite"`
	Keys      []uint32 `json:"keys"` // numbers of the data keys it is sealed for
	Content   bool     `json:"content_key"`
	Flags     uint64   `json:"flags"`
	// Dictionary is what the value was compressed with; 0 for none.
	Dictionary uint32    `json:"dictionary,omitempty"`
	Written    time.Time `json:"written,omitzero"`  // zero where the namespace keeps no time
	Modified   time.Time `json:"modified,omitzero"` // when a chunked value was begun; else zero
	Bytes      uint64    `json:"bytes"`             // of the value, as it is sealed: of a compressed one, compressed
	Stored     uint64    `json:"stored"`            // of the record in the engine, key included; of a chunked value without its chunks
	Blob       string    `json:"blob,omitempty"`    // id of a chunked value's blob, in hex
	Chunks     uint64    `json:"chunks,omitempty"`
	ChunkSize  uint32    `json:"chunk_size,omitempty"`
	Envelope   []byte    `json:"-"` // as it is stored
}

// Head reads the head of a record. It works on a store that is open for inspection, and for any
// namespace, named in the policy or not.
func (s *Store) Head(ctx context.Context, tenant, namespace string, key []byte) (Head, error) {
	if err := CheckTenant(tenant); err != nil {
		return Head{}, err
	}
	if err := scope.CheckNamespace(namespace); err != nil {
		return Head{}, fmt.Errorf("%w: %w", ErrInvalidName, err)
	}
	if err := checkSizes(key, nil); err != nil {
		return Head{}, err
	}
	record := join(codec.AppendPrefix(nil, codec.KindRecord, tenant, namespace), key)
	var got catcher
	if err := s.engine.Get(ctx, record, &got); err != nil {
		return Head{}, translated(err)
	}
	h := Head{Tenant: tenant, Namespace: namespace, Stored: uint64(len(record) + len(got.value)), Envelope: got.value}
	var e codec.Envelope
	err := e.Parse(got.value)
	if err != nil && len(e.Sealed) == 0 {
		return h, &RecordError{Tenant: tenant, Namespace: namespace, Err: err}
	}
	h.fill(&e)
	return h, err
}

func (h *Head) fill(e *codec.Envelope) {
	h.Suite, h.Flags, h.Content, h.Keys, h.Bytes = uint8(e.Suite), e.Flags, e.HasContentKey(), numbers(e), plainBytes(e)
	h.Dictionary = e.Dictionary
	if e.Written > 0 {
		h.Written = time.Unix(int64(e.Written), 0).UTC()
	}
	if e.Chunked {
		h.Modified = modTime(true, e.Blob, 0)
		h.Blob, h.Chunks, h.ChunkSize = hex.EncodeToString(e.Blob.ID[:]), e.Blob.Chunks(), e.Blob.ChunkSize
	}
}

func numbers(e *codec.Envelope) []uint32 {
	if !e.HasContentKey() {
		return []uint32{e.Number}
	}
	out := make([]uint32, len(e.Recipients))
	for i, r := range e.Recipients {
		out[i] = r.Number
	}
	return out
}

// plainBytes is the length of an envelope's value; of one that is compressed, of that.
func plainBytes(e *codec.Envelope) uint64 {
	if e.Chunked {
		return e.Blob.Size
	}
	return uint64(len(e.Sealed) - codec.SealOverhead)
}

// A Usage is how many records of a namespace are sealed for one set of data keys.
type Usage struct {
	Tenant    string   `json:"tenant"`
	Namespace string   `json:"namespace"`
	Domain    string   `json:"domain"`   // tenant, platform, both; "?" for keys that the keyring does not have there
	Key       uint32   `json:"data_key"` // the data key; the tenant's where there are two
	Keys      []uint32 `json:"keys"`     // all of them
	State     string   `json:"state"`    // of Key
	Records   uint64   `json:"records"`
	Bytes     uint64   `json:"bytes"`  // of values, as they are sealed
	Stored    uint64   `json:"stored"` // in the engine, keys of records included, chunks not
	// Dictionaries are no records. Of their bytes those in the engine are counted.
	Dictionaries uint64 `json:"dictionaries,omitempty"`
}

// Usage counts all records, or those of one tenant, by tenant, namespace and data key, from their
// heads alone: it needs no key, and is not authenticated. It reads every record. Engine keys that are
// none of a store are passed over; Verify counts them.
func (s *Store) Usage(ctx context.Context, tenant string) ([]Usage, error) {
	var rows []Usage
	for _, kind := range sealedKinds {
		c := counter{rest: tenantRange(kind, tenant)}
		for !c.finished {
			c.room, c.seen = maxPage, false
			if err := s.engine.Page(ctx, c.rest, &c); err != nil {
				return nil, translated(err)
			}
			c.finished = !c.seen
			c.rest.Start = append(bytes.Clone(c.last), 0)
		}
		rows = mergeUsage(rows, c.rows)
	}
	return rows, s.nameKeys(rows)
}

// mergeUsage adds what was counted of another kind. Rows stay in the order of tenants and namespaces.
func mergeUsage(rows, more []Usage) []Usage {
	for _, m := range more {
		at := slices.IndexFunc(rows, func(u Usage) bool {
			return u.Tenant == m.Tenant && u.Namespace == m.Namespace && slices.Equal(u.Keys, m.Keys)
		})
		if at < 0 {
			rows = append(rows, m)
			continue
		}
		rows[at].Stored += m.Stored
		rows[at].Dictionaries += m.Dictionaries
	}
	slices.SortStableFunc(rows, func(a, b Usage) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Namespace, b.Namespace))
	})
	return rows
}

// A counter is the sink of pages of records; rows come in the order of the engine's keys.
type counter struct {
	rest     engine.Range
	room     int
	seen     bool
	last     []byte
	finished bool

	env    codec.Envelope
	in     namespaceID // that is being counted
	prefix []byte      // of it
	rows   []Usage
	group  map[string]int // row by recipients, in it
	id     []byte
}

func (c *counter) Entry(key, value []byte) (more bool, err error) {
	c.seen, c.last = true, append(c.last[:0], key...)
	c.room--
	if len(c.prefix) == 0 || !bytes.HasPrefix(key, c.prefix) {
		k, err := codec.ParseKey(key)
		if err != nil {
			return c.room > 0, nil
		}
		c.in = namespaceID{string(k.Tenant), string(k.Namespace)}
		c.prefix = codec.AppendPrefix(c.prefix[:0], k.Kind, c.in.tenant, c.in.name)
		c.group = map[string]int{}
	}
	if err := c.env.Parse(value); err != nil && len(c.env.Sealed) == 0 {
		c.env = codec.Envelope{} // counted under key 0
	}
	row := c.row()
	row.Stored += uint64(len(key) + len(value))
	if codec.Kind(key[0]) == codec.KindDictionary {
		row.Dictionaries++
		return c.room > 0, nil
	}
	row.Records++
	if len(c.env.Sealed) > 0 {
		row.Bytes += plainBytes(&c.env)
	}
	return c.room > 0, nil
}

func (c *counter) row() *Usage {
	c.id = c.id[:0]
	if c.env.HasContentKey() {
		for _, r := range c.env.Recipients {
			c.id = codec.AppendDataKeyRow(c.id, "", 0, "", r.Number)
		}
	} else {
		c.id = codec.AppendDataKeyRow(c.id, "", 0, "", c.env.Number)
	}
	i, found := c.group[string(c.id)]
	if !found {
		i = len(c.rows)
		c.group[string(c.id)] = i
		c.rows = append(c.rows, Usage{Tenant: c.in.tenant, Namespace: c.in.name, Keys: numbers(&c.env)})
	}
	return &c.rows[i]
}

// nameKeys fills in what the keyring knows of the keys.
func (s *Store) nameKeys(rows []Usage) error {
	var (
		of    string
		known []keys.KeyInfo
	)
	for i := range rows {
		row := &rows[i]
		if row.Tenant != of {
			of, known = row.Tenant, nil
			if s.keys.KnowsTenant(of) == nil {
				var err error
				if known, err = s.keys.DataKeys(of); err != nil {
					return translated(err)
				}
			}
		}
		row.name(known)
	}
	return nil
}

func (u *Usage) name(known []keys.KeyInfo) {
	u.Domain, u.Key, u.State = unknown, u.Keys[0], unknown
	domains := map[string]bool{}
	for _, number := range u.Keys {
		at := slices.IndexFunc(known, func(k keys.KeyInfo) bool { return k.Namespace == u.Namespace && k.Number == number })
		if at < 0 {
			return
		}
		domains[known[at].Domain] = true
		if len(domains) == 1 || known[at].Domain == codec.DomainTenant.String() {
			u.Key, u.State = number, known[at].State
		}
		u.Domain = known[at].Domain
	}
	if len(domains) > 1 {
		u.Domain = scope.Both.String()
	}
}

// Audit yields the entries of the audit log after seq, in order, without verifying them.
func (s *Store) Audit(after uint64) iter.Seq2[keys.AuditEvent, error] {
	return func(yield func(keys.AuditEvent, error) bool) {
		for e, err := range s.keys.Audit(after) {
			if !yield(e, translated(err)) {
				return
			}
		}
	}
}

// VerifyAudit checks every entry of the audit log and returns its head: kept elsewhere and given
// to a later call, it proves that the log was not rewritten up to there. kept may be nil. A log
// that was cut, rewritten or does not contain kept is ErrAuthentication.
func (s *Store) VerifyAudit(ctx context.Context, kept *keys.AuditHead) (keys.AuditHead, error) {
	head, err := s.keys.VerifyAudit(ctx, kept)
	return head, translated(err)
}
