package main

import (
	"hash/fnv"
	"math/rand/v2"
)

// A workload is operations in a certain mix. Every engine gets the same ones in the same order.
type workload struct {
	Name    string
	About   string
	Ops     int // a round, of all workers together
	Workers int
	Sync    bool // writes are durable when they return
	Zipfian bool // records are chosen by a scrambled zipfian distribution, otherwise uniformly
	Mix     []share
}

// A share is a part of a mix, in percent.
type share struct {
	Do      action
	Percent int
}

type action uint8

const (
	doGet    action = iota
	doMiss          // get a key that is not there
	doScan          // batchLen records
	doRange         // 1 to batchLen records
	doPut           // replace a whole record
	doBatch         // replace batchLen records
	doModify        // get and replace
	doInsert
	doLoad // insert batchLen records in one batch
)

// batchLen is the length of batches and scans.
const batchLen = 100

// writes reports whether the workload changes the store.
func (w workload) writes() bool {
	for _, s := range w.Mix {
		if s.Do >= doPut {
			return true
		}
	}
	return false
}

// loading fills an empty store.
func loading(d dataset) workload {
	return workload{
		Name: "load", About: "all records in batches of 100", Ops: (d.size() + batchLen - 1) / batchLen, Workers: 1,
		Mix: []share{{doLoad, 100}},
	}
}

func all(do action) []share { return []share{{do, 100}} }

// workloads are those of the report, with the operations of a full round on values of 1 KiB.
//
// The YCSB core workloads are those of the paper's table 2, on records that are one value: an
// update replaces all of it, a read reads all of it. A, B, C, E and F draw records by a scrambled
// zipfian distribution; the scans of E take 1 to 100 records, uniformly, and its inserts are new
// records; F reads a record and writes it back.
var workloads = []workload{
	{Name: "get-uniform", About: "get, uniform", Ops: 100_000, Workers: 1, Mix: all(doGet)},
	{Name: "get-zipfian", About: "get, zipfian 0.99", Ops: 100_000, Workers: 1, Zipfian: true, Mix: all(doGet)},
	{Name: "get-miss", About: "get of keys that are not there", Ops: 50_000, Workers: 1, Mix: all(doMiss)},
	{Name: "get-uniform-2", About: "get, uniform, two goroutines", Ops: 100_000, Workers: 2, Mix: all(doGet)},
	{Name: "get-zipfian-2", About: "get, zipfian 0.99, two goroutines", Ops: 100_000, Workers: 2, Zipfian: true, Mix: all(doGet)},
	{Name: "get-miss-2", About: "get of keys that are not there, two goroutines", Ops: 50_000, Workers: 2, Mix: all(doMiss)},
	{Name: "scan", About: "scan of 100 from a uniform record", Ops: 2000, Workers: 1, Mix: all(doScan)},
	{Name: "ycsb-c", About: "YCSB C: 100 read", Ops: 50_000, Workers: 1, Zipfian: true, Mix: all(doGet)},
	{Name: "put", About: "put, uniform", Ops: 50_000, Workers: 1, Mix: all(doPut)},
	{Name: "put-2", About: "put, uniform, two goroutines", Ops: 50_000, Workers: 2, Mix: all(doPut)},
	{Name: "batch", About: "batch of 100", Ops: 500, Workers: 1, Mix: all(doBatch)},
	{Name: "ycsb-a", About: "YCSB A: 50 read, 50 update", Ops: 50_000, Workers: 1, Zipfian: true, Mix: []share{{doGet, 50}, {doPut, 50}}},
	{Name: "ycsb-b", About: "YCSB B: 95 read, 5 update", Ops: 50_000, Workers: 1, Zipfian: true, Mix: []share{{doGet, 95}, {doPut, 5}}},
	{Name: "ycsb-f", About: "YCSB F: 50 read, 50 read-modify-write", Ops: 50_000, Workers: 1, Zipfian: true, Mix: []share{{doGet, 50}, {doModify, 50}}},
	{Name: "ycsb-e", About: "YCSB E: 95 scan of 1 to 100, 5 insert", Ops: 3000, Workers: 1, Zipfian: true, Mix: []share{{doRange, 95}, {doInsert, 5}}},
	{Name: "put-sync", About: "put with sync", Ops: 1000, Workers: 1, Sync: true, Mix: all(doPut)},
	{Name: "put-sync-2", About: "put with sync, two goroutines", Ops: 1000, Workers: 2, Sync: true, Mix: all(doPut)},
	{Name: "batch-sync", About: "batch of 100 with sync", Ops: 200, Workers: 1, Sync: true, Mix: all(doBatch)},
}

// An operation is an action on a record: for a batch on as many, that are drawn from seed.
type operation struct {
	do     action
	length int
	record int
	seed   uint64
}

// operations of one worker in one round; n is the number of records that were loaded.
func (w workload) operations(n, round, worker int) []operation {
	h := fnv.New64a()
	h.Write([]byte(w.Name))
	r := rand.New(rand.NewPCG(h.Sum64(), uint64(round)<<8|uint64(worker)))
	var z *zipfian
	if w.Zipfian {
		z = newZipfian(n)
	}
	out := make([]operation, w.Ops/w.Workers)
	for i := range out {
		o := operation{do: w.draw(r), length: batchLen, seed: r.Uint64()}
		switch {
		case o.do == doLoad:
			o.record = i * batchLen
			o.length = min(batchLen, n-o.record)
		case w.Zipfian:
			o.record = scramble(z.rank(r), n)
		default:
			o.record = r.IntN(n)
		}
		if o.do == doRange {
			o.length = 1 + r.IntN(batchLen)
		}
		out[i] = o
	}
	return out
}

func (w workload) draw(r *rand.Rand) action {
	at := r.IntN(100)
	for _, s := range w.Mix {
		if at -= s.Percent; at < 0 {
			return s.Do
		}
	}
	return w.Mix[0].Do
}

// member is the record of a batch at one of its places.
func (o operation) member(place, n int) int {
	if o.do == doLoad {
		return o.record + place
	}
	return int(mix(o.seed+uint64(place)) % uint64(n))
}

// inserts reports whether the workload adds records.
func (w workload) inserts() bool {
	for _, s := range w.Mix {
		if s.Do == doInsert {
			return true
		}
	}
	return false
}
