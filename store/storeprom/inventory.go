package storeprom

import (
	"time"

	"github.com/sealkv/sealkv/store"
)

var (
	taken = desc("inventory_timestamp_seconds",
		"When the inventory was taken that the metrics of tenants, data keys, records and backups are from.")
	inventoryErrors = desc("inventory_errors_total", "Inventories that could not be taken.")
	unread          = desc("unreadable_censuses", "Censuses that are not as they were written.")

	tenants  = desc("tenants", "Tenants by status: hosted, enrolled, revoked, shredded.", "status")
	dataKeys = desc("data_keys", "Data keys of all tenants by namespace, domain and state.", "namespace", "domain", "state")
	unswept  = desc("unswept_data_keys",
		"Data keys in namespaces of tenants that no sweep has come to the end of: of their records nothing is known.", "namespace", "domain", "state")
	records = desc("records",
		"Records as the last sweeps left them, by the state that their data keys have now. Those with two recipients count twice.", "namespace", "domain", "state")
	recordBytes = desc("record_value_bytes",
		"Bytes of the values of those records.", "namespace", "domain", "state")
	oldestDataKey = desc("oldest_data_key_timestamp_seconds",
		"When the oldest of those data keys was minted.", "namespace", "domain", "state")

	backups      = desc("backups", "Registered backups: complete, or pending while they are made and after they were cut short.", "state")
	newestBackup = desc("newest_backup_timestamp_seconds", "When the newest complete backup was begun.")
)

func (s sink) inventory(i *store.Inventory, failed uint64) {
	s.count(inventoryErrors, failed)
	if i == nil {
		return
	}
	s.time(taken, i.Taken)
	s.gauge(unread, float64(i.Unread))
	for _, status := range []string{"hosted", "enrolled", "revoked", "shredded"} {
		s.gauge(tenants, float64(i.Tenants[status]), status)
	}
	for _, row := range i.Keys {
		s.gauge(dataKeys, float64(row.Keys), row.Namespace, row.Domain, row.State)
		s.gauge(unswept, float64(row.Unswept), row.Namespace, row.Domain, row.State)
		s.gauge(records, float64(row.Records), row.Namespace, row.Domain, row.State)
		s.gauge(recordBytes, float64(row.Bytes), row.Namespace, row.Domain, row.State)
		s.time(oldestDataKey, row.Oldest, row.Namespace, row.Domain, row.State)
	}
	s.backups(i.Backups)
}

func (s sink) backups(list []store.BackupInfo) {
	var (
		complete float64
		newest   time.Time
	)
	for _, b := range list {
		if b.Complete {
			complete++
			newest = b.Began // they are in the order in which they began
		}
	}
	s.gauge(backups, complete, "complete")
	s.gauge(backups, float64(len(list))-complete, "pending")
	s.time(newestBackup, newest)
}
