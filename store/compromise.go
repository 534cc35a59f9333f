package store

import (
	"context"
	"slices"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
)

// CompromiseOptions of RotateCompromised. Nil means defaults.
type CompromiseOptions struct {
	// Sweep is how values are sealed anew; it is always of all namespaces.
	Sweep SweepOptions
	// Retire destroys the exposed keys that nothing needs afterwards.
	Retire bool
	// Anew makes new keys also where an earlier call has exposed keys that are not retired yet: when
	// those that it made may be known as well. Else such a call is gone on with.
	Anew bool
}

// A Compromise is how far the recovery from compromised keys has come.
type Compromise struct {
	Tenant    string          `json:"tenant"`
	Continued bool            `json:"continued"`            // an earlier call made the new keys, and this one none
	TenantKey uint32          `json:"tenant_key,omitempty"` // version of the new one
	Rotated   []keys.Rotation `json:"rotated"`
	Censuses  []Census        `json:"censuses"` // of the sweep
	Retired   []keys.KeyInfo  `json:"retired"`
	Exposed   []Coverage      `json:"exposed"` // exposed keys that are left, and why they are needed
}

// RotateCompromised recovers from keys that somebody may know: the tenant's key, and so every key
// below it. In one durable act there are a new tenant key and new data keys, and all earlier ones are
// exposed (keys.Keyring.ExposeKeys). Then a sweep seals every value anew, those in chunks under new
// content keys, and the engine rewrites its files, so that what the exposed keys open is in none of them.
//
// What is to be sealed anew is known by the keyring from then on. After a crash or an error reads and
// Sweep go on with it, and so does another call. The root stays: where it may be known too, RotateRoot
// comes first. Nothing brings back what was read with the keys before, or what they open in backups
// and in other copies of the files.
func (t *Tenant) RotateCompromised(ctx context.Context, opts *CompromiseOptions) (*Compromise, error) {
	var o CompromiseOptions
	if opts != nil {
		o = *opts
	}
	if t.store.opts.ReadOnly {
		return nil, ErrReadOnly
	}
	c := &Compromise{Tenant: t.id}
	exposed, err := t.exposed()
	if err != nil {
		return c, err
	}
	if c.Continued = exposed && !o.Anew; !c.Continued {
		x, err := t.store.keys.ExposeKeys(ctx, t.id)
		if err != nil {
			return c, translated(err)
		}
		c.TenantKey, c.Rotated = x.Version, x.Rotated
	}
	o.Sweep.Namespaces = nil
	if c.Censuses, err = t.Sweep(ctx, &o.Sweep); err == nil {
		err = t.forgetReplaced(ctx)
	}
	if err == nil && o.Retire {
		c.Retired, err = t.retireUnneeded(ctx, func(c Coverage) bool { return c.Exposed })
	}
	if err != nil {
		return c, err
	}
	c.Exposed, err = t.coverExposed(ctx)
	return c, err
}

// exposed reports whether somebody may know a data key of the tenant's that is not retired.
func (t *Tenant) exposed() (bool, error) {
	infos, err := t.DataKeys()
	return slices.ContainsFunc(infos, func(info keys.KeyInfo) bool {
		return info.Exposed && info.State != codec.StateRetired.String()
	}), err
}

// coverExposed is what the last sweep found under exposed keys.
func (t *Tenant) coverExposed(ctx context.Context) (out []Coverage, err error) {
	rows, err := t.Coverage(ctx)
	for _, row := range rows {
		if row.Exposed {
			out = append(out, row)
		}
	}
	return out, err
}

// forgetReplaced deletes the chunks of values that were sealed anew, and has the engine rewrite the
// files that replaced records, chunks and dictionaries are in.
func (t *Tenant) forgetReplaced(ctx context.Context) error {
	if err := t.store.collectWhatReads(ctx); err != nil {
		return err
	}
	var prefixes [][]byte
	for _, kind := range []codec.Kind{codec.KindRecord, codec.KindChunk, codec.KindDictionary} {
		prefixes = append(prefixes, codec.AppendTenantPrefix(nil, kind, t.id))
	}
	return translated(t.store.rewriteFiles(ctx, prefixes))
}
