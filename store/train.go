package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/dict"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store/engine"
)

// Errors of training a dictionary.
var (
	// ErrNotCompressed says that the policy does not want the namespace's values to be compressed with a dictionary.
	ErrNotCompressed = errors.New("store: the policy does not say compression: zstd-dict for the namespace")
	// ErrNoGain says that no dictionary of the namespace's values would make them shorter: there are
	// too few, or they have too little in common.
	ErrNoGain = errors.New("store: no dictionary would make the namespace's values shorter")
)

const (
	// dictionarySize is the length of a dictionary's contents in bytes, of which its tables add 150. More
	// gains next to nothing; see DESIGN.md for the figures.
	dictionarySize = 16 << 10
	// sampleParts are the places in the namespace from which samples are taken, sampleCount how many in
	// all, and sampleLen how much of each. A quarter of them is not trained on, but judges what comes out.
	sampleParts, sampleCount, sampleLen = 16, 512, 4 << 10
	// minSamples and minSampleBytes are the fewest that a dictionary is worth its place for: it is an
	// eighth of them at most.
	minSamples, minSampleBytes = 32, 8 << 10
	// trainAfter is how many values are written without a dictionary before one is trained by itself:
	// twice as many as are sampled, so that the first to come do not stand for all. It is tried again when
	// that has doubled.
	trainAfter = 1024
)

// TrainDictionary trains a dictionary from a sample of the tenant's own values in the namespace and returns
// when nothing is written with an older one any more. Values under an older one move to it when they are
// read, and those and all others by a sweep, which then drops the older one. It costs 0.03 to 0.5
// seconds of one processor. It returns ErrNotCompressed where the policy wants no dictionary, and ErrNoGain
// where none would do any good.
//
// It need not be called: a sweep trains the first dictionary of a namespace, and so does the store in the background once
// enough was written there, unless it does not rewrap there (Options.Rewrap). It is for values that have changed since.
func (n *Namespace) TrainDictionary(ctx context.Context) (DictionaryInfo, error) {
	if n.store.opts.ReadOnly {
		return DictionaryInfo{}, ErrReadOnly
	}
	if n.compressed() != scope.ZstdDict {
		return DictionaryInfo{}, fmt.Errorf("%w: %s", ErrNotCompressed, n.id.name)
	}
	n.training.Lock()
	defer n.training.Unlock()
	d, err := n.train(ctx)
	if err != nil {
		return DictionaryInfo{}, fmt.Errorf("store: training a dictionary for %s of %s: %w", n.id.name, n.id.tenant, translated(err))
	}
	return n.dictionaryInfo(d, true), nil
}

// train trains and stores a dictionary, and ends every lease with which an older one is used.
func (n *Namespace) train(ctx context.Context) (*foundDictionary, error) {
	samples, err := n.samples(ctx)
	defer clearAll(samples)
	if err != nil {
		return nil, err
	}
	number, written, err := n.nextDictionary(ctx)
	if err != nil {
		return nil, err
	}
	plaintext, err := buildDictionary(number, samples, n.store.plain)
	defer clear(plaintext)
	if err != nil {
		return nil, err
	}
	if err := n.storeDictionary(ctx, number, plaintext, written); err != nil {
		return nil, err
	}
	if _, _, err := n.keys.Renew(ctx); err != nil {
		return nil, err
	}
	raw, err := n.store.engineValue(ctx, n.dictionaryKey(number))
	return &foundDictionary{number: number, written: written, raw: raw}, err
}

func (n *Namespace) storeDictionary(ctx context.Context, number uint32, plaintext []byte, written uint64) error {
	var op op
	if err := n.pinToSeal(ctx, &op); err != nil {
		return err
	}
	defer op.lease.Unpin()
	return n.putDictionary(ctx, op.lease, number, plaintext, written, ifAbsent, !n.store.opts.NoSync)
}

