package keys

import (
	"sync/atomic"
	"time"
)

type counters struct {
	rootCalls, rootErrors atomic.Uint64
}

// Stats of a keyring since it was opened.
type Stats struct {
	RootCalls  uint64 // wraps and unwraps asked of roots
	RootErrors uint64
	Open       int           // tenant keys in memory, the platform's included
	OldestKey  time.Duration // since the root that spoke longest ago vouched for a key still in memory
}

// Stats returns the counts of this moment. OldestKey stays below KeyTTL.
func (k *Keyring) Stats() Stats {
	out := Stats{RootCalls: k.stats.rootCalls.Load(), RootErrors: k.stats.rootErrors.Load()}
	now := k.opts.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.sessions {
		if s.parent != nil {
			out.Open++
			out.OldestKey = max(out.OldestKey, sessionAge(now, s.vouched))
		}
	}
	return out
}
