package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store/engine"
)

// A dictionary is what the values of one namespace of one tenant have in common, in parts of them. It is
// kept as records are, sealed for the same keys, and opened only under a lease of that namespace.

// dictionaries are those that were opened with one lease, which keeps them and ends them. What opens a
// value or seals one has the lease pinned.
type dictionaries struct {
	newest *coder // that values are compressed with; nil where there is none that opens

	opened atomic.Pointer[[]openDictionary]
	mu     sync.Mutex // held while opened is replaced
}

type openDictionary struct {
	*coder
	plaintext []byte
}

var _ keys.Kept = (*dictionaries)(nil)

// Wipe implements keys.Kept. What encoders and decoders have copied is left to the garbage collector.
func (d *dictionaries) Wipe() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if opened := d.opened.Swap(nil); opened != nil {
		for _, o := range *opened {
			clear(o.plaintext)
		}
	}
}

func (d *dictionaries) newestCoder() *coder {
	if d == nil {
		return nil
	}
	return d.newest
}

// coder returns that of a dictionary that was opened, or nil.
func (d *dictionaries) coder(number uint32) *coder {
	if d == nil {
		return nil
	}
	if opened := d.opened.Load(); opened != nil {
		for _, o := range *opened {
			if o.number == number {
				return o.coder
			}
		}
	}
	return nil
}

func (d *dictionaries) add(o openDictionary) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var opened []openDictionary
	if was := d.opened.Load(); was != nil {
		opened = slices.Clone(*was)
	}
	opened = append(opened, o)
	d.opened.Store(&opened)
}

// dictionaries are those that op.lease keeps, nil if none were asked for.
func (op *op) dictionaries() *dictionaries {
	d, _ := op.lease.Kept().(*dictionaries)
	return d
}

// prepare has op.lease, which is pinned, keep the namespace's dictionaries if the policy wants values to
// be compressed with them. Where that fails they are done without.
func (n *Namespace) prepare(ctx context.Context, lease *keys.Lease) {
	if n.compressed() != scope.ZstdDict || lease.Kept() != nil {
		return
	}
	if _, err := n.keepDictionaries(ctx, lease); err != nil && err != errRotated && ctx.Err() == nil {
		n.warn("dictionaries were not loaded", err)
	}
}

func (n *Namespace) warn(what string, err error) {
	n.store.opts.Logger.Warn(what, "tenant", n.id.tenant, "namespace", n.id.name, "error", err)
}

// keepDictionaries returns what a lease keeps, and the first time finds the newest dictionary and opens
// it. One that was trained later is for later leases: who trains has this one replaced.
func (n *Namespace) keepDictionaries(ctx context.Context, lease *keys.Lease) (*dictionaries, error) {
	if d, ok := lease.Kept().(*dictionaries); ok {
		return d, nil
	}
	n.loading.Lock()
	defer n.loading.Unlock()
	if d, ok := lease.Kept().(*dictionaries); ok {
		return d, nil
	}
	d := &dictionaries{}
	newest, err := n.newestDictionary(ctx)
	if err != nil {
		return nil, err
	}
	if newest != nil {
		o, err := n.useDictionary(ctx, lease, newest)
		switch {
		case isFailure(err):
			n.warn("the newest dictionary does not open, and is not used", err)
		case err != nil:
			return nil, err
		default:
			d.newest = o.coder
			d.add(o)
		}
	}
	return lease.Keep(d).(*dictionaries), nil
}

// useDictionary opens a dictionary to compress values with, and first brings it under the active keys if it
// is not: the values that name it must not depend on other keys than their own.
func (n *Namespace) useDictionary(ctx context.Context, lease *keys.Lease, found *foundDictionary) (openDictionary, error) {
	for {
		o, stale, err := n.openDictionary(lease, found.number, found.raw)
		if err != nil || !stale || lease.Fallback || n.store.opts.ReadOnly {
			return o, err
		}
		clear(o.plaintext)
		err = n.resealDictionary(ctx, lease, found.number, found.raw)
		if err != nil && !errors.Is(err, engine.ErrConflict) {
			return openDictionary{}, err
		}
		if found.raw, err = n.store.engineValue(ctx, n.dictionaryKey(found.number)); err != nil {
			return openDictionary{}, translated(err)
		}
	}
}

func (n *Namespace) dictionaryKey(number uint32) []byte {
	return codec.AppendDictionaryKey(nil, n.dictionaries, number)
}

// A foundDictionary is one in the engine; its head says what is known of it.
type foundDictionary struct {
	number  uint32
	written uint64 // when it was trained
	raw     []byte
}

// after orders dictionaries by age.
func (d *foundDictionary) after(other *foundDictionary) bool {
	return d.written > other.written || d.written == other.written && d.number > other.number
}

// eachDictionary calls fn for every dictionary.
func (n *Namespace) eachDictionary(ctx context.Context, fn func(d *foundDictionary) error) error {
	return n.store.pages(ctx, n.dictionaries, codec.PrefixEnd(n.dictionaries), true, func(key, raw []byte) ([]byte, error) {
		k, err := codec.ParseKey(key)
		if err != nil {
			return nil, nil // Verify counts it
		}
		var e codec.Envelope
		if err := e.Parse(raw); err != nil && len(e.Sealed) == 0 {
			e = codec.Envelope{}
		}
		return nil, fn(&foundDictionary{number: k.Dictionary(), written: e.Written, raw: raw})
	})
}

// newestDictionary returns the newest by its head, or nil.
func (n *Namespace) newestDictionary(ctx context.Context) (newest *foundDictionary, err error) {
	err = n.eachDictionary(ctx, func(d *foundDictionary) error {
		if newest == nil || d.after(newest) {
			newest = d
		}
		return nil
	})
	return newest, err
}