// nextDictionary returns a number that no dictionary of the namespace has, and a time that is after all of
// theirs. Numbers are random: one that was deleted by whoever writes the files does not come to mean another
// dictionary. They are in the range that zstd leaves to private use, and need 4 bytes in a frame.
func (n *Namespace) nextDictionary(ctx context.Context) (number uint32, written uint64, err error) {
	taken := map[uint32]bool{}
	written = n.now()
	err = n.eachDictionary(ctx, func(d *foundDictionary) error {
		taken[d.number] = true
		written = max(written, d.written+1)
		return nil
	})
	for number < 1<<16 || taken[number] {
		var random [4]byte
		rand.Read(random[:])
		number = binary.BigEndian.Uint32(random[:]) >> 1
	}
	return number, written, err
}

// samples are the beginnings of values from all over the namespace. Values in chunks are none of them.
func (n *Namespace) samples(ctx context.Context) (samples [][]byte, err error) {
	parts, err := n.parts(ctx)
	if err != nil {
		return nil, err
	}
	total := 0
	for len(samples) < sampleCount && len(parts) > 0 {
		var left []engine.Range
		for _, part := range parts {
			var page samplePage
			if err := n.store.engine.Page(ctx, part, &page); err != nil {
				return samples, err
			}
			if len(page.last) > 0 {
				left = append(left, engine.Range{Start: append(page.last, 0), End: part.End})
			}
			for i, key := range page.keys {
				sample, err := n.sample(ctx, key, page.values[i])
				if err != nil {
					return samples, err
				}
				if len(sample) > 0 {
					samples, total = append(samples, sample), total+len(sample)
				}
			}
		}
		parts = left
	}
	if len(samples) < minSamples || total < minSampleBytes {
		return samples, fmt.Errorf("%w: %d values with %d bytes are too few to learn from", ErrNoGain, len(samples), total)
	}
	return samples, nil
}

// sample is the beginning of a record's value, or nothing if it does not open.
func (n *Namespace) sample(ctx context.Context, key, raw []byte) ([]byte, error) {
	o, err := n.openFrom(ctx, n.store.engine, key[len(n.records):], raw, nil)
	if err == errGone || errors.Is(err, ErrNotFound) || isFailure(err) {
		return nil, nil
	}
	sample := bytes.Clone(o.value[:min(len(o.value), sampleLen)])
	clear(o.value)
	return sample, err
}

// parts are up to sampleParts ranges, each of about as many possible keys between the first record and the
// last.
func (n *Namespace) parts(ctx context.Context) ([]engine.Range, error) {
	all := engine.Range{Start: n.records, End: codec.PrefixEnd(n.records)}
	first, last := samplePage{limit: 1}, samplePage{limit: 1}
	if err := n.store.engine.Page(ctx, all, &first); err != nil || len(first.last) == 0 {
		return nil, err
	}
	all.Reverse = true
	if err := n.store.engine.Page(ctx, all, &last); err != nil || len(last.last) == 0 {
		return nil, err
	}
	out := []engine.Range{{Start: first.last, End: append(last.last, 0)}}
	for len(out) < sampleParts {
		var finer []engine.Range
		for i, part := range out {
			middle := between(part.Start, part.End)
			if middle == nil || len(finer)+len(out)-i >= sampleParts {
				finer = append(finer, part)
				continue
			}
			finer = append(finer, engine.Range{Start: part.Start, End: middle}, engine.Range{Start: middle, End: part.End})
		}
		if len(finer) == len(out) {
			break
		}
		out = finer
	}
	return out, nil
}

// A samplePage copies the records of a page that are not in chunks.
type samplePage struct {
	keys, values [][]byte
	last         []byte // key that was visited last
	visited      int
	limit        int // of records visited; 0 for a round's share of a part
}

func (p *samplePage) Entry(key, value []byte) (more bool, err error) {
	p.last = append(p.last[:0], key...)
	p.visited++
	var e codec.Envelope
	if e.Parse(value) == nil && !e.Chunked {
		p.keys, p.values = append(p.keys, bytes.Clone(key)), append(p.values, bytes.Clone(value))
	}
	return p.visited < cmp.Or(p.limit, sampleCount/sampleParts), nil
}

