package store

import (
	"sync/atomic"

	"github.com/sealkv/sealkv/keys"
)

type counters struct {
	rewrapped, dropped, lost, failed atomic.Uint64
	expired, chunks                  atomic.Uint64
}

// Stats counts what a store did since it was opened.
type Stats struct {
	Rewrapped uint64 // records brought under the active keys
	Dropped   uint64 // hints that found the queue full
	Lost      uint64 // rewraps that a write overtook
	Failed    uint64 // rewraps that failed; the record stayed as it was
	Expired   uint64 // records that were collected because they had reached their max-age
	Chunks    uint64 // chunks that were collected because no value needed them
	// CacheHits and CacheMisses are reads that found a value in the cache of values, and that did not.
	CacheHits, CacheMisses uint64
	Operations             []OperationStats // by Operation
	Keys                   keys.Stats
}

// Stats returns the counts of this moment.
func (s *Store) Stats() Stats {
	out := Stats{
		Rewrapped: s.counters.rewrapped.Load(), Dropped: s.counters.dropped.Load(),
		Lost: s.counters.lost.Load(), Failed: s.counters.failed.Load(),
		Expired: s.counters.expired.Load(), Chunks: s.counters.chunks.Load(),
		Operations: s.foreground.stats(), Keys: s.keys.Stats(),
	}
	if s.values != nil {
		out.CacheHits, out.CacheMisses = s.values.hits.Load(), s.values.misses.Load()
	}
	return out
}
