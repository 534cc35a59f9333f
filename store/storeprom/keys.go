package storeprom

import "github.com/sealkv/sealkv/keys"

var (
	rootCalls = desc("root_calls_total",
		"Calls to root keys (a KMS, an HSM, a key file) by what was asked and how it was answered.", "call", "outcome")
	rootSeconds = desc("root_call_duration_seconds",
		"How long root keys took to answer, with errors too.", "call")
	openedKeys = desc("opened_parent_keys",
		"Tenant keys, and the platform's, that are open in memory.")
	oldestKey = desc("oldest_opened_key_age_seconds",
		"How long ago the root vouched for the key in memory of which that is longest. It stays below KeyTTL.")
	leases = desc("namespaces_opened",
		"Namespaces of tenants whose data keys are open in memory.")
	draining = desc("leases_draining",
		"Sets of opened data keys that were replaced and that an operation still uses. A rotation or revocation waits for them.")
	loads = desc("key_loads_total",
		"How often the data keys of a namespace were not open and were opened, by outcome. Other operations found them open.", "outcome")
)

func (s sink) keys(stats *keys.Stats) {
	for call, r := range map[string]*keys.RootStats{"wrap": &stats.Wraps, "unwrap": &stats.Unwraps} {
		s.counts(rootCalls, map[string]uint64{
			"ok": r.Calls - min(r.Calls, r.Errors()), "revoked": r.Revoked, "unavailable": r.Unavailable,
			"throttled": r.Throttled, "invalid": r.Invalid, "error": r.Other,
		}, call)
		s.histogram(rootSeconds, r.Latency, call)
	}
	s.gauge(openedKeys, float64(stats.Open))
	s.gauge(oldestKey, stats.OldestKey.Seconds())
	s.gauge(leases, float64(stats.Leases))
	s.gauge(draining, float64(stats.Draining))
	s.counts(loads, map[string]uint64{"ok": stats.Loads - min(stats.Loads, stats.FailedLoads), "error": stats.FailedLoads})
}