// buildDictionary makes a dictionary of three quarters of the samples. It is none that its own encoder or
// decoder refuses, every sample comes out of it as it went in, and those that it was not made of are
// shorter with it than by plain.
func buildDictionary(number uint32, samples [][]byte, plain *coder) ([]byte, error) {
	var learn, judge [][]byte
	total := 0
	for i, sample := range samples {
		total += len(sample)
		if i%4 == 3 {
			judge = append(judge, sample)
		} else {
			learn = append(learn, sample)
		}
	}
	plaintext, err := learned(number, learn, min(dictionarySize, total/8))
	if err != nil {
		return nil, err
	}
	c, err := newCoder(number, plaintext)
	if err != nil {
		return plaintext, fmt.Errorf("%w: %w", ErrNoGain, err)
	}
	for _, sample := range samples {
		if err := c.check(sample); err != nil {
			return plaintext, fmt.Errorf("%w: %w", ErrNoGain, err)
		}
	}
	if with, without := c.length(judge)+codec.MaxNumberLen*len(judge), plain.length(judge); with >= without {
		return plaintext, fmt.Errorf("%w: %d bytes of values come out as %d without one and as %d with", ErrNoGain, total/4, without, with)
	}
	return plaintext, nil
}

// learned has the library make a dictionary; it may panic over what it is given (klauspost/compress#1179
// is one such case).
func learned(number uint32, samples [][]byte, size int) (plaintext []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			plaintext, err = nil, fmt.Errorf("%w: %v", ErrNoGain, p)
		}
	}()
	plaintext, err = dict.BuildZstdDict(samples, dict.Options{MaxDictSize: size, HashBytes: 6, ZstdDictID: number, ZstdLevel: zstdLevel})
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrNoGain, err)
	}
	return plaintext, err
}

// check compresses a value and decompresses it again.
func (c *coder) check(value []byte) error {
	frame, sealed, ok := c.compress(nil, value)
	if !ok {
		return errors.New("the dictionary's encoder gave up on a value")
	}
	out, err := c.decompress(nil, frame[len(frame)-len(sealed)-c.skip():])
	if err == nil && !bytes.Equal(out, value) {
		err = errors.New("a value came out of the dictionary as another")
	}
	return err
}

// length is how long values are together once they are packed.
func (c *coder) length(values [][]byte) (sum int) {
	var room []byte
	for _, value := range values {
		frame, sealed, ok := c.compress(room[:0], value)
		if room = frame; ok {
			sum += min(len(sealed), len(value))
		} else {
			sum += len(value)
		}
	}
	clear(room)
	return sum
}

func clearAll(samples [][]byte) {
	for _, sample := range samples {
		clear(sample)
	}
}

// countUntrained is called for each value that is written for want of a dictionary without one. Now and then it has one trained.
func (s *Store) countUntrained(n *Namespace) {
	if c := n.untrained.Add(1); c >= trainAfter && c&(c-1) == 0 && s.rewrapper != nil {
		s.rewrapper.enqueue(hint{n: n, train: true})
	}
}

// trainQuietly trains the first dictionary of a namespace.
func (s *Store) trainQuietly(ctx context.Context, n *Namespace) {
	if err := n.trainFirst(ctx); err != nil && !errors.Is(err, ErrNoGain) && ctx.Err() == nil {
		n.warn("training a dictionary failed", err)
	}
}

// trainFirst trains a dictionary if the policy wants one and there is none that opens.
func (n *Namespace) trainFirst(ctx context.Context) error {
	if n.compressed() != scope.ZstdDict {
		return nil
	}
	n.training.Lock()
	defer n.training.Unlock()
	if newest, err := n.newestInUse(ctx); err != nil || newest != 0 {
		return err
	}
	_, err := n.train(ctx)
	return err
}

// newestInUse is the number of the dictionary that values are compressed with now; 0 for none.
func (n *Namespace) newestInUse(ctx context.Context) (number uint32, err error) {
	if n.compressed() != scope.ZstdDict {
		return 0, nil
	}
	var op op
	if err := n.pinToSeal(ctx, &op); err != nil {
		return 0, err
	}
	defer op.lease.Unpin()
	d, err := n.keepDictionaries(ctx, op.lease)
	if newest := d.newestCoder(); newest != nil {
		number = newest.number
	}
	return number, err
}