// beginDictionary draws an op for a dictionary, under a lease that is pinned. It has an envelope as a
// record has.
func (n *Namespace) beginDictionary(lease *keys.Lease, number uint32) *op {
	op := n.draw()
	op.key = codec.AppendDictionaryKey(op.key[:0], n.dictionaries, number)
	op.lease = lease
	return op
}

// openDictionary opens an envelope that was read under a dictionary's number.
func (n *Namespace) openDictionary(lease *keys.Lease, number uint32, raw []byte) (o openDictionary, stale bool, err error) {
	op := n.beginDictionary(lease, number)
	defer op.done()
	if err := op.env.Parse(raw); err != nil {
		return o, false, err
	}
	if op.env.Chunked || op.env.Dictionary != 0 {
		return o, false, ErrMalformed
	}
	if err := op.open(); err != nil {
		return o, false, op.rotated(err)
	}
	o.plaintext = op.dst
	if o.coder, err = newCoder(number, o.plaintext); err != nil {
		return o, false, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return o, n.stale(op), nil
}

// resealDictionary brings a dictionary under the active keys, if it is still what was read. It keeps its
// number and the time at which it was trained.
func (n *Namespace) resealDictionary(ctx context.Context, lease *keys.Lease, number uint32, raw []byte) error {
	o, _, err := n.openDictionary(lease, number, raw)
	if err != nil {
		return err
	}
	defer clear(o.plaintext)
	var e codec.Envelope
	if err := e.Parse(raw); err != nil {
		return err
	}
	return n.putDictionary(ctx, lease, number, o.plaintext, e.Written, ifEquals(raw), false)
}

// putDictionary seals a dictionary for the active keys of a lease and stores it on a condition.
func (n *Namespace) putDictionary(ctx context.Context, lease *keys.Lease, number uint32, plaintext []byte, written uint64, c condition, sync bool) error {
	op := n.beginDictionary(lease, number)
	defer op.done()
	b := n.store.newBatch()
	defer b.Close()
	op.env.Written = written
	if err := op.seal(b, plaintext); err != nil {
		return n.sealingFailed(err)
	}
	c.add(b, op.key)
	return n.store.applyBatch(ctx, b, sync)
}

// fetchDictionary opens the dictionary that op's record names, if it is not open.
func (op *op) fetchDictionary(ctx context.Context, from engine.Reader) error {
	n, number := op.n, op.env.Dictionary
	d, err := n.keepDictionaries(ctx, op.lease)
	if err != nil || d.coder(number) != nil {
		return err
	}
	var got catcher
	if err := from.Get(ctx, n.dictionaryKey(number), &got); errors.Is(err, engine.ErrNotFound) {
		return n.missing(ctx, from, op, ErrNoDictionary)
	} else if err != nil {
		return err
	}
	o, stale, err := n.openDictionary(op.lease, number, got.value)
	if err != nil {
		return err
	}
	d.add(o)
	if stale && !op.lease.Fallback && from == engine.Reader(n.store.engine) {
		n.store.hintDictionary(n, number)
	}
	return nil
}

// rewrapDictionary brings a dictionary under the active keys, if it is not.
func (n *Namespace) rewrapDictionary(ctx context.Context, number uint32) (done bool, err error) {
	var op op
	if err := n.pinToSeal(ctx, &op); err != nil {
		return false, err
	}
	defer op.lease.Unpin()
	raw, err := n.store.engineValue(ctx, n.dictionaryKey(number))
	if errors.Is(err, engine.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	var e codec.Envelope
	if err := e.Parse(raw); err == nil && op.lease.Current(&e) || op.lease.Unlinked() {
		return false, nil
	}
	err = n.resealDictionary(ctx, op.lease, number, raw)
	return err == nil, err
}

// A DictionaryInfo is what is known of a dictionary without a key: none of it is authenticated.
type DictionaryInfo struct {
	Tenant    string    `json:"tenant"`
	Namespace string    `json:"namespace"`
	Number    uint32    `json:"number"`
	Trained   time.Time `json:"trained"`
	Keys      []uint32  `json:"keys"`   // numbers of the data keys it is sealed for
	Stored    uint64    `json:"stored"` // bytes in the engine, key included
	Newest    bool      `json:"newest"` // what is written now is compressed with it, if the policy wants that
}

// Dictionaries lists the namespace's dictionaries, the oldest first. It works on a store that is open for
// inspection.
func (n *Namespace) Dictionaries(ctx context.Context) ([]DictionaryInfo, error) {
	var found []*foundDictionary
	err := n.eachDictionary(ctx, func(d *foundDictionary) error {
		found = append(found, d)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b *foundDictionary) int {
		if a.after(b) {
			return 1
		}
		return -1
	})
	var out []DictionaryInfo
	for i, d := range found {
		out = append(out, n.dictionaryInfo(d, i == len(found)-1))
	}
	return out, nil
}

func (n *Namespace) dictionaryInfo(d *foundDictionary, newest bool) DictionaryInfo {
	var e codec.Envelope
	e.Parse(d.raw)
	return DictionaryInfo{
		Tenant: n.id.tenant, Namespace: n.id.name, Number: d.number, Trained: timeOf(d.written), Keys: numbers(&e),
		Stored: uint64(len(n.dictionaryKey(d.number)) + len(d.raw)), Newest: newest,
	}
}

// missing tells a record that was replaced while it was read from one of which something was taken away,
// which is what.
func (n *Namespace) missing(ctx context.Context, from engine.Reader, op *op, what error) error {
	var got catcher
	err := from.Get(ctx, op.key, &got)
	switch {
	case errors.Is(err, engine.ErrNotFound), err == nil && !bytes.Equal(got.value, op.manifest):
		return errGone
	case err != nil:
		return err
	}
	return what
}
