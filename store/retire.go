package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
)

// ErrNeeded says that a data key cannot be retired, because something may need it; the error
// says what.
var ErrNeeded = errors.New("store: the data key may still be needed")

// needed says why a data key cannot be retired, or nothing. It trusts a census alone that began
// when the key was draining already: what came after it was sealed under others.
func (s *Store) needed(n *Namespace, info keys.KeyInfo, census *Census) string {
	switch count := census.under(info.Number); {
	case info.State == codec.StateActive.String():
		return "it is active; rotate it first"
	case census.Epoch < info.Since:
		return "not swept since it drains"
	case count.Records > 0:
		return fmt.Sprintf("%d records under it do not open, and so could not be moved", count.Records)
	case census.under(0).Records > 0:
		return fmt.Sprintf("%d records are no envelopes, so nobody can tell their key", census.under(0).Records)
	}
	return s.heldOpen(n)
}

// RetireDataKey destroys a data key that drains, durably and for good, if a completed sweep that
// began since then has found nothing under it; else it returns ErrNeeded and says what needs it.
// With force it destroys it all the same, and what it sealed is gone: the audit log says so. It
// waits for a backup under way. A key that is retired already is no error: what was cut short is
// completed. A number that the tenant has no key of in the namespace is ErrKeyMismatch.
func (t *Tenant) RetireDataKey(ctx context.Context, namespace string, number uint32, force bool) error {
	if t.store.opts.ReadOnly {
		return ErrReadOnly
	}
	if err := t.store.backups.Acquire(ctx, allBackups); err != nil {
		return err
	}
	defer t.store.backups.Release(allBackups)
	info, err := t.dataKey(namespace, number)
	if err != nil {
		return err
	}
	if info.State == codec.StateRetired.String() {
		return translated(t.store.keys.RetireDataKey(ctx, t.id, namespace, number, ""))
	}
	c, err := t.coverKey(ctx, info)
	if err != nil {
		return err
	}
	proof := fmt.Sprintf("nothing under it in the sweep that ended %s", c.Swept.Format(time.RFC3339))
	switch {
	case c.Needed != "" && !force:
		return fmt.Errorf("%w: data key %d of %s in %s: %s", ErrNeeded, number, t.id, namespace, c.Needed)
	case c.Needed != "":
		proof = "forced, although " + c.Needed
	}
	if err := t.store.engine.Sync(ctx); err != nil { // the rewraps, before what makes them needed
		return translated(err)
	}
	return translated(t.store.keys.RetireDataKey(ctx, t.id, namespace, number, proof))
}

// RetireDataKeys destroys every draining data key of the namespaces, or of all, that nothing needs any
// more, as RetireDataKey does, and returns those that it has destroyed. It is no error that others are needed:
// Coverage tells why.
func (t *Tenant) RetireDataKeys(ctx context.Context, namespaces ...string) ([]keys.KeyInfo, error) {
	return t.retireUnneeded(ctx, func(c Coverage) bool {
		return len(namespaces) == 0 || slices.Contains(namespaces, c.Namespace)
	})
}

func (t *Tenant) retireUnneeded(ctx context.Context, match func(Coverage) bool) (retired []keys.KeyInfo, err error) {
	rows, err := t.Coverage(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range rows {
		if c.Needed != "" || !match(c) {
			continue
		}
		err := t.RetireDataKey(ctx, c.Namespace, c.Number, false)
		if errors.Is(err, ErrNeeded) {
			continue // somebody has come to need it
		}
		if err != nil {
			return retired, err
		}
		retired = append(retired, c.KeyInfo)
	}
	return retired, nil
}

func (t *Tenant) dataKey(namespace string, number uint32) (keys.KeyInfo, error) {
	infos, err := t.DataKeys()
	if err != nil {
		return keys.KeyInfo{}, err
	}
	for _, info := range infos {
		if info.Namespace == namespace && info.Number == number {
			return info, nil
		}
	}
	return keys.KeyInfo{}, fmt.Errorf("%w: %s has no data key %d in %s", ErrKeyMismatch, t.id, number, namespace)
}
