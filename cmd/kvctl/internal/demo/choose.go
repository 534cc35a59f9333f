package demo

import (
	"cmp"
	"slices"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
	"github.com/sealkv/sealkv/scope"
)

// choose picks the tenant whose data shows most: some under its own keys, some in a transition and
// some under the platform's. other is the one after it with most under its own keys.
func choose(rows []transfer.Count, policy *scope.Policy) (tenant, other string) {
	type profile struct {
		id      string
		domains map[scope.Domain]uint64 // records
	}
	var profiles []*profile
	for _, row := range rows {
		rule, err := policy.Lookup(row.Namespace)
		if err != nil {
			continue // the import says so
		}
		if len(profiles) == 0 || profiles[len(profiles)-1].id != row.Tenant {
			profiles = append(profiles, &profile{id: row.Tenant, domains: map[scope.Domain]uint64{}})
		}
		profiles[len(profiles)-1].domains[rule.Domain] += row.Records
	}
	slices.SortStableFunc(profiles, func(a, b *profile) int {
		return cmp.Or(cmp.Compare(len(b.domains), len(a.domains)), cmp.Compare(b.domains[scope.Tenant], a.domains[scope.Tenant]))
	})
	switch len(profiles) {
	case 0:
		return rows[0].Tenant, ""
	case 1:
		return profiles[0].id, ""
	}
	return profiles[0].id, profiles[1].id
}
