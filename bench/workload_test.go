package main

import (
	"math"
	"reflect"
	"testing"
)

// The mixes of the YCSB paper's table 2.
func TestMixes(t *testing.T) {
	want := map[string]map[action]float64{
		"ycsb-a": {doGet: 0.5, doPut: 0.5},
		"ycsb-b": {doGet: 0.95, doPut: 0.05},
		"ycsb-c": {doGet: 1},
		"ycsb-e": {doRange: 0.95, doInsert: 0.05},
		"ycsb-f": {doGet: 0.5, doModify: 0.5},
	}
	for _, w := range workloads {
		w.Ops, w.Workers = 20_000, 1
		mix, got := want[w.Name], map[action]float64{}
		for _, o := range w.operations(1000, 1, 0) {
			got[o.do] += 1.0 / float64(w.Ops)
			if o.record < 0 || o.record >= 1000 {
				t.Fatalf("%s: record %d", w.Name, o.record)
			}
		}
		delete(want, w.Name)
		if mix == nil {
			continue
		}
		if len(got) != len(mix) || !w.Zipfian {
			t.Errorf("%s: %v", w.Name, got)
		}
		for do, part := range mix {
			if math.Abs(got[do]-part) > 0.02 {
				t.Errorf("%s: %.3f of action %d, want %.2f", w.Name, got[do], do, part)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("there is no %v", want)
	}
}

// Scans of YCSB E have 1 to 100 records, each length as often as another.
func TestRangeLengths(t *testing.T) {
	w := workload{Name: "lengths", Ops: 100_000, Workers: 1, Mix: all(doRange)}
	counts := map[int]int{}
	for _, o := range w.operations(1000, 1, 0) {
		counts[o.length]++
	}
	for length := 1; length <= batchLen; length++ {
		if n := counts[length]; n < 800 || n > 1200 {
			t.Errorf("%d scans of %d", n, length)
		}
	}
	if len(counts) != batchLen {
		t.Errorf("%d lengths", len(counts))
	}
}

// Every engine gets the same operations; rounds and workers get different ones.
func TestOperationsArePinned(t *testing.T) {
	w := workload{Name: "w", Ops: 100, Workers: 2, Zipfian: true, Mix: all(doGet)}
	once, again := w.operations(1000, 1, 0), w.operations(1000, 1, 0)
	if !reflect.DeepEqual(once, again) || len(once) != 50 {
		t.Error("the same round has other operations")
	}
	if reflect.DeepEqual(once, w.operations(1000, 2, 0)) || reflect.DeepEqual(once, w.operations(1000, 1, 1)) {
		t.Error("another round or worker has the same operations")
	}
}

// A load has every record once.
func TestLoading(t *testing.T) {
	d, err := newSynthetic(1234, 100, jsonValues)
	if err != nil {
		t.Fatal(err)
	}
	w, seen := loading(d), map[int]int{}
	for _, o := range w.operations(d.size(), 1, 0) {
		for place := range o.length {
			seen[o.member(place, d.size())]++
		}
	}
	for i := range d.size() {
		if seen[i] != 1 {
			t.Fatalf("record %d is loaded %d times", i, seen[i])
		}
	}
	if len(seen) != d.size() {
		t.Errorf("%d records are loaded", len(seen))
	}
}
