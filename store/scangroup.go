package store

import (
	"bytes"
	"sync"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
)

// A group is a few records that lie one after the other in a scan.
type group struct {
	records []record
	memory  []byte // keys and values; it does not move
	raw     []byte // envelopes that are still to be opened
	awaited bool   // handed over, and not opened yet; guarded by ahead.mu from ahead.add on
}

// A record is an Entry on its way.
type record struct {
	Entry
	at       int    // where the key begins in the group's memory
	room     []byte // for the value, behind the key; empty
	envelope span   // in raw
	opened   bool
	gone     bool // deleted or expired meanwhile
	stale    bool
	lease    *keys.Lease // that it was opened with; nil if it was not
	number   uint32      // of a data key that it names
}

const (
	groupRecords = 16
	groupBytes   = 32 << 10
)

// groups keeps the memory of groups, wiped.
var groups = sync.Pool{New: func() any {
	return &group{records: make([]record, 0, groupRecords), memory: make([]byte, 0, groupBytes)}
}}

// newGroup is an empty group that takes a record of size bytes.
func newGroup(size int) *group {
	g := groups.Get().(*group)
	if cap(g.memory) < size {
		g.memory = make([]byte, 0, size)
	}
	return g
}

// takes reports whether there is room for another record of so many bytes.
func (g *group) takes(size int) bool {
	return len(g.records) < groupRecords && size <= cap(g.memory)-len(g.memory)
}

// valueLen bounds a value that is stored in its record.
func valueLen(envelope []byte) int { return max(0, len(envelope)-codec.SealOverhead) }

// add adds a record, with so much room for its value.
func (g *group) add(key []byte, room int) *record {
	at, middle := len(g.memory), len(g.memory)+len(key)
	g.memory = append(g.memory, key...)[:middle+room]
	r := record{at: at, room: g.memory[middle : middle : middle+room]}
	r.Key = g.memory[at:middle:middle]
	g.records = append(g.records, r)
	return &g.records[len(g.records)-1]
}

// own moves the entries to memory that is the caller's.
func (g *group) own() {
	memory := bytes.Clone(g.memory)
	for i := range g.records {
		r := &g.records[i]
		middle, inRoom := r.at+len(r.Key), r.inRoom()
		r.Key = memory[r.at:middle:middle]
		r.room = memory[middle : middle : middle+cap(r.room)]
		if inRoom {
			r.value = r.room[:len(r.value):len(r.value)]
		}
	}
}

// inRoom reports whether the value lies where there was room for it; one that is longer does not.
func (r *record) inRoom() bool {
	return len(r.value) > 0 && cap(r.room) > 0 && &r.value[0] == &r.room[:1][0]
}

// keep keeps a record's envelope, which is to be opened later.
func (g *group) keep(r *record, envelope []byte) {
	from := len(g.raw)
	g.raw = append(g.raw, envelope...)
	r.envelope = span{from, len(g.raw)}
}

// of is a part of the envelopes, nil for an empty one.
func (g *group) of(p span) []byte {
	if p.from == p.to {
		return nil
	}
	return g.raw[p.from:p.to]
}

// free gives the group's memory back, wiped. What is larger than that of others is left. Values that are
// still there were handed to nobody.
func (g *group) free() {
	for i := range g.records {
		clear(g.records[i].value)
	}
	clear(g.memory)
	clear(g.records)
	g.records, g.memory, g.raw, g.awaited = g.records[:0], g.memory[:0], g.raw[:0], false
	if cap(g.memory) <= groupBytes && cap(g.raw) <= 2*groupBytes {
		groups.Put(g)
	}
}

// reset forgets, wiped, what came of opening the record.
func (r *record) reset() {
	clear(r.value)
	clear(r.room[:cap(r.room)])
	*r = record{Entry: Entry{Key: r.Key}, at: r.at, room: r.room, envelope: r.envelope, opened: true, number: r.number}
}

// open opens the record's envelope under the keys that op has pinned. It reports false, and leaves the
// record to scanner.open, where that takes more or fails.
func (r *record) open(op *op, envelope []byte) bool {
	op.renew(r.Key)
	op.dst = r.room
	if op.Value(envelope) != nil || len(op.manifest) > 0 {
		return false
	}
	r.take(op.opening())
	return true
}

// take takes what came of opening the record.
func (r *record) take(o opening) {
	r.opened, r.value = true, o.value[:len(o.value):len(o.value)]
	r.lease, r.number, r.stale, r.written = o.lease, o.number, o.stale, o.written
}

// inflated is how many bytes the value takes beyond its envelope, because it was compressed.
func (r *record) inflated() int { return max(0, len(r.value)-cap(r.room)) }
