package storeprom

import "github.com/sealkv/sealkv/store"

var (
	rewraps = desc("rewraps_total",
		"Stale values that were read and so hinted at, by what came of it: rewrapped, overtaken by a write, failed, or dropped because the queue was full.", "outcome")
	rewrapsQueued = desc("rewraps_queued", "Hints at stale values that wait for the rewrapper.")

	sweeps = desc("sweeps_total",
		"Sweeps of a tenant's namespace: completed, kept because the last census left nothing to do, or stopped before the end.", "outcome")
	sweepsRunning = desc("sweeps_running", "Namespaces that are being swept.")
	sweptRecords  = desc("sweep_records_total",
		"Records that sweeps visited: rewrapped, missed because they do not open, or left as they were.", "outcome")
	sweptBytes = desc("sweep_read_bytes_total", "Bytes that sweeps read.")

	collections = desc("collections_total", "Collections of expired records and unused chunks, by outcome.", "outcome")
	collected   = desc("collected_total", "What collections deleted: records that had reached their max-age, chunks that no value needed.", "what")
)

func (s sink) background(stats *store.Stats) {
	s.counts(rewraps, map[string]uint64{
		"rewrapped": stats.Rewrapped, "overtaken": stats.Lost, "failed": stats.Failed, "dropped": stats.Dropped,
	})
	s.gauge(rewrapsQueued, float64(stats.Queued))
	w := stats.Sweeps
	s.counts(sweeps, map[string]uint64{"completed": w.Completed, "kept": w.Kept, "stopped": w.Stopped})
	s.gauge(sweepsRunning, float64(w.Running))
	s.counts(sweptRecords, map[string]uint64{
		"rewrapped": w.Rewrapped, "missed": w.Missed, "left": w.Visited - min(w.Visited, w.Rewrapped+w.Missed),
	})
	s.count(sweptBytes, w.Bytes)
	s.counts(collections, map[string]uint64{
		"ok": stats.Collections - min(stats.Collections, stats.FailedCollections), "error": stats.FailedCollections,
	})
	s.counts(collected, map[string]uint64{"record": stats.Expired, "chunk": stats.Chunks})
}
