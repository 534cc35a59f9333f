package main

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// A worker is one goroutine of a round. What it prepares before an operation and checks after it
// is not in the time of the operation.
type worker struct {
	peer     *peer
	session  session
	todo     []operation
	times    []time.Duration
	putBytes int64

	key, value, room []byte
	records          []record
	arena            []byte
	visited          int
	first            []byte
}

func (p *peer) newWorker(todo []operation) (*worker, error) {
	s, err := p.engine.session()
	if err != nil {
		return nil, err
	}
	return &worker{peer: p, session: s, todo: todo, times: make([]time.Duration, 0, len(todo))}, nil
}

// epoch is where the clock of a worker begins.
var epoch = time.Now()

func (w *worker) work() error {
	for _, o := range w.todo {
		if err := w.one(o); err != nil {
			return err
		}
	}
	return nil
}

// timed measures one operation.
func (w *worker) timed(do func() error) error {
	start := time.Since(epoch)
	err := do()
	w.times = append(w.times, time.Since(epoch)-start)
	return err
}

func (w *worker) one(o operation) error {
	switch o.do {
	case doGet:
		return w.get(o.record)
	case doMiss:
		return w.miss(o.record)
	case doScan, doRange:
		return w.scan(o.record, o.length)
	case doPut:
		return w.put(o.record)
	case doInsert:
		return w.put(w.peer.data.size() + int(w.peer.inserted.Add(1)) - 1)
	case doModify:
		return w.modify(o.record)
	case doBatch, doLoad:
		return w.batch(o)
	}
	return fmt.Errorf("%d is no action", o.do)
}

func (w *worker) get(i int) error {
	at, key := w.peer.data.key(i, w.key[:0])
	w.key = key
	var found bool
	err := w.timed(func() (err error) {
		w.room, found, err = w.session.get(at, key, w.room[:0])
		return err
	})
	return w.expect(i, found, err)
}

// expect checks what was got for record i.
func (w *worker) expect(i int, found bool, err error) error {
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("record %d is not there", i)
	case !w.peer.data.resembles(i, w.room):
		return fmt.Errorf("the value of record %d is another", i)
	}
	return nil
}

func (w *worker) miss(i int) error {
	at, key := w.peer.data.missing(i, w.key[:0])
	w.key = key
	return w.timed(func() error {
		if _, found, err := w.session.get(at, key, w.room[:0]); err != nil {
			return err
		} else if found {
			return errors.New("a key is there that was never put")
		}
		return nil
	})
}

func (w *worker) scan(i, limit int) error {
	at, key := w.peer.data.key(i, w.key[:0])
	w.key, w.visited = key, 0
	err := w.timed(func() error { return w.session.scan(at, key, limit, w.visit) })
	if err != nil {
		return err
	}
	if w.visited == 0 || w.visited > limit || !bytes.Equal(w.first, key) {
		return fmt.Errorf("a scan of %d from record %d visited %d, from another key", limit, i, w.visited)
	}
	return nil
}

// visit copies the value, as a caller does that keeps it: engines lend it for the visit alone.
func (w *worker) visit(key, value []byte) error {
	w.room = append(w.room[:0], value...)
	if w.visited++; w.visited == 1 {
		w.first = append(w.first[:0], key...)
	}
	return nil
}

// fresh makes a value of a record that was not put before.
func (w *worker) fresh(i int) (err error) {
	w.value, err = w.peer.data.value(i, w.peer.revision.Add(1), w.value[:0])
	return err
}

func (w *worker) put(i int) error {
	at, key := w.peer.data.key(i, w.key[:0])
	w.key = key
	if err := w.fresh(i); err != nil {
		return err
	}
	w.putBytes += int64(len(key) + len(w.value))
	return w.timed(func() error { return w.session.put(at, key, w.value) })
}

func (w *worker) modify(i int) error {
	at, key := w.peer.data.key(i, w.key[:0])
	w.key = key
	if err := w.fresh(i); err != nil {
		return err
	}
	w.putBytes += int64(len(key) + len(w.value))
	var found bool
	err := w.timed(func() (err error) {
		if w.room, found, err = w.session.get(at, key, w.room[:0]); err != nil || !found {
			return err
		}
		return w.session.put(at, key, w.value)
	})
	return w.expect(i, found, err)
}

func (w *worker) batch(o operation) (err error) {
	w.records, w.arena = w.records[:0], w.arena[:0]
	for place := range o.length {
		if err := w.add(o.member(place, w.peer.data.size())); err != nil {
			return err
		}
	}
	return w.timed(func() error { return w.session.batch(w.records) })
}

// add adds a record to the batch in the making. The arena moves as it grows; records that were
// added before keep what it was.
func (w *worker) add(i int) (err error) {
	from := len(w.arena)
	at, arena := w.peer.data.key(i, w.arena)
	split := len(arena)
	if w.arena, err = w.peer.data.value(i, w.peer.revision.Add(1), arena); err != nil {
		return err
	}
	w.putBytes += int64(len(w.arena) - from)
	w.records = append(w.records, record{at, w.arena[from:split:split], w.arena[split:len(w.arena):len(w.arena)]})
	return nil
}
