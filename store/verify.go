package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store/engine"
)

// VerifyOptions of Verify. Nil means everything, with keys.
type VerifyOptions struct {
	Tenant    string // empty for all
	Namespace string // empty for all; needs Tenant
	// HeadsOnly opens nothing: it checks that each record has a head, that its keys are known where
	// it lies and not destroyed, and that its chunks are all there in their lengths. It is implied
	// by Options.Inspect.
	HeadsOnly bool
	// Failed is called for each record that is not as it must be, with its user key, and for each such
	// dictionary, without a key. It is called by one goroutine; key is valid during the call.
	Failed func(tenant, namespace string, key []byte, err error)
	// Progress is called now and then with how much was verified.
	Progress func(records, bytes uint64)
}

// A Verification is what Verify found. It is as it must be if Bad is zero.
type Verification struct {
	Rows []Verified `json:"rows"`
	// Leftover counts blobs that no value needs: of writers that were cut short, and garbage that
	// was not collected yet. Collect deletes them.
	Leftover uint64 `json:"leftover_blobs"`
	// Stray counts blobs with chunks that the journal does not know: nothing will collect them.
	Stray uint64 `json:"stray_blobs"`
	// Unread counts engine keys that are none of a store.
	Unread uint64 `json:"unread_keys"`
}

// A Verified is what Verify found in one namespace of a tenant.
type Verified struct {
	Tenant    string `json:"tenant"`
	Namespace string `json:"namespace"`
	Records   uint64 `json:"records"`
	Bytes     uint64 `json:"bytes"` // of values
	Blobs     uint64 `json:"blobs"` // values in chunks
	Opened    uint64 `json:"opened"`
	// Dark records could not be opened, because their keys are revoked or unavailable; their
	// heads are as they must be.
	Dark uint64 `json:"dark"`
	// Bad records are not as they must be.
	Bad uint64 `json:"bad"`
	// Dictionaries are no records, but may be Dark or Bad.
	Dictionaries uint64 `json:"dictionaries,omitempty"`
}

// Bad is how much is not as it must be.
func (v *Verification) Bad() (bad uint64) {
	for _, row := range v.Rows {
		bad += row.Bad
	}
	return bad + v.Stray + v.Unread
}

// Verify opens every record and every chunk, or checks the heads alone, and reports by tenant and
// namespace. Records that have reached their max-age are gone for it, collected or not. It goes on past
// what is not as it must be; its error says that it could not go on. Readers and writers go on meanwhile: what they replace or delete is theirs. It works on a store
// that is open for inspection or for reading, and so on a backup.
func (s *Store) Verify(ctx context.Context, opts *VerifyOptions) (*Verification, error) {
	v := verifier{s: s, report: &Verification{}}
	if opts != nil {
		v.opts = *opts
	}
	v.opts.HeadsOnly = v.opts.HeadsOnly || s.opts.Inspect
	for _, step := range []func(context.Context) error{v.records, v.dictionaries, v.journal, v.chunks} {
		if err := step(ctx); err != nil {
			return v.report, translated(err)
		}
	}
	return v.report, nil
}

type verifier struct {
	s      *Store
	opts   VerifyOptions
	report *Verification

	row        *Verified
	known      []keys.KeyInfo // data keys of row's tenant
	revoked    bool           // that tenant
	n          *Namespace     // of row; nil where the policy has none
	done, size uint64
}

// bounds are the keys of a kind that were asked for.
func (v *verifier) bounds(kind codec.Kind) (start, end []byte) {
	switch {
	case v.opts.Tenant == "":
		start = []byte{byte(kind)}
	case v.opts.Namespace == "":
		start = codec.AppendTenantPrefix(nil, kind, v.opts.Tenant)
	default:
		start = codec.AppendPrefix(nil, kind, v.opts.Tenant, v.opts.Namespace)
	}
	return start, codec.PrefixEnd(start)
}

