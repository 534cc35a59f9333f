package store

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
)

// A group is a few records that lie one after the other in a scan, opened by one goroutine.
type group struct {
	raw     []byte // envelopes, and keys until allocate
	records []record
	done    bool   // opened by somebody else than the caller's goroutine
	lent    []byte // memory of entries that are lent: ScanOptions.Reuse
}

// A record is an Entry on its way.
type record struct {
	Entry
	key, envelope span   // in raw
	room          []byte // for the value, empty
	opened        bool
	gone          bool // deleted or expired meanwhile
	stale         bool
	lease         *keys.Lease // that it was opened with
}

// holds reports whether what came of opening the record may be handed out: the keys that it was
// opened with are still in use.
func (r *record) holds() bool {
	return r.err != nil || r.gone || r.lease != nil && !r.lease.Unlinked()
}

const (
	groupRecords = 16
	groupBytes   = 64 << 10
	// maxOpeners bounds who opens ahead, beside the caller's goroutine.
	maxOpeners = 3
)

// groups keeps the memory of envelopes, which nobody sees, and of entries that were lent; else that
// of keys and values is the caller's.
var groups = sync.Pool{New: func() any { return &group{records: make([]record, 0, groupRecords)} }}

func newGroup() *group { return groups.Get().(*group) }

func (g *group) add(key, envelope []byte) {
	from := len(g.raw)
	g.raw = append(g.raw, key...)
	middle := len(g.raw)
	g.raw = append(g.raw, envelope...)
	g.records = append(g.records, record{key: span{from, middle}, envelope: span{middle, len(g.raw)}})
}

func (g *group) of(p span) []byte { return g.raw[p.from:p.to] }

// valueLen bounds a value that is stored in its record.
func (r *record) valueLen() int { return max(0, r.envelope.to-r.envelope.from-codec.SealOverhead) }

func (g *group) full() bool { return len(g.records) == groupRecords || len(g.raw) >= groupBytes }

// allocate makes the one piece of memory that the group's entries share; with reuse it is the group's.
func (g *group) allocate(reuse bool) {
	if len(g.records) == 0 || g.records[0].Key != nil {
		return
	}
	size := 0
	for i := range g.records {
		r := &g.records[i]
		size += len(g.of(r.key)) + r.valueLen()
	}
	var memory []byte
	if reuse {
		g.lent = slices.Grow(g.lent[:0], size)
		memory = g.lent
	} else {
		memory = make([]byte, 0, size)
	}
	for i := range g.records {
		r := &g.records[i]
		at := len(memory)
		memory = append(memory, g.of(r.key)...)
		r.Key = memory[at:len(memory):len(memory)]
		end := len(memory) + r.valueLen()
		r.room = memory[len(memory):len(memory):end]
		memory = memory[:end]
	}
}

// free gives the group's memory back, without references to the caller's.
func (g *group) free() {
	clear(g.records)
	clear(g.lent[:cap(g.lent)])
	g.raw, g.records, g.done = g.raw[:0], g.records[:0], false
	groups.Put(g)
}

// ahead opens the groups of a page on several goroutines, in order, while the scan still copies
// the page out of the engine and while the caller looks at entries. Each group is claimed by one
// of them; the caller's goroutine takes part, and opens what it claims record by record, so that
// one who leaves early has opened nothing for nothing. A scan of one group has no goroutine but
// the caller's.
type ahead struct {
	s   *scanner
	ctx context.Context // of the scan

	mu      sync.Mutex
	changed sync.Cond // a group was added or is done, or it stops
	groups  []*group  // of this page
	claimed int       // the first of them are somebody's
	working int       // groups that openers are at
	openers int
	stopped bool
	workers sync.WaitGroup
}

// add hands a group over. From the second of a scan on, somebody else opens.
func (a *ahead) add(g *group) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.groups = append(a.groups, g)
	if a.s.opts.KeysOnly || len(a.groups) < 2 {
		return
	}
	if a.openers < min(maxOpeners, runtime.GOMAXPROCS(0)-1) {
		a.openers++
		a.workers.Go(a.opener)
	}
	a.changed.Broadcast()
}

// opener opens one group after the other until it is told to stop.
func (a *ahead) opener() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.stopped {
		if a.claimed == len(a.groups) {
			a.changed.Wait()
			continue
		}
		a.openNext()
	}
}

// openNext claims the next group and opens it. a.mu is held, but not meanwhile.
func (a *ahead) openNext() {
	g := a.groups[a.claimed]
	a.claimed++
	a.working++
	a.mu.Unlock()
	for i := range g.records {
		if a.ctx.Err() != nil || a.isStopped(i) {
			break
		}
		a.s.open(a.ctx, g, &g.records[i])
	}
	a.mu.Lock()
	a.working--
	g.done = true
	a.changed.Broadcast()
}

// isStopped looks now and then.
func (a *ahead) isStopped(i int) bool {
	if i%4 != 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stopped
}

// take returns when group i is opened, or is the caller's to open. Where it is somebody else's and
// not done, it opens a later one meanwhile.
func (a *ahead) take(i int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		switch {
		case a.claimed == i:
			a.claimed++
			return
		case a.groups[i].done:
			return
		case a.claimed < len(a.groups):
			a.openNext()
		default:
			a.changed.Wait()
		}
	}
}

// clear forgets the page, once nobody is at it.
func (a *ahead) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.claimed = len(a.groups)
	for a.working > 0 {
		a.changed.Wait()
	}
	for _, g := range a.groups {
		g.free()
	}
	clear(a.groups)
	a.groups, a.claimed = a.groups[:0], 0
}

// stop ends the openers; the page that they were at is forgotten.
func (a *ahead) stop() {
	a.mu.Lock()
	a.stopped = true
	a.changed.Broadcast()
	a.mu.Unlock()
	a.workers.Wait()
}
