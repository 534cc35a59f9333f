package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store/engine"
)

// A Coverage is what is known of one data key: how much is under it, and whether it can be retired.
type Coverage struct {
	keys.KeyInfo
	// Swept is the end of the last sweep that was completed; zero if there was none.
	Swept time.Time `json:"swept,omitzero"`
	// Records and Bytes (of values, as they are sealed) are what that sweep left under the key, or of an
	// exact coverage what is under it now. Dictionaries count as records do.
	Records uint64 `json:"records"`
	Bytes   uint64 `json:"bytes"`
	// Needed is empty if the key can be retired, else why not.
	Needed string `json:"needed,omitempty"`
}

// unknown is the state and the domain of a number that the keyring does not have in a namespace.
const unknown = "?"

// CoverageOptions of Store.Coverage. Nil means all data keys, from the last sweeps.
type CoverageOptions struct {
	Tenant string // empty for all
	// Exact counts the records of now, by their heads. It needs no key, and what it says of records
	// is not authenticated: retiring trusts sweeps alone. It reads every record, but no chunk.
	Exact bool
	// Workers read at the same time; 0 means GOMAXPROCS. BytesPerSecond bounds them all together; 0
	// for no bound. While others use the store, one of them at a time takes a fifth of a processor,
	// unless it is Urgent. All of them are for an exact coverage.
	Workers        int
	BytesPerSecond int
	Urgent         bool
	// Progress is called now and then with how much was read.
	Progress func(records, bytes uint64)
}

// A CoverageReport is what Store.Coverage found.
type CoverageReport struct {
	Rows []Coverage `json:"rows"` // by tenant
	// Records and Bytes, keys included, are what an exact coverage has read, in the time that it Took.
	Records uint64        `json:"records"`
	Bytes   uint64        `json:"bytes"`
	Took    time.Duration `json:"took"`
}

// Coverage tells of each data key that is not retired what is under it and whether it can be retired:
// at once, as the last completed sweeps found it (what was written since then is under active keys),
// or exactly. An exact one also has rows for what must not be: records under a retired key, or under
// numbers that the keyring does not have in their namespace (State "?"), 0 being for no envelope.
func (s *Store) Coverage(ctx context.Context, opts *CoverageOptions) (*CoverageReport, error) {
	var o CoverageOptions
	if opts != nil {
		o = *opts
	}
	report := &CoverageReport{}
	counts := map[string]covered{}
	if o.Exact {
		var err error
		if counts, err = s.countHeads(ctx, &o, report); err != nil {
			return nil, err
		}
	}
	one := func(t *Tenant) error {
		rows, err := t.cover(ctx, counts[t.id], o.Exact)
		delete(counts, t.id)
		report.Rows = append(report.Rows, rows...)
		return err
	}
	if o.Tenant != "" {
		t, err := s.Tenant(o.Tenant)
		if err != nil {
			return nil, err
		}
		return report, one(t)
	}
	if err := s.eachTenant(one); err != nil {
		return nil, err
	}
	for id, c := range counts { // of tenants that the keyring does not have
		report.Rows = append(report.Rows, c.strays(id)...)
	}
	slices.SortStableFunc(report.Rows, func(a, b Coverage) int { return cmp.Compare(a.Tenant, b.Tenant) })
	return report, nil
}

// Coverage is Store.Coverage of one tenant, as the last completed sweeps found it.
func (t *Tenant) Coverage(ctx context.Context) ([]Coverage, error) { return t.cover(ctx, nil, false) }

// cover adds to the tenant's data keys what sweeps have found or, if it is exact, what was counted.
func (t *Tenant) cover(ctx context.Context, counted covered, exact bool) (rows []Coverage, err error) {
	infos, err := t.DataKeys()
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		count, found := counted.take(info)
		retired := info.State == codec.StateRetired.String()
		if retired && !found {
			continue
		}
		c, err := t.coverKey(ctx, info)
		if err != nil {
			return nil, err
		}
		if exact {
			c.Records, c.Bytes = count.Records, count.Bytes
		}
		switch {
		case retired:
			c.Needed = "it is retired: what is under it can never be read"
		case exact && count.Records > 0 && info.State == codec.StateDraining.String():
			c.Needed = fmt.Sprintf("%d records are under it", count.Records)
		}
		rows = append(rows, c)
	}
	return append(rows, counted.strays(t.id)...), nil
}

// coverKey tells of one data key what the last sweep found.
func (t *Tenant) coverKey(ctx context.Context, info keys.KeyInfo) (Coverage, error) {
	c := Coverage{KeyInfo: info}
	n, err := t.Namespace(info.Namespace)
	if errors.Is(err, ErrNamespaceUnknown) {
		c.Needed = "the policy has no rule for its namespace, so nothing can be swept there"
		return c, nil
	}
	if err != nil {
		return c, err
	}
	var state codec.Sweep
	found, err := n.loadSweep(ctx, codec.KindCensus, &state)
	if isForged(err) {
		c.Needed = "the last census of its namespace is not as it was written; sweep it again"
		return c, nil
	}
	if err != nil {
		return c, translated(err)
	}
	census := n.census(&state, found)
	if found {
		c.Swept = census.Updated
		count := census.under(info.Number)
		c.Records, c.Bytes = count.Records, count.Bytes
	}
	if c.Needed = t.store.needed(n, info, &census); c.Needed == "" {
		c.Needed, err = t.store.neededByBackup(info, &census)
	}
	return c, translated(err)
}

