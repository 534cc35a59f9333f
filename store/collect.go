package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store/engine"
)

// A collector calls Collect now and then.
type collector struct {
	stop context.CancelFunc
	done sync.WaitGroup
}

func newCollector(s *Store) *collector {
	ctx, stop := context.WithCancel(context.Background())
	c := &collector{stop: stop}
	c.done.Go(func() {
		ticker := time.NewTicker(s.opts.CollectEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			expired, chunks := s.counters.expired.Load(), s.counters.chunks.Load()
			if err := s.Collect(ctx); err != nil && ctx.Err() == nil {
				s.opts.Logger.Warn("collection failed", "error", err)
			}
			expired, chunks = s.counters.expired.Load()-expired, s.counters.chunks.Load()-chunks
			if expired+chunks > 0 {
				s.opts.Logger.Info("collected", "expired", expired, "chunks", chunks)
			}
		}
	})
	return c
}

func (c *collector) close() {
	c.stop()
	c.done.Wait()
}

// Collect deletes records that have reached their max-age, and chunks that no value needs: of
// values that were replaced or deleted, and of writers that never finished. It needs no key of
// any tenant's. An entry that it cannot read or collect, as it or what it names is damaged, is passed over
// and in the error at the end. It also ends snapshots and readers that are too old (Options.MaxOpen). The store calls it by itself too;
// see Options.CollectEvery.
func (s *Store) Collect(ctx context.Context) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	unread, err := s.collectAll(ctx)
	return errors.Join(err, unread)
}

// collectAll is Collect; unread is of the first entry that it passed over.
func (s *Store) collectAll(ctx context.Context) (unread, err error) {
	err = s.releaseOld(ctx)
	for _, collect := range []func(context.Context) (unread, err error){s.collectExpired, s.collectBlobs} {
		passed, failed := collect(ctx)
		unread, err = cmp.Or(unread, passed), errors.Join(err, failed)
	}
	if s.counters.collections.Add(1); err != nil || unread != nil {
		s.counters.failedCollections.Add(1)
	}
	return unread, err
}

// collectWhatReads is Collect for who goes on without the entries that were passed over.
func (s *Store) collectWhatReads(ctx context.Context) error {
	unread, err := s.collectAll(ctx)
	if unread != nil {
		s.opts.Logger.Warn("a collection passed over what it could not read", "error", unread)
	}
	return err
}

// A keyPage copies engine keys, and values if it is to, out of the engine: up to collectPage, and up to about
// maxPageBytes.
type keyPage struct {
	keys, values [][]byte
	withValues   bool
	size         int
	full         bool // there may be more
}

const collectPage = 256

func (p *keyPage) Entry(key, value []byte) (more bool, err error) {
	p.keys = append(p.keys, bytes.Clone(key))
	p.size += len(key)
	if p.withValues {
		p.values = append(p.values, bytes.Clone(value))
		p.size += len(value)
	}
	p.full = len(p.keys) >= collectPage || p.size >= maxPageBytes
	return !p.full, nil
}

// pages calls fn for every entry from start to end; fn returns from where to go on if that is
// not the next key. No entry is held in the engine while fn runs.
func (s *Store) pages(ctx context.Context, start, end []byte, withValues bool, fn func(key, value []byte) (next []byte, err error)) error {
	for {
		page := keyPage{withValues: withValues}
		if err := s.engine.Page(ctx, engine.Range{Start: start, End: end}, &page); err != nil {
			return translated(err)
		}
		for i, key := range page.keys {
			if bytes.Compare(key, start) < 0 {
				continue // passed over
			}
			var value []byte
			if withValues {
				value = page.values[i]
			}
			next, err := fn(key, value)
			if err != nil {
				return err
			}
			if start = next; start == nil {
				start = append(key, 0)
			}
		}
		if !page.full {
			return nil
		}
	}
}

// collect calls fn for every entry of a kind, as pages does, and passes over those that it cannot read or
// fn cannot collect: unread is of the first of those.
func (s *Store) collect(ctx context.Context, kind codec.Kind, withValues bool, fn func(k codec.Key, key, value []byte) (next []byte, err error)) (unread, err error) {
	err = s.pages(ctx, []byte{byte(kind)}, []byte{byte(kind) + 1}, withValues, func(key, value []byte) (next []byte, err error) {
		k, err := codec.ParseKey(key)
		if err == nil {
			next, err = fn(k, key, value)
		}
		for _, class := range []error{ErrMalformed, ErrUnsupported, ErrCorrupt} {
			if errors.Is(err, class) {
				unread = cmp.Or(unread, err)
				return nil, nil
			}
		}
		return next, err
	})
	return unread, err
}

// collectExpired walks the retention index, of each namespace only as far as records can have
// expired.
func (s *Store) collectExpired(ctx context.Context) (unread, err error) {
	return s.collect(ctx, codec.KindRetention, false, func(k codec.Key, key, _ []byte) (next []byte, err error) {
		n, err := s.namespace(string(k.Tenant), string(k.Namespace))
		if errors.Is(err, scope.ErrUnknownNamespace) || err == nil && !n.expired(max(k.Written(), 1)) {
			return codec.PrefixEnd(codec.AppendPrefix(nil, k.Kind, string(k.Tenant), string(k.Namespace))), nil
		}
		if err != nil {
			return nil, err
		}
		return nil, n.collectRecord(ctx, key, k)
	})
}

