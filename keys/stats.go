package keys

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/latency"
)

type counters struct {
	wraps, unwraps     rootCounters
	loads, failedLoads atomic.Uint64
}

// Stats of a keyring since it was opened.
type Stats struct {
	RootCalls      uint64 // wraps and unwraps asked of roots
	RootErrors     uint64
	Wraps, Unwraps RootStats
	Open           int           // tenant keys in memory, the platform's included
	OldestKey      time.Duration // since the root that spoke longest ago vouched for a key still in memory
	Leases         int           // namespaces whose data keys are in memory
	Draining       int           // leases that were replaced and that somebody still uses
	// Loads are how often the data keys of a namespace were not in memory and were opened, once for
	// all who waited. Any other operation found them there.
	Loads, FailedLoads uint64
}

// RootStats counts what was asked of roots, and by their classes the errors that came back.
type RootStats struct {
	Calls       uint64
	Revoked     uint64
	Unavailable uint64 // without Throttled
	Throttled   uint64
	Invalid     uint64
	Other       uint64           // errors of no class, which a provider should not return
	Latency     latency.Snapshot // of all calls, failed ones included
}

// Errors is how many calls failed.
func (s RootStats) Errors() uint64 {
	return s.Revoked + s.Unavailable + s.Throttled + s.Invalid + s.Other
}

// Stats returns the counts of this moment. OldestKey stays below KeyTTL.
func (k *Keyring) Stats() Stats {
	out := Stats{
		Wraps: k.stats.wraps.stats(), Unwraps: k.stats.unwraps.stats(),
		Loads: k.stats.loads.Load(), FailedLoads: k.stats.failedLoads.Load(),
	}
	out.RootCalls = out.Wraps.Calls + out.Unwraps.Calls
	out.RootErrors = out.Wraps.Errors() + out.Unwraps.Errors()
	now := k.opts.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.sessions {
		if s.parent != nil {
			out.Open++
			out.OldestKey = max(out.OldestKey, sessionAge(now, s.vouched))
		}
	}
	if platform := k.sessions[""]; platform != nil {
		out.Leases = len(platform.leases) // which are all
	}
	out.Draining = len(k.drainingLocked(func(*Space, *Lease) bool { return true }))
	return out
}

// rootCounters are of one kind of call.
type rootCounters struct {
	calls, revoked, unavailable, throttled, invalid, other atomic.Uint64
	latency                                                latency.Histogram
}

// count counts a call that began at a time and came back with an error or nil.
func (c *rootCounters) count(began time.Time, err error) {
	c.latency.Observe(time.Since(began))
	c.calls.Add(1)
	switch {
	case err == nil:
	case errors.Is(err, root.ErrRevoked):
		c.revoked.Add(1)
	case errors.Is(err, root.ErrThrottled):
		c.throttled.Add(1)
	case errors.Is(err, root.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		c.unavailable.Add(1)
	case errors.Is(err, root.ErrInvalid):
		c.invalid.Add(1)
	default:
		c.other.Add(1)
	}
}

func (c *rootCounters) stats() RootStats {
	return RootStats{
		Calls: c.calls.Load(), Revoked: c.revoked.Load(), Unavailable: c.unavailable.Load(),
		Throttled: c.throttled.Load(), Invalid: c.invalid.Load(), Other: c.other.Load(), Latency: c.latency.Snapshot(),
	}
}
