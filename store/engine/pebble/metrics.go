package pebble

// Metrics describe an engine at one moment. Sizes are bytes.
type Metrics struct {
	DiskBytes      int64 // all files, obsolete ones that still exist included
	LogBytes       int64 // the write-ahead log's files, recycled ones included
	TableBytes     int64
	Tables         int64
	MemTableBytes  int64
	CacheBytes     int64
	CacheHits      int64 // since the engine was opened
	CacheMisses    int64
	ReadAmp        int64 // tables that one Get may have to look into
	CompactionDebt int64 // bytes that compactions still have to rewrite
	Flushes        int64
	Compactions    int64
	Snapshots      int64 // open ones
}

// Metrics returns the present metrics; zeros after Close.
func (e *Engine) Metrics() Metrics {
	if !e.gate.Enter() {
		return Metrics{}
	}
	defer e.gate.Leave()
	m := e.db.Metrics()
	total := m.Total()
	return Metrics{
		DiskBytes:      int64(m.DiskSpaceUsage()),
		LogBytes:       int64(m.WAL.PhysicalSize + m.WAL.ObsoletePhysicalSize),
		TableBytes:     total.TablesSize,
		Tables:         total.TablesCount,
		MemTableBytes:  int64(m.MemTable.Size),
		CacheBytes:     m.BlockCache.Size,
		CacheHits:      m.BlockCache.Hits,
		CacheMisses:    m.BlockCache.Misses,
		ReadAmp:        int64(m.ReadAmp()),
		CompactionDebt: int64(m.Compact.EstimatedDebt),
		Flushes:        m.Flush.Count,
		Compactions:    m.Compact.Count,
		Snapshots:      int64(m.Snapshots.Count),
	}
}