// pages is Store.pages over a kind. Keys that are none are counted, if they are the kind's.
func (v *verifier) pages(ctx context.Context, kind codec.Kind, withValues bool, fn func(k codec.Key, key, value []byte) (next []byte, err error)) error {
	start, end := v.bounds(kind)
	return v.s.pages(ctx, start, end, withValues, func(key, value []byte) ([]byte, error) {
		k, err := codec.ParseKey(key)
		if err != nil {
			v.report.Unread++
			return nil, nil
		}
		return fn(k, key, value)
	})
}

func (v *verifier) records(ctx context.Context) error {
	return v.pages(ctx, codec.KindRecord, true, func(k codec.Key, _, raw []byte) ([]byte, error) {
		if err := v.enter(ctx, string(k.Tenant), string(k.Namespace)); err != nil {
			return nil, err
		}
		err := v.record(ctx, k.UserKey(), raw)
		if v.opts.Progress != nil && v.done%collectPage == 0 {
			v.opts.Progress(v.done, v.size)
		}
		return nil, err
	})
}

// enter begins another row if the records are another namespace's from here on.
func (v *verifier) enter(ctx context.Context, tenant, namespace string) (err error) {
	if v.row != nil && v.row.Tenant == tenant && v.row.Namespace == namespace {
		return nil
	}
	if v.row == nil || v.row.Tenant != tenant {
		info, err := v.s.keys.Tenant(tenant)
		if err == nil {
			v.known, err = v.s.keys.DataKeys(tenant)
		}
		if errors.Is(err, keys.ErrTenantUnknown) {
			v.known, err = nil, nil
		}
		if err != nil {
			return err
		}
		v.revoked = info.Revoked
		if info.RootRevoked && !v.opts.HeadsOnly { // when it was last asked
			v.revoked = errors.Is(v.s.keys.Vouched(ctx, tenant), ErrKeyRevoked)
		}
	}
	at := slices.IndexFunc(v.report.Rows, func(row Verified) bool { return row.Tenant == tenant && row.Namespace == namespace })
	if at < 0 {
		at = len(v.report.Rows)
		v.report.Rows = append(v.report.Rows, Verified{Tenant: tenant, Namespace: namespace})
	}
	v.row = &v.report.Rows[at]
	if v.n, err = v.s.namespace(tenant, namespace); errors.Is(err, scope.ErrUnknownNamespace) {
		v.n, err = nil, nil
	}
	return err
}

// record verifies one record. Its error is none of the record's.
func (v *verifier) record(ctx context.Context, key, raw []byte) error {
	if v.n != nil && v.n.expiredRaw(raw) {
		return nil // gone for readers, and perhaps its key too
	}
	e, err := v.head(raw)
	if err == nil && e.Chunked {
		err = v.blob(ctx, &e)
	}
	if err == nil && e.Dictionary != 0 {
		err = v.named(ctx, e.Dictionary)
	}
	dark := false
	if err == nil && !v.opts.HeadsOnly && v.n != nil {
		err = v.open(ctx, key, &e, raw)
		dark = errors.Is(err, ErrKeyRevoked) || errors.Is(err, ErrKeyUnavailable)
	}
	if err != nil && !dark {
		now, gone := v.s.engineValue(ctx, join(codec.AppendPrefix(nil, codec.KindRecord, v.row.Tenant, v.row.Namespace), key))
		switch {
		case errors.Is(err, ErrNotFound), errors.Is(gone, engine.ErrNotFound):
			return nil // deleted or expired meanwhile
		case gone != nil:
			return gone
		case !bytes.Equal(now, raw):
			return v.record(ctx, key, now) // replaced meanwhile
		case !isFailure(err):
			return err
		}
	}
	v.count(&e, dark, err)
	if err != nil && !dark && v.opts.Failed != nil {
		v.opts.Failed(v.row.Tenant, v.row.Namespace, key, err)
	}
	return nil
}

func (v *verifier) count(e *codec.Envelope, dark bool, err error) {
	row := v.row
	row.Records++
	v.done++
	if len(e.Sealed) > 0 {
		row.Bytes += plainBytes(e)
		v.size += plainBytes(e)
	}
	if e.Chunked {
		row.Blobs++
	}
	switch {
	case dark:
		row.Dark++
	case err != nil:
		row.Bad++
	case !v.opts.HeadsOnly && v.n != nil:
		row.Opened++
	}
}

