package keys

import (
	"context"
	"slices"

	"github.com/sealkv/sealkv/codec"
)

// An Exposure is what ExposeKeys did.
type Exposure struct {
	Version uint32     // of the new tenant key
	Rotated []Rotation // data keys that have a successor
	Exposed []uint32   // numbers of all data keys that somebody may know, ascending
}

// ExposeKeys says that somebody may know a tenant's keys. In one durable act the tenant gets a new
// tenant key under the same root, every data key that is not retired is exposed for good, in both domains,
// and each active one gets a successor: one of the tenant domain under the new tenant key, one of the
// platform domain under the platform key, which stays. It returns when nothing seals under an exposed key any more.
//
// From then on a value is stale that is under an exposed key, and is sealed anew where the
// tenant key's rotation, or a data key's, would only wrap it anew (DataKey.Exposed).
func (k *Keyring) ExposeKeys(ctx context.Context, tenant string) (x Exposure, err error) {
	all := func(*Space, *Lease) bool { return true }
	x.Version, err = k.changeTenantKey(ctx, tenant, all, func(e *editor) error {
		x.Exposed = nil // the act may run more than once
		if err := e.expose(&x); err != nil {
			return err
		}
		x.Rotated, err = e.rotate(func(string) bool { return true })
		return err
	})
	return x, err
}

// expose marks every data key of the tenant that is not retired.
func (e *editor) expose(x *Exposure) error {
	for i := range e.dataKeys {
		row := &e.dataKeys[i]
		if row.rec.State == codec.StateRetired {
			continue
		}
		row.rec.Exposed = true
		e.touched[row.KeyRow] = true
		x.Exposed = append(x.Exposed, row.Number)
		err := e.c.audit(e.platform, codec.AuditEntry{
			Act: ActKeyExpose, Tenant: row.Tenant, Namespace: row.Namespace, Domain: row.Domain, Number: row.Number,
		})
		if err != nil {
			return err
		}
	}
	slices.Sort(x.Exposed)
	return nil
}
