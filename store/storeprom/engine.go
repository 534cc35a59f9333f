package storeprom

import "github.com/sealkv/sealkv/store/engine/pebble"

var (
	diskBytes      = desc("engine_disk_bytes", "Bytes of all files of the engine, obsolete ones that still exist included.")
	logBytes       = desc("engine_log_bytes", "Bytes of the files of the write-ahead log, recycled ones included.")
	tableBytes     = desc("engine_table_bytes", "Bytes of tables.")
	tables         = desc("engine_tables", "Tables.")
	memTableBytes  = desc("engine_memtable_bytes", "Bytes of write buffers.")
	cacheBytes     = desc("engine_cache_bytes", "Bytes in the cache of blocks.")
	cacheReads     = desc("engine_cache_reads_total", "Reads of blocks, by whether the cache had them.", "result")
	readAmp        = desc("engine_read_amplification", "Tables that one read may have to look into.")
	compactionDebt = desc("engine_compaction_debt_bytes", "Bytes that compactions still have to rewrite.")
	flushes        = desc("engine_flushes_total", "Write buffers that were written to tables.")
	compactions    = desc("engine_compactions_total", "Compactions.")
	snapshots      = desc("engine_snapshots_open", "Snapshots of the engine that are open.")
)

func (s sink) engine(m *pebble.Metrics) {
	s.gauge(diskBytes, float64(m.DiskBytes))
	s.gauge(logBytes, float64(m.LogBytes))
	s.gauge(tableBytes, float64(m.TableBytes))
	s.gauge(tables, float64(m.Tables))
	s.gauge(memTableBytes, float64(m.MemTableBytes))
	s.gauge(cacheBytes, float64(m.CacheBytes))
	s.counts(cacheReads, map[string]uint64{"hit": uint64(m.CacheHits), "miss": uint64(m.CacheMisses)})
	s.gauge(readAmp, float64(m.ReadAmp))
	s.gauge(compactionDebt, float64(m.CompactionDebt))
	s.count(flushes, uint64(m.Flushes))
	s.count(compactions, uint64(m.Compactions))
	s.gauge(snapshots, float64(m.Snapshots))
}
