package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// probeCommand is the first argument of a program that is to carry out one probe.
const probeCommand = "probe"

// A probe is one measurement in a process of its own: its memory is nobody else's.
type probe struct {
	Do      string // name of one of probes
	Dir     string // of the store, with its root key
	Tenants int
	Used    int // tenants that are used
	Records int
	Bytes   int // of a value
	Workers int
	Inline  int
	Seconds float64 // for which each step goes on
	Cache   int64
	Pack    string // of real records, in place of Records and Bytes
}

// probes are what a process can be asked to do.
func probes() map[string]func(context.Context, probe) (measured, error) {
	return map[string]func(context.Context, probe) (measured, error){
		"create":     createTenants,
		"open":       openTenants,
		"goroutines": measureGoroutines,
		"sweep":      measureSweep,
		"coverage":   measureCoverage,
		"heads":      measureHeads,
	}
}

// run has a process carry the probe out.
func (p probe) run(ctx context.Context) (out measured, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	order, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, self, probeCommand)
	c.Stdin, c.Stderr = bytes.NewReader(order), os.Stderr
	raw, err := c.Output()
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		return nil, fmt.Errorf("probe %s: %w", p.Do, err)
	}
	return out, nil
}

// carryOut is the process of a probe.
func carryOut(in io.Reader, out io.Writer) error {
	var p probe
	if err := json.NewDecoder(in).Decode(&p); err != nil {
		return err
	}
	do := probes()[p.Do]
	if do == nil {
		return fmt.Errorf("%q is no probe", p.Do)
	}
	m, err := do(context.Background(), p)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(m)
}

// memory is what the process holds once garbage is gone: live objects of Go, and resident memory,
// which has caches, and pages of mapped files besides.
func memory() (heap, resident float64) {
	runtime.GC()
	debug.FreeOSMemory()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return float64(sample[0].Value.Uint64()), float64(proc("/proc/self/status", "VmRSS:") << 10)
}

// mutexWait is how long goroutines of the process have waited for mutexes, in seconds.
func mutexWait() float64 {
	sample := []metrics.Sample{{Name: "/sync/mutex/wait/total:seconds"}}
	metrics.Read(sample)
	return sample[0].Value.Float64()
}