// covered is what was counted of one tenant, by namespace.
type covered map[string][]codec.KeyCount

// take returns the count of a key and takes it away.
func (c covered) take(info keys.KeyInfo) (count codec.KeyCount, found bool) {
	at := slices.IndexFunc(c[info.Namespace], func(k codec.KeyCount) bool { return k.Number == info.Number })
	if at < 0 {
		return count, false
	}
	count = c[info.Namespace][at]
	c[info.Namespace] = slices.Delete(c[info.Namespace], at, at+1)
	return count, true
}

// strays are what is left when the keyring's keys were taken.
func (c covered) strays(tenant string) (rows []Coverage) {
	for namespace, counts := range c {
		for _, k := range counts {
			rows = append(rows, Coverage{
				KeyInfo: keys.KeyInfo{Tenant: tenant, Namespace: namespace, Domain: unknown, Number: k.Number, State: unknown},
				Records: k.Records, Bytes: k.Bytes, Needed: "the keyring does not have it in this namespace",
			})
		}
	}
	slices.SortFunc(rows, func(a, b Coverage) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Number, b.Number))
	})
	return rows
}

// countHeads counts the records of a tenant, or of all.
func (s *Store) countHeads(ctx context.Context, o *CoverageOptions, report *CoverageReport) (map[string]covered, error) {
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	load := s.foreground
	if o.Urgent {
		load = nil
	}
	counters, sinks := make([]headCounter, workers), make([]headSink, workers)
	for i := range sinks {
		counters[i].tenants = map[string]covered{}
		sinks[i] = &counters[i]
	}
	began, pace := time.Now(), newPace(0, o.BytesPerSecond, load)
	for _, kind := range sealedKinds {
		records, bytes, err := s.scanHeads(ctx, tenantRange(kind, o.Tenant), sinks, pace, o.Progress)
		if err != nil {
			return nil, err
		}
		report.Records += records
		report.Bytes += bytes
	}
	report.Took = time.Since(began)
	all := map[string]covered{}
	for i := range counters {
		counters[i].mergeInto(all)
	}
	return all, nil
}

// sealedKinds are those whose values are envelopes, so that keys are needed for them.
var sealedKinds = []codec.Kind{codec.KindRecord, codec.KindDictionary}

// tenantRange is where what a tenant has of a kind lies, or if it is empty what all have.
func tenantRange(kind codec.Kind, tenant string) engine.Range {
	prefix := []byte{byte(kind)}
	if tenant != "" {
		prefix = codec.AppendTenantPrefix(nil, kind, tenant)
	}
	return engine.Range{Start: prefix, End: codec.PrefixEnd(prefix)}
}

// A headCounter counts records by the data keys that their heads name.
type headCounter struct {
	tenants map[string]covered

	env       codec.Envelope
	prefix    []byte // of the namespace that is being counted
	tenant    covered
	namespace string
	counts    []codec.KeyCount // in it
}

func (c *headCounter) head(key, envelope []byte) {
	if len(c.prefix) == 0 || !bytes.HasPrefix(key, c.prefix) {
		c.enter(key)
	}
	known := len(c.counts)
	if err := c.env.Parse(envelope); err != nil && len(c.env.Sealed) == 0 {
		c.counts = addCount(c.counts, 0, uint64(len(envelope)))
	} else if size := plainBytes(&c.env); !c.env.HasContentKey() {
		c.counts = addCount(c.counts, c.env.Number, size)
	} else {
		for _, r := range c.env.Recipients {
			c.counts = addCount(c.counts, r.Number, size)
		}
	}
	if len(c.counts) != known {
		c.tenant[c.namespace] = c.counts
	}
}

// enter goes on with the namespace that an engine key lies in. What is no key of a record counts
// for no tenant and no namespace.
func (c *headCounter) enter(key []byte) {
	k, err := codec.ParseKey(key)
	if c.prefix = c.prefix[:0]; err != nil {
		k = codec.Key{}
	} else {
		c.prefix = codec.AppendPrefix(c.prefix, k.Kind, string(k.Tenant), string(k.Namespace))
	}
	tenant := string(k.Tenant)
	if c.tenants[tenant] == nil {
		c.tenants[tenant] = covered{}
	}
	c.tenant, c.namespace = c.tenants[tenant], string(k.Namespace)
	c.counts = c.tenant[c.namespace]
}

func (c *headCounter) mergeInto(all map[string]covered) {
	for tenant, namespaces := range c.tenants {
		if all[tenant] == nil {
			all[tenant] = namespaces
			continue
		}
		for namespace, counts := range namespaces {
			sum := all[tenant][namespace]
			for _, k := range counts {
				sum = addCounts(sum, k)
			}
			all[tenant][namespace] = sum
		}
	}
}