// named checks that there is a dictionary of a number.
func (v *verifier) named(ctx context.Context, number uint32) error {
	prefix := codec.AppendPrefix(nil, codec.KindDictionary, v.row.Tenant, v.row.Namespace)
	found, err := v.s.engineHas(ctx, codec.AppendDictionaryKey(nil, prefix, number))
	if err == nil && !found {
		err = ErrNoDictionary
	}
	return err
}

// dictionaries verifies what values are compressed with.
func (v *verifier) dictionaries(ctx context.Context) error {
	return v.pages(ctx, codec.KindDictionary, true, func(k codec.Key, key, raw []byte) ([]byte, error) {
		if err := v.enter(ctx, string(k.Tenant), string(k.Namespace)); err != nil {
			return nil, err
		}
		return nil, v.dictionary(ctx, k.Dictionary(), key, raw)
	})
}

// dictionary verifies one. Its error is none of the dictionary's.
func (v *verifier) dictionary(ctx context.Context, number uint32, key, raw []byte) error {
	e, err := v.head(raw)
	if err == nil && !v.opts.HeadsOnly && v.n != nil {
		err = v.openDictionary(ctx, number, &e, raw)
	}
	dark := errors.Is(err, ErrKeyRevoked) || errors.Is(err, ErrKeyUnavailable)
	if err != nil && !dark {
		now, gone := v.s.engineValue(ctx, key)
		switch {
		case errors.Is(gone, engine.ErrNotFound):
			return nil // dropped meanwhile
		case gone != nil:
			return gone
		case !bytes.Equal(now, raw):
			return v.dictionary(ctx, number, key, now) // under other keys meanwhile
		case !isFailure(err):
			return err
		}
	}
	v.row.Dictionaries++
	switch {
	case dark:
		v.row.Dark++
	case err != nil:
		v.row.Bad++
		if v.opts.Failed != nil {
			v.opts.Failed(v.row.Tenant, v.row.Namespace, nil, fmt.Errorf("dictionary %d: %w", number, err))
		}
	}
	return nil
}

func (v *verifier) openDictionary(ctx context.Context, number uint32, e *codec.Envelope, raw []byte) error {
	if v.revoked && v.dependsOnTenant(e) {
		return ErrKeyRevoked
	}
	for {
		lease, err := v.n.keys.Pin(ctx)
		if err != nil {
			return err
		}
		o, _, err := v.n.openDictionary(lease, number, raw)
		clear(o.plaintext)
		lease.Unpin()
		if err != errRotated {
			return err
		}
	}
}

// head checks what can be told of a record without a key.
func (v *verifier) head(raw []byte) (e codec.Envelope, err error) {
	if err := e.Parse(raw); err != nil {
		return e, err
	}
	var opens bool
	for _, number := range numbers(&e) {
		at := slices.IndexFunc(v.known, func(k keys.KeyInfo) bool {
			return k.Number == number && k.Namespace == v.row.Namespace
		})
		switch {
		case at < 0:
			err = worse(err, ErrKeyMismatch)
		case v.known[at].State == codec.StateRetired.String():
			err = worse(err, ErrKeyDestroyed)
		default:
			opens = true
		}
	}
	if opens {
		err = nil
	}
	return e, err
}

// blob checks that the chunks of a value are all there, in their lengths, and that the journal
// knows them.
func (v *verifier) blob(ctx context.Context, e *codec.Envelope) error {
	place := codec.AppendChunkKey(nil, codec.AppendPrefix(nil, codec.KindChunk, v.row.Tenant, v.row.Namespace), e.Blob.ID, 0)
	prefix := place[:len(place)-4]
	left, c := engine.Range{Start: prefix, End: codec.PrefixEnd(prefix)}, chunkChecker{blob: e.Blob}
	for more := true; more; more = c.full {
		c.full = false
		if err := v.s.engine.Page(ctx, left, &c); err != nil {
			return err
		}
		left.Start = append(bytes.Clone(c.last), 0)
	}
	if c.next != e.Blob.Chunks() {
		return ErrAuthentication
	}
	found, err := v.s.engineHas(ctx, journalKey(v.row.Tenant, v.row.Namespace, e.Blob.ID))
	if err == nil && !found {
		err = ErrMalformed // nothing would ever collect it
	}
	return err
}

