package pebble

import (
	"bytes"
	"log/slog"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
)

// Options of an engine. Nil and the zero of each field mean the defaults.
type Options struct {
	// CacheBytes is the memory for blocks of tables and for memtables together; 0 means
	// DefaultCacheBytes.
	CacheBytes int64
	// MemTableBytes is the size of one memtable: how much is gathered in memory (and in the
	// log) before it is written as a table. 0 means 16 MiB, the largest is 1 GiB.
	MemTableBytes int
	// Apart are keys whose values, where they have apartBytes or more, lie in files of their own:
	// compactions then rewrite their keys alone. Empty means none.
	Apart engine.Range
	// ReadOnly opens the engine without changing a byte of any file. It takes no lock, which
	// would create a file: that nobody writes meanwhile is for the caller to see to.
	ReadOnly bool
	// Logger hears of background work that fails and of slow disks. Nil discards.
	Logger *slog.Logger
	// FS replaces the operating system's file system in tests.
	FS vfs.FS
}

// limits are the portable ones except for the size of a batch.
var limits = engine.Limits{
	MaxKey:        engine.Portable.MaxKey,
	MaxValue:      engine.Portable.MaxValue,
	MaxBatchOps:   10_000,
	MaxBatchBytes: 16 << 20,
}

const (
	defaultMemTableBytes = 16 << 20
	maxMemTableBytes     = 1 << 30
	// blockBytes of a table: against 4 KiB a scan took 0.63 of the time and a Get 0.8 to 0.9.
	blockBytes = 16 << 10
	// filterBits for each key keep a Get from reading a table in vain once in a hundred times.
	filterBits = 10
	// freeDelay is how long what a range deletion frees may wait for a flush.
	freeDelay = 10 * time.Second
	// apartBytes is the shortest value that lies in a file of its own: below, looking there costs
	// more than rewriting it.
	apartBytes = 4 << 10
	// apartGarbage is the part of those files that may be values nobody refers to any more before
	// Pebble rewrites them, and apartAge how old they must be.
	apartGarbage = 0.2
	apartAge     = time.Minute
	// apartDepth is how many of those files, overlapping, one table may refer to.
	apartDepth = 10
	// syncBytes is how much a file grows before the system is asked to begin writing it out, so
	// that a later sync finds little left to do.
	syncBytes = 512 << 10
)

// format is the version of the files. It is named, and not FormatNewest, so that a new release
// of Pebble does not migrate a store by being linked in. On disk; must not be lowered.
const format = pebble.FormatValueSeparation

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.CacheBytes <= 0 {
		out.CacheBytes = DefaultCacheBytes()
	}
	if out.MemTableBytes <= 0 {
		out.MemTableBytes = defaultMemTableBytes
	}
	out.MemTableBytes = min(out.MemTableBytes, maxMemTableBytes)
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.FS == nil {
		out.FS = vfs.Default
	}
	return out
}

// Tuned returns the options of Pebble that an engine with o has, less what guards it: its file
// system, lock, log and events. It is there to compare: with it, and without a line of this
// package, bare Pebble is what sealkv is measured against. Values are ciphertext, which does not compress.
func (o *Options) Tuned() *pebble.Options {
	d := o.withDefaults()
	return d.tuned()
}

func (o *Options) tuned() *pebble.Options {
	t := &pebble.Options{
		FormatMajorVersion:          format,
		ReadOnly:                    o.ReadOnly,
		CacheSize:                   o.CacheBytes,
		MemTableSize:                uint64(o.MemTableBytes),
		MemTableStopWritesThreshold: 4 * maxMemTables, // out of reach; see admission
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       math.MaxInt32,
		LBaseMaxBytes:               4 * int64(o.MemTableBytes),
		BytesPerSync:                syncBytes,
		WALBytesPerSync:             syncBytes,
		FlushDelayDeleteRange:       freeDelay,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 2 },
	}
	t.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	if !o.Apart.Empty() {
		t.Experimental.ValueSeparationPolicy = func() pebble.ValueSeparationPolicy {
			return pebble.ValueSeparationPolicy{
				Enabled: true, MinimumSize: apartBytes, MaxBlobReferenceDepth: apartDepth,
				RewriteMinimumAge: apartAge, TargetGarbageRatio: apartGarbage,
			}
		}
		t.Experimental.SpanPolicyFunc = o.spanPolicy
	}
	last := len(t.Levels) - 1
	for i := range t.Levels {
		t.Levels[i].BlockSize = blockBytes
		t.Levels[i].FilterPolicy = bloom.FilterPolicy(filterBits)
	}
	// A Get does not look at the filters of the last level, which holds most keys.
	t.Levels[last].FilterPolicy = pebble.NoFilterPolicy
	return t
}

// spanPolicy says where the values of keys from start to end lie.
func (o *Options) spanPolicy(start []byte) (policy pebble.SpanPolicy, end []byte, err error) {
	together := pebble.SpanPolicy{ValueStoragePolicy: pebble.ValueStorageLowReadLatency}
	switch {
	case bytes.Compare(start, o.Apart.Start) < 0:
		return together, o.Apart.Start, nil
	case bytes.Compare(start, o.Apart.End) < 0:
		return pebble.SpanPolicy{DisableValueSeparationBySuffix: true}, o.Apart.End, nil
	}
	return together, nil, nil
}
