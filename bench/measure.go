package main

import (
	"bytes"
	"os"
	"runtime/metrics"
	"slices"
	"strconv"
	"time"
)

// A result is what one round of one workload took. Times are nanoseconds.
type result struct {
	Ops       int
	Wall      time.Duration // of all workers together
	Mean      float64       // of one operation
	P50, P99  time.Duration
	Max       time.Duration
	CPU       float64 // an operation, what it caused in the background included
	Allocs    float64 // an operation
	PeakBytes int64   // of resident memory, mapped files included; 0 where the system does not tell
	// PutBytes are keys and values that were put; WrittenBytes what the process made the system
	// write for them, until it was at rest; 0 where the system does not tell.
	PutBytes, WrittenBytes int64
}

// throughput is operations a second.
func (r result) throughput() float64 { return float64(r.Ops) / r.Wall.Seconds() }

// A usage is what the process has used so far.
type usage struct {
	cpu     time.Duration
	allocs  uint64
	written int64
}

func now() usage { return usage{cpu: cpuTime(), allocs: allocated(), written: writtenBytes()} }

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// writtenBytes counts the pages of files that the process made dirty, through a write or a
// mapping. Linux alone tells.
func writtenBytes() int64 { return proc("/proc/self/io", "write_bytes:") }

// peakBytes is the largest resident memory since forgetPeak.
func peakBytes() int64 { return proc("/proc/self/status", "VmHWM:") << 10 }

func forgetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// proc is a number in one of Linux's tables; 0 elsewhere.
func proc(file, name string) int64 {
	raw, _ := os.ReadFile(file)
	_, after, _ := bytes.Cut(raw, []byte("\n"+name))
	words := bytes.Fields(after)
	if len(words) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(words[0]), 10, 64)
	return n
}

const (
	restPoll = 25 * time.Millisecond
	restMost = time.Minute
)

// rest waits until the process does nothing in the background any more: until it has used less
// than a tenth of a core in two polls.
func rest() {
	for quiet, start, last := 0, time.Now(), cpuTime(); quiet < 2 && time.Since(start) < restMost; {
		time.Sleep(restPoll)
		used := cpuTime()
		if quiet++; used-last > restPoll/10 {
			quiet = 0
		}
		last = used
	}
}

// percentile of sorted times, by the nearest rank.
func percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}

func mean(times []time.Duration) float64 {
	var sum time.Duration
	for _, t := range times {
		sum += t
	}
	return float64(sum) / float64(len(times))
}

// median of values, of which there is one at least.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
