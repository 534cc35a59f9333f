package demo

import (
	"context"

	"github.com/sealkv/sealkv/store"
)

// A value is where one of the tenant's values is.
type value struct {
	n   *store.Namespace
	key []byte
}

// values lists a tenant's values, namespace after namespace.
func (d *demo) values(ctx context.Context, tenant string) ([]value, error) {
	t, err := d.st.Tenant(tenant)
	if err != nil {
		return nil, err
	}
	var out []value
	for _, row := range d.survey.Rows {
		if row.Tenant != tenant {
			continue
		}
		n, err := t.Namespace(row.Namespace)
		if err != nil {
			return nil, err
		}
		for e, err := range n.Scan(ctx, &store.ScanOptions{KeysOnly: true}) {
			if err != nil {
				return nil, err
			}
			out = append(out, value{n, e.Key})
		}
	}
	return out, nil
}
