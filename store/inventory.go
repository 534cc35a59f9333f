package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
)

// An Inventory is what a store has of tenants, keys, records and backups, summed up over all tenants.
type Inventory struct {
	Taken   time.Time         // when it was begun
	Tenants map[string]uint64 // by their Status
	Keys    []InventoryRow    // by namespace, domain and state
	Backups []BackupInfo
	// Unread are the censuses that are not as they were written; Keys does without.
	Unread uint64
}

// An InventoryRow sums up the data keys of one state, in one domain, of one namespace of all tenants.
type InventoryRow struct {
	Namespace, Domain, State string
	Keys                     uint64
	Unswept                  uint64 // of those, in namespaces of tenants that no sweep came to the end of yet
	// Records and Bytes (of values) are what the last sweeps left under them. Of what was written since
	// then they know nothing; Store.Coverage counts that.
	Records, Bytes uint64
	Oldest         time.Time // when the first of those keys was minted
}

// Inventory reads the keyring, of which it verifies nothing, and the last censuses, but no record. It
// goes through all tenants, and after others who use the store: call it every few minutes at most.
func (s *Store) Inventory(ctx context.Context) (*Inventory, error) {
	i := inventory{store: s, rows: map[[3]string]*InventoryRow{}, pace: newPace(0, 0, s.foreground)}
	i.Taken, i.Tenants = s.opts.Now(), map[string]uint64{}
	var err error
	if i.Backups, err = s.Backups(); err != nil {
		return nil, err
	}
	if err := s.eachTenantInfo(func(info keys.TenantInfo) error { return i.addTenant(ctx, info) }); err != nil {
		return nil, translated(err)
	}
	for _, row := range i.rows {
		i.Keys = append(i.Keys, *row)
	}
	slices.SortFunc(i.Keys, func(a, b InventoryRow) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.State, b.State))
	})
	return &i.Inventory, nil
}

// inventory is one being taken.
type inventory struct {
	Inventory
	store *Store
	rows  map[[3]string]*InventoryRow
	pace  *pace
}

func (i *inventory) addTenant(ctx context.Context, tenant keys.TenantInfo) error {
	began := time.Now()
	i.Tenants[tenant.Status()]++
	infos, err := i.store.keys.DataKeys(tenant.ID)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, info := range infos {
		names[info.Namespace] = true
	}
	for name := range maps.Keys(names) {
		if err := i.addNamespace(ctx, namespaceID{tenant.ID, name}, infos); err != nil {
			return err
		}
	}
	return i.pace.end(ctx, 0, began)
}

// addNamespace adds the keys of a namespace with what its last census says. It makes no handle:
// it needs none.
func (i *inventory) addNamespace(ctx context.Context, id namespaceID, infos []keys.KeyInfo) error {
	n := &Namespace{store: i.store, id: id}
	var state codec.Sweep
	swept, err := n.loadSweep(ctx, codec.KindCensus, &state)
	switch {
	case isForged(err):
		i.Unread++
	case err != nil:
		return err
	}
	census := n.census(&state, swept)
	for _, info := range infos {
		if info.Namespace == id.name {
			i.add(info, swept, census.under(info.Number))
		}
	}
	return nil
}

func (i *inventory) add(info keys.KeyInfo, swept bool, under CensusCount) {
	at := [3]string{info.Namespace, info.Domain, info.State}
	row := i.rows[at]
	if row == nil {
		row = &InventoryRow{Namespace: info.Namespace, Domain: info.Domain, State: info.State, Oldest: info.Created}
		i.rows[at] = row
	}
	row.Keys++
	row.Records += under.Records
	row.Bytes += under.Bytes
	if !swept {
		row.Unswept++
	}
	if info.Created.Before(row.Oldest) {
		row.Oldest = info.Created
	}
}
