package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store/engine"
)

// headPage is how many bytes of records a worker of a head scan reads before it looks up: whether
// another has nothing to do, and whether the pace allows more.
const headPage = 1 << 20

// A headSink takes the records that one worker of a head scan reads.
type headSink interface {
	head(key, envelope []byte)
}

// A headScan reads the records of a range, without a key, in several goroutines. They are not given
// parts beforehand, for nobody knows where the bytes lie: a worker with nothing to do gets half of
// the keys that another has left.
type headScan struct {
	from     engine.Reader
	page     uint64 // headPage, but in tests
	pace     *pace
	progress func(records, bytes uint64) // nil for none; one call at a time

	mu      sync.Mutex
	changed *sync.Cond     // a part was given, or a worker has ended
	parts   []engine.Range // that nobody has taken
	working int
	err     error

	idle           atomic.Int32 // workers that wait for a part
	records, bytes atomic.Uint64
}

// scanHeads reads the records in r and returns how many, and how many bytes. Each worker has a sink
// of its own; progress may be nil.
func (s *Store) scanHeads(ctx context.Context, r engine.Range, sinks []headSink, p *pace, progress func(records, bytes uint64)) (records, bytes uint64, err error) {
	h := &headScan{from: s.engine, page: headPage, pace: p, progress: progress}
	err = h.run(ctx, r, sinks)
	return h.records.Load(), h.bytes.Load(), translated(err)
}

func (h *headScan) run(ctx context.Context, r engine.Range, sinks []headSink) error {
	h.changed, h.parts = sync.NewCond(&h.mu), []engine.Range{r}
	var workers sync.WaitGroup
	for _, sink := range sinks {
		workers.Go(func() { h.work(ctx, &headPager{page: h.page, sink: sink}) })
	}
	workers.Wait()
	return h.err
}

func (h *headScan) work(ctx context.Context, p *headPager) {
	for part, ok := h.takePart(); ok; part, ok = h.takePart() {
		err := h.read(ctx, part, p)
		h.mu.Lock()
		if h.err == nil {
			h.err = err
		}
		h.working--
		h.changed.Broadcast()
		h.mu.Unlock()
	}
}

// takePart waits for a part; there is none any more once nobody works.
func (h *headScan) takePart() (part engine.Range, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle.Add(1)
	for len(h.parts) == 0 && h.working > 0 && h.err == nil {
		h.changed.Wait()
	}
	if len(h.parts) == 0 || h.err != nil {
		return part, false
	}
	h.idle.Add(-1)
	last := len(h.parts) - 1
	part, h.parts = h.parts[last], h.parts[:last]
	h.working++
	return part, true
}

// read reads a part, and gives half of what is left of it away while somebody waits.
func (h *headScan) read(ctx context.Context, part engine.Range, p *headPager) error {
	for !part.Empty() && ctx.Err() == nil {
		began := time.Now()
		p.records, p.bytes = 0, 0
		if err := h.from.Page(ctx, part, p); err != nil {
			return err
		}
		if p.records == 0 {
			return nil
		}
		h.add(p.records, p.bytes)
		part.Start = append(bytes.Clone(p.last), 0)
		if h.idle.Load() > 0 {
			if middle := between(part.Start, part.End); middle != nil {
				h.give(engine.Range{Start: middle, End: part.End})
				part.End = middle
			}
		}
		if err := h.pace.end(ctx, p.bytes, began); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (h *headScan) add(records, bytes uint64) {
	records, bytes = h.records.Add(records), h.bytes.Add(bytes)
	if h.progress != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.progress(records, bytes)
	}
}

func (h *headScan) give(part engine.Range) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts = append(h.parts, part)
	h.changed.Signal()
}

// between returns a key about halfway from a to b, or nil if there is none worth having: it looks
// at the eight bytes from where they differ.
func between(a, b []byte) []byte {
	same := 0
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	var from, to [8]byte
	copy(from[:], a[same:])
	copy(to[:], b[same:])
	low, high := binary.BigEndian.Uint64(from[:]), binary.BigEndian.Uint64(to[:])
	middle := low + (high-low)/2
	if high <= low || middle == low {
		return nil
	}
	return binary.BigEndian.AppendUint64(bytes.Clone(a[:same]), middle)
}

// A headPager is the sink of one worker's pages.
type headPager struct {
	page           uint64
	sink           headSink
	last           []byte
	records, bytes uint64
}

func (p *headPager) Entry(key, value []byte) (more bool, err error) {
	p.last = append(p.last[:0], key...)
	p.records++
	p.bytes += uint64(len(key) + len(value))
	p.sink.head(key, value)
	return p.bytes < p.page, nil
}

// nothing is a sink that keeps nothing: of a scan that only counts, of a value that is only there.
type nothing struct{}

func (nothing) head(_, _ []byte)   {}
func (nothing) Value([]byte) error { return nil }

// countRecords is how many records a namespace has after a user key.
func (n *Namespace) countRecords(ctx context.Context, after []byte, workers int, p *pace) (uint64, error) {
	r := engine.Range{Start: n.records, End: codec.PrefixEnd(n.records)}
	if len(after) > 0 {
		r.Start = append(join(n.records, after), 0)
	}
	sinks := make([]headSink, workers)
	for i := range sinks {
		sinks[i] = nothing{}
	}
	records, _, err := n.store.scanHeads(ctx, r, sinks, p, nil)
	return records, err
}