// A chunkChecker is the sink of pages of a blob's chunks. It copies none.
type chunkChecker struct {
	blob codec.Blob
	next uint64 // index
	last []byte // key
	full bool
}

func (c *chunkChecker) Entry(key, value []byte) (more bool, err error) {
	k, err := codec.ParseKey(key)
	if err != nil || uint64(k.Index()) != c.next || c.next >= c.blob.Chunks() || len(value) != chunkLen(c.blob, k.Index())+codec.TagLen {
		return false, ErrAuthentication
	}
	c.next++
	c.last = append(c.last[:0], key...)
	c.full = c.next%collectPage == 0
	return !c.full, nil
}

func journalKey(tenant, namespace string, id codec.BlobID) []byte {
	return append(codec.AppendPrefix(nil, codec.KindJournal, tenant, namespace), id[:]...)
}

func (v *verifier) open(ctx context.Context, key []byte, e *codec.Envelope, raw []byte) error {
	if v.revoked && v.dependsOnTenant(e) {
		return ErrKeyRevoked // and no reason for the platform's key to speak for it
	}
	if !e.Chunked {
		o, err := v.n.openFrom(ctx, v.s.engine, key, raw, nil)
		clear(o.value)
		return err
	}
	r, err := v.n.ownReader(ctx, key)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = r.WriteTo(io.Discard)
	return err
}

// dependsOnTenant reports whether a record is under a key of the tenant's.
func (v *verifier) dependsOnTenant(e *codec.Envelope) bool {
	return slices.ContainsFunc(numbers(e), func(number uint32) bool {
		return slices.ContainsFunc(v.known, func(k keys.KeyInfo) bool {
			return k.Number == number && k.Domain == codec.DomainTenant.String()
		})
	})
}

// isFailure reports whether an error is a record's, and not of the store as a whole.
func isFailure(err error) bool {
	for _, class := range []error{ErrMalformed, ErrUnsupported, ErrKeyMismatch, ErrAuthentication, ErrKeyDestroyed, ErrNoDictionary} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// journal counts the blobs that no value needs.
func (v *verifier) journal(ctx context.Context) error {
	return v.pages(ctx, codec.KindJournal, true, func(k codec.Key, _, value []byte) ([]byte, error) {
		var entry codec.JournalEntry
		if err := codec.DecodeRecord(value, &entry); err != nil {
			v.report.Unread++
			return nil, nil
		}
		garbage, err := v.s.isGarbage(ctx, k, entry)
		if garbage {
			v.report.Leftover++
		}
		return nil, err
	})
}

// chunks looks for blobs that the journal does not know.
func (v *verifier) chunks(ctx context.Context) error {
	return v.pages(ctx, codec.KindChunk, false, func(k codec.Key, key, _ []byte) ([]byte, error) {
		found, err := v.s.engineHas(ctx, journalKey(string(k.Tenant), string(k.Namespace), k.Blob()))
		if err == nil && !found {
			// Its entry goes last: if a chunk is still there now, nobody is deleting it.
			if found, err = v.s.engineHas(ctx, key); found {
				v.report.Stray++
			}
		}
		return codec.PrefixEnd(key[:len(key)-4]), err
	})
}

// engineHas reports whether the engine has anything under a key.
func (s *Store) engineHas(ctx context.Context, key []byte) (bool, error) {
	err := s.engine.Get(ctx, key, nothing{})
	if errors.Is(err, engine.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// engineValue returns a copy of what the engine has under a key.
func (s *Store) engineValue(ctx context.Context, key []byte) ([]byte, error) {
	var got catcher
	err := s.engine.Get(ctx, key, &got)
	return got.value, err
}
