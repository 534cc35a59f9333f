package demo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store"
)

// parts is in how many parts the tenant's values are read while the share grows.
const parts = 4

func (d *demo) rotate(ctx context.Context) error {
	d.step(fmt.Sprintf("Rotate the data keys of %s; a value follows when it is read", d.tenant))
	d.command("keys rotate %s", d.tenant)
	t, err := d.st.Tenant(d.tenant)
	if err != nil {
		return err
	}
	rotations, err := t.RotateDataKeys(ctx)
	if err != nil {
		return err
	}
	d.line("%s took over; nothing was rewritten.", human.Counted(len(rotations), "new data key"))
	all, err := d.values(ctx, d.tenant)
	if err != nil {
		return err
	}
	if err := d.share(ctx, rotations, 0); err != nil {
		return err
	}
	for i := range parts {
		from, to := len(all)*i/parts, len(all)*(i+1)/parts
		if err := d.read(ctx, all[from:to]); err != nil {
			return err
		}
		if err := d.share(ctx, rotations, to); err != nil {
			return err
		}
	}
	stats := d.st.Stats()
	d.line("%s values were rewrapped in the background as they were read; %s failed.", human.Count(stats.Rewrapped), human.Count(stats.Failed))
	return nil
}

// block is how many values are read before the rewrapper is waited for: fewer than its queue holds.
const block = 512

// read reads values and waits until what it hinted at is rewrapped.
func (d *demo) read(ctx context.Context, values []value) error {
	for part := range slices.Chunk(values, block) {
		before := settled(d.st.Stats())
		for _, v := range part {
			if _, err := v.n.Get(ctx, v.key); err != nil {
				return err
			}
		}
		deadline := time.Now().Add(5 * time.Second)
		for settled(d.st.Stats())-before < uint64(len(part)) && time.Now().Before(deadline) {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Microsecond):
			}
		}
	}
	return nil
}

// settled is how many hints have found an end.
func settled(s store.Stats) uint64 { return s.Rewrapped + s.Lost + s.Failed + s.Dropped }

// share prints how much of the tenant's data is under the new keys.
func (d *demo) share(ctx context.Context, rotations []keys.Rotation, read int) error {
	rows, err := d.st.Usage(ctx, d.tenant)
	if err != nil {
		return err
	}
	old := map[uint32]bool{}
	for _, r := range rotations {
		old[r.From] = true
	}
	var renewed, all uint64
	for _, row := range rows {
		all += row.Records
		if !slices.ContainsFunc(row.Keys, func(key uint32) bool { return old[key] }) {
			renewed += row.Records
		}
	}
	whole := human.Count(all)
	d.line("%*s of %s read  %s  %3d %% under the new keys", len(whole), human.Count(uint64(read)), whole, d.bar(renewed, all), percent(renewed, all))
	return nil
}
