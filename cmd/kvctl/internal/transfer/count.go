package transfer

import (
	"cmp"
	"slices"
	"time"
)

// A Count is what was done for one namespace of one tenant. Records is the sum of what follows
// Bytes.
type Count struct {
	Tenant    string `json:"tenant"`
	Namespace string `json:"namespace"`
	Records   uint64 `json:"records"`
	Bytes     uint64 `json:"bytes"` // of values
	New       uint64 `json:"new"`
	Replaced  uint64 `json:"replaced"`
	Unchanged uint64 `json:"unchanged"` // the store had the same value and was not written to
	Expired   uint64 `json:"expired"`   // older than the namespace's max-age, and so left out
}

func (c *Count) add(o Count) {
	c.Records += o.Records
	c.Bytes += o.Bytes
	c.New += o.New
	c.Replaced += o.Replaced
	c.Unchanged += o.Unchanged
	c.Expired += o.Expired
}

// A Result is what Import, Verify and Survey did.
type Result struct {
	Rows    []Count       `json:"rows"`    // by tenant and namespace
	Files   int           `json:"files"`   // of JSON lines
	Created []string      `json:"created"` // tenants that were not there
	Ignored []string      `json:"ignored"` // files of folders that are no input
	Failed  int           `json:"failed"`  // lines and files, with ContinueOnError
	Elapsed time.Duration `json:"elapsed_ns"`
	// Apart is how many rows of metadata name contents that were not imported with them: because
	// they came from no folder, because of NoAttachments, or because the row says so.
	Apart int `json:"apart"`
}

// Total is the sum of all rows.
func (r *Result) Total() (total Count) {
	for _, row := range r.Rows {
		total.add(row)
	}
	return total
}

// Tenants is the number of different tenants.
func (r *Result) Tenants() (n int) {
	var last string
	for _, row := range r.Rows {
		if row.Tenant != last {
			n, last = n+1, row.Tenant
		}
	}
	return n
}

// A tally counts by namespace. Each worker has its own.
type tally map[*target]*Count

func (t tally) of(to *target) *Count {
	c := t[to]
	if c == nil {
		c = &Count{Tenant: to.tenant, Namespace: to.namespace}
		t[to] = c
	}
	return c
}

// rows sums tallies up, by tenant and namespace.
func rows(tallies []tally) []Count {
	sums := tally{}
	for _, t := range tallies {
		for to, c := range t {
			sums.of(to).add(*c)
		}
	}
	out := make([]Count, 0, len(sums))
	for _, c := range sums {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Namespace, b.Namespace))
	})
	return out
}
