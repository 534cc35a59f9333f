package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

func (d *demo) revoke(ctx context.Context) error {
	d.step(fmt.Sprintf("%s revokes its key", d.tenant))
	d.command("tenant revoke %s", d.tenant)
	t, err := d.st.Tenant(d.tenant)
	if err != nil {
		return err
	}
	if err := t.Revoke(ctx); err != nil {
		return err
	}
	rows, err := d.readable(ctx, d.tenant)
	if err != nil {
		return err
	}
	d.example(ctx, rows)
	cells := make([][]string, 0, len(rows)+1)
	for _, r := range rows {
		cells = append(cells, []string{r.namespace, r.share(), d.verdict(r)})
	}
	if d.other != "" {
		others, err := d.readable(ctx, d.other)
		if err != nil {
			return err
		}
		cells = append(cells, []string{"all data of " + d.other, total(others).share(), d.good("reads") + ", another tenant"})
	}
	d.table([]string{"namespace", ">values that read", ""}, cells)
	return nil
}

// A readability is how many values of a namespace read, and why others do not.
type readability struct {
	namespace, domain string
	reads, dark       uint64
	failed            *value // that is dark
	err               error  // of it
}

func (r readability) share() string {
	return human.Count(r.reads) + " of " + human.Count(r.reads+r.dark)
}

// verdict says in words what became of a namespace.
func (d *demo) verdict(r readability) string {
	switch {
	case errors.Is(r.err, store.ErrKeyRevoked):
		return d.dark("dark") + ", under the tenant's revoked key"
	case r.err != nil:
		return d.dark("does not open") + ", " + r.err.Error()
	case r.domain == scope.Both.String():
		return d.good("reads") + " through the platform's key while the transition lasts"
	}
	return d.good("reads") + ", under the keys of the " + r.domain
}

// example gets one value that is dark now, a comment if there is one.
func (d *demo) example(ctx context.Context, rows []readability) {
	var dark *value
	for _, r := range rows {
		if r.failed != nil && typeable(r.failed.key) && (dark == nil || r.namespace == "jira/comments") {
			dark = r.failed
		}
	}
	if dark == nil {
		return
	}
	d.command("get %s %s %s", d.tenant, dark.n.Name(), quote(string(dark.key)))
	if _, err := dark.n.Get(ctx, dark.key); err != nil {
		d.line("%s", d.dark(d.Message(err)))
	}
}

// readable tries every value of a tenant. What is under the tenant's keys comes first.
func (d *demo) readable(ctx context.Context, tenant string) ([]readability, error) {
	domains, err := d.domains(ctx, tenant)
	if err != nil {
		return nil, err
	}
	all, err := d.values(ctx, tenant)
	if err != nil {
		return nil, err
	}
	var rows []readability
	for _, v := range all {
		if len(rows) == 0 || rows[len(rows)-1].namespace != v.n.Name() {
			rows = append(rows, readability{namespace: v.n.Name(), domain: domains[v.n.Name()]})
		}
		row := &rows[len(rows)-1]
		_, err := v.n.Get(ctx, v.key)
		var record *store.RecordError
		switch {
		case err == nil:
			row.reads++
		case !errors.As(err, &record):
			return nil, err
		default:
			if row.dark++; row.failed == nil || !typeable(row.failed.key) {
				row.failed, row.err = &v, err
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b readability) int { return cmp.Compare(rank(a.domain), rank(b.domain)) })
	return rows, nil
}

// domains is under whose keys a tenant's namespaces are.
func (d *demo) domains(ctx context.Context, tenant string) (map[string]string, error) {
	rows, err := d.st.Usage(ctx, tenant)
	out := map[string]string{}
	for _, row := range rows {
		out[row.Namespace] = row.Domain
	}
	return out, err
}

func total(rows []readability) (sum readability) {
	for _, r := range rows {
		sum.reads += r.reads
		sum.dark += r.dark
	}
	return sum
}

func (d *demo) restore(ctx context.Context) error {
	d.step(fmt.Sprintf("%s restores its key", d.tenant))
	d.command("tenant restore %s", d.tenant)
	t, err := d.st.Tenant(d.tenant)
	if err != nil {
		return err
	}
	if err := t.Restore(ctx); err != nil {
		return err
	}
	rows, err := d.readable(ctx, d.tenant)
	if err != nil {
		return err
	}
	d.line("%s values of %s read.", total(rows).share(), d.tenant)
	return nil
}