// collectRecord deletes an expired record and its entry in the index, or the entry alone if the
// record was replaced or deleted since.
func (n *Namespace) collectRecord(ctx context.Context, indexKey []byte, k codec.Key) error {
	b := n.store.newBatch()
	defer b.Close()
	b.Delete(indexKey)
	record := join(n.records, k.UserKey())
	raw, err := n.raw(ctx, k.UserKey())
	var (
		e       codec.Envelope
		expired uint64
	)
	switch {
	case errors.Is(err, ErrNotFound):
		b.IfAbsent(record) // or the entry may be that of a new one
	case err != nil:
		return err
	default:
		b.IfEquals(record, raw)
		if e.Parse(raw) == nil && e.Written == k.Written() {
			b.Delete(record)
			expired = 1
		}
	}
	err = n.store.applyBatch(ctx, b, false)
	if errors.Is(err, engine.ErrConflict) {
		return nil // replaced meanwhile; the next collection sees what by
	}
	if err == nil {
		n.store.counters.expired.Add(expired)
	}
	return translated(err)
}

// collectBlobs walks the journal, never the data: a blob is garbage when its writer is gone
// without a manifest, or when the record that it was written for refers to another or to none.
// Readers of an older state read it from a snapshot of the engine's; a reader of the newest that
// finds its chunks gone reads the record again.
func (s *Store) collectBlobs(ctx context.Context) (unread, err error) {
	return s.collect(ctx, codec.KindJournal, true, func(k codec.Key, key, value []byte) (next []byte, err error) {
		var entry codec.JournalEntry
		if err := codec.DecodeRecord(value, &entry); err != nil {
			return nil, err
		}
		garbage, err := s.isGarbage(ctx, k, entry)
		if err != nil || !garbage {
			return nil, err
		}
		return nil, s.collectBlob(ctx, key, value, k, entry)
	})
}

// isGarbage asks last whether the blob is in use here: a Reader says that it is before it looks
// at the record for the last time, so one of the two sees the other.
func (s *Store) isGarbage(ctx context.Context, k codec.Key, entry codec.JournalEntry) (bool, error) {
	needed := false
	if entry.State == codec.JournalStored {
		var err error
		if needed, err = s.isNeeded(ctx, k, entry); err != nil {
			return false, err
		}
	}
	return !needed && !s.blobs.has(k.Blob()), nil
}

// isNeeded reports whether the record that a blob was written for refers to it.
func (s *Store) isNeeded(ctx context.Context, k codec.Key, entry codec.JournalEntry) (bool, error) {
	var got catcher
	record := join(codec.AppendPrefix(nil, codec.KindRecord, string(k.Tenant), string(k.Namespace)), entry.Key)
	err := s.engine.Get(ctx, record, &got)
	if errors.Is(err, engine.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, translated(err)
	}
	var e codec.Envelope
	if e.Parse(got.value) != nil {
		return true, nil // damaged or newer: leave what it may refer to
	}
	return e.Chunked && e.Blob.ID == k.Blob(), nil
}

// collectBlob marks the blob as garbage, from where there is no way back, then deletes its
// chunks and at last its entry: cut short at any point, the next collection completes it.
func (s *Store) collectBlob(ctx context.Context, key, value []byte, k codec.Key, entry codec.JournalEntry) error {
	b := s.newBatch()
	defer b.Close()
	entry.State = codec.JournalGarbage
	b.Set(key, codec.EncodeRecord(entry))
	b.IfEquals(key, value)
	if err := s.applyBatch(ctx, b, false); errors.Is(err, engine.ErrConflict) {
		return nil // its writer was faster
	} else if err != nil {
		return translated(err)
	}
	if err := s.deleteChunks(ctx, k); err != nil {
		return err
	}
	b.Reset()
	b.Delete(key)
	return translated(s.applyBatch(ctx, b, false))
}

// fewChunks are so many that each is deleted by itself; more are deleted as a range, which costs
// the engine one entry, and no look at what it deletes.
const fewChunks = 64

func (s *Store) deleteChunks(ctx context.Context, k codec.Key) error {
	prefix := codec.AppendPrefix(nil, codec.KindChunk, string(k.Tenant), string(k.Namespace))
	start := codec.AppendChunkKey(nil, prefix, k.Blob(), 0)
	blob := engine.Range{Start: start, End: codec.PrefixEnd(start[:len(start)-4])}
	last := lastKey{}
	if err := s.engine.Page(ctx, engine.Range{Start: blob.Start, End: blob.End, Reverse: true}, &last); err != nil {
		return translated(err)
	}
	if last.key == nil {
		return nil
	}
	found, err := codec.ParseKey(last.key)
	if err != nil {
		return err
	}
	b := s.newBatch()
	defer b.Close()
	chunks := uint64(found.Index()) + 1
	if chunks > fewChunks {
		b.DeleteRange(blob.Start, blob.End)
	} else {
		for i := range uint32(chunks) {
			b.Delete(codec.AppendChunkKey(nil, prefix, k.Blob(), i))
		}
	}
	if err := s.applyBatch(ctx, b, false); err != nil {
		return translated(err)
	}
	s.counters.chunks.Add(chunks)
	return nil
}

// A lastKey is the sink of a page that ends after one entry.
type lastKey struct{ key []byte }

func (l *lastKey) Entry(key, _ []byte) (more bool, err error) {
	l.key = bytes.Clone(key)
	return false, nil
}
