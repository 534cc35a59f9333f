package pebble

import (
	"math"
	"runtime/debug"
	"sync"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// Bounds of DefaultCacheBytes.
const (
	minCacheBytes = 64 << 20
	maxCacheBytes = 1 << 30
	cacheShare    = 8 // the default is this part of the memory
)

// DefaultCacheBytes is what a CacheBytes of 0 means: an eighth of the memory that the process may
// use, which is the least of GOMEMLIMIT, its cgroup's limit and the machine's memory; at least 64 MiB
// and at most 1 GiB. The cache takes it as it fills.
var DefaultCacheBytes = sync.OnceValue(func() int64 {
	limit := uint64(debug.SetMemoryLimit(-1))
	for _, provider := range []memlimit.Provider{memlimit.FromCgroup, memlimit.FromSystem} {
		if n, err := provider(); err == nil && n > 0 {
			limit = min(limit, n)
		}
	}
	if limit >= math.MaxInt64 {
		return minCacheBytes // nobody knows
	}
	return min(max(int64(limit)/cacheShare, minCacheBytes), maxCacheBytes)
})
