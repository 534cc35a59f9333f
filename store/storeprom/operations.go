package storeprom

import "github.com/sealkv/sealkv/store"

var (
	operations = desc("operations_total",
		"Operations of users of the store that have ended, by kind and outcome.", "operation", "outcome")
	operationSeconds = desc("operation_duration_seconds",
		"How long operations took. Of get, has, put, delete, put_if_absent and compare_and_swap it is a sample, one in 61; of scans and created streams, whose time is the caller's, there is none.", "operation")
	valueCacheReads = desc("value_cache_reads_total",
		"Reads that looked into the cache of opened values, by whether it had the value.", "result")
	held = desc("views_open",
		"Snapshots and readers of streams that are open.")
	oldestHeld = desc("oldest_view_age_seconds",
		"How long the oldest open snapshot or reader has been open. It may hold up the retirement of keys.")
)

func (s sink) operations(stats *store.Stats) {
	for kind, op := range stats.Operations {
		name := store.Operation(kind).String()
		for outcome, n := range op.Outcomes {
			s.count(operations, n, name, store.Outcome(outcome).String())
		}
		if store.Operation(kind).OneIn() > 0 {
			s.histogram(operationSeconds, op.Latency, name)
		}
	}
	s.counts(valueCacheReads, map[string]uint64{"hit": stats.CacheHits, "miss": stats.CacheMisses})
	s.gauge(held, float64(stats.Held))
	s.gauge(oldestHeld, stats.OldestHeld.Seconds())
}
