package store

import (
	"sync/atomic"
	"time"

	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

type counters struct {
	rewrapped, dropped, lost, failed atomic.Uint64
	expired, chunks                  atomic.Uint64
	collections, failedCollections   atomic.Uint64
	sweeps                           sweepCounters
}

type sweepCounters struct {
	running                           atomic.Int64
	completed, kept, stopped          atomic.Uint64
	visited, rewrapped, missed, bytes atomic.Uint64
}

// Stats counts what a store did since it was opened, and tells what of it is in memory.
type Stats struct {
	Rewrapped uint64 // records brought under the active keys
	Dropped   uint64 // hints that found the queue full
	Lost      uint64 // rewraps that a write overtook
	Failed    uint64 // rewraps that failed; the record stayed as it was
	Queued    int    // hints that wait for the rewrapper
	Expired   uint64 // records that were collected because they had reached their max-age
	Chunks    uint64 // chunks that were collected because no value needed them
	// Collections are calls of Collect, the store's own included; FailedCollections those of them that
	// returned an error.
	Collections, FailedCollections uint64
	// CacheHits and CacheMisses are reads that found a value in the cache of values, and that did not.
	CacheHits, CacheMisses uint64
	Operations             []OperationStats // by Operation
	Sweeps                 SweepStats
	// Held are the Snapshots and Readers that are open and not too old, OldestHeld how long the
	// oldest of them is: it may hold up a key's retirement.
	Held       int
	OldestHeld time.Duration
	Keys       keys.Stats
	Engine     *pebble.Metrics // nil where Options.Engine has none
}

// SweepStats counts what sweeps did, a namespace of a tenant being one.
type SweepStats struct {
	Running   int
	Completed uint64 // to their end, with a census
	Kept      uint64 // that had nothing to do, for the last census says so
	Stopped   uint64 // by an error, a revocation or the end of their context
	Visited   uint64 // records
	Rewrapped uint64 // of those
	Missed    uint64 // of those, that do not open
	Bytes     uint64 // that were read of them
}

// Stats returns the counts of this moment.
func (s *Store) Stats() Stats {
	c := &s.counters
	out := Stats{
		Rewrapped: c.rewrapped.Load(), Dropped: c.dropped.Load(), Lost: c.lost.Load(), Failed: c.failed.Load(),
		Expired: c.expired.Load(), Chunks: c.chunks.Load(),
		Collections: c.collections.Load(), FailedCollections: c.failedCollections.Load(),
		Operations: s.foreground.stats(), Sweeps: c.sweeps.stats(), Keys: s.keys.Stats(),
	}
	if s.rewrapper != nil {
		out.Queued = len(s.rewrapper.hints)
	}
	if s.values != nil {
		out.CacheHits, out.CacheMisses = s.values.hits.Load(), s.values.misses.Load()
	}
	out.Held, out.OldestHeld = s.held()
	if e, ok := s.engine.(interface{ Metrics() pebble.Metrics }); ok {
		m := e.Metrics()
		out.Engine = &m
	}
	return out
}

func (c *sweepCounters) stats() SweepStats {
	return SweepStats{
		Running: int(c.running.Load()), Completed: c.completed.Load(), Kept: c.kept.Load(), Stopped: c.stopped.Load(),
		Visited: c.visited.Load(), Rewrapped: c.rewrapped.Load(), Missed: c.missed.Load(), Bytes: c.bytes.Load(),
	}
}

// ended counts a sweep of a namespace.
func (c *sweepCounters) ended(census Census, err error) {
	switch c.running.Add(-1); {
	case err != nil:
		c.stopped.Add(1)
	case census.Kept:
		c.kept.Add(1)
	default:
		c.completed.Add(1)
	}
}

// settled counts a page of records.
func (c *sweepCounters) settled(visits []visit, bytes uint64) {
	c.bytes.Add(bytes)
	c.visited.Add(uint64(len(visits)))
	for _, v := range visits {
		if v.rewrapped {
			c.rewrapped.Add(1)
		}
		if v.miss != nil {
			c.missed.Add(1)
		}
	}
}
