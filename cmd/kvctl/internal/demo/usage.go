package demo

import (
	"cmp"
	"context"
	"slices"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

// usage prints what is sealed under whose keys.
func (d *demo) usage(ctx context.Context) error {
	d.step("What is sealed under whose keys")
	d.command("stats")
	rows, err := d.st.Usage(ctx, "")
	if err != nil {
		return err
	}
	var cells [][]string
	for _, s := range sums(rows) {
		cells = append(cells, []string{s.namespace, owner(s.domain), human.Count(uint64(len(s.tenants))),
			human.Count(uint64(len(s.keys))), human.Count(s.records), human.Size(s.bytes)})
	}
	d.table([]string{"namespace", "under the keys of", ">tenants", ">data keys", ">records", ">bytes"}, cells)
	return nil
}

// A sum is the usage of a namespace by all tenants.
type sum struct {
	namespace, domain string
	tenants           map[string]bool
	keys              map[uint32]bool
	records, bytes    uint64
}

// sums adds usage up, what is under tenants' keys first.
func sums(rows []store.Usage) []*sum {
	var out []*sum
	for _, row := range rows {
		i := slices.IndexFunc(out, func(s *sum) bool { return s.namespace == row.Namespace && s.domain == row.Domain })
		if i < 0 {
			i = len(out)
			out = append(out, &sum{row.Namespace, row.Domain, map[string]bool{}, map[uint32]bool{}, 0, 0})
		}
		s := out[i]
		s.records += row.Records
		s.bytes += row.Bytes
		s.tenants[row.Tenant] = true
		for _, key := range row.Keys {
			s.keys[key] = true
		}
	}
	slices.SortFunc(out, func(a, b *sum) int {
		return cmp.Or(cmp.Compare(rank(a.domain), rank(b.domain)), cmp.Compare(a.namespace, b.namespace))
	})
	return out
}

// rank orders domains for people.
func rank(domain string) int { return slices.Index([]string{"tenant", "both", "platform"}, domain) }

func owner(domain string) string {
	if domain == scope.Both.String() {
		return "both: a transition"
	}
	return "the " + domain
}
