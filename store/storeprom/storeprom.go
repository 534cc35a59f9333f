// Package storeprom gives the figures of a store to Prometheus: those of [store.Store.Stats] and of
// [store.Store.Inventory], under names that begin with sealkv_. It only translates.
//
// No label holds a key, a user key, a value or a URI; none holds a tenant either, of which there may be
// 100,000: labels are of fixed sets, or names from the scope policy. What is to be known of one tenant
// is in Store.Coverage and Tenant.Info. A service with several stores registers each through
// [prometheus.WrapRegistererWith], with a label of its own.
package storeprom

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealkv/sealkv/store"
)

// Options of a Collector. Nil means defaults.
type Options struct {
	// InventoryEvery is how old an inventory may become before a scrape has another taken. The
	// metrics of tenants, data keys, records and backups are from it. 0 means 5 minutes; below 0 there
	// are none of them.
	InventoryEvery time.Duration
}

// maxWait bounds how long a scrape waits for an inventory; the next scrape has it then.
const maxWait = time.Second

// A Collector is a prometheus.Collector of one store. It is safe for concurrent use, and good until
// the store is closed: then it goes on with the last figures there were, so unregister it.
type Collector struct {
	store *store.Store
	every time.Duration

	mu     sync.Mutex
	newest *store.Inventory // nil before the first
	failed uint64
	tried  time.Time
	taking chan struct{} // closed when the inventory being taken is there; nil while none is
}

var _ prometheus.Collector = (*Collector)(nil)

// New returns a collector of s, which the caller registers.
func New(s *store.Store, opts *Options) *Collector {
	c := &Collector{store: s, every: 5 * time.Minute}
	if opts != nil && opts.InventoryEvery != 0 {
		c.every = opts.InventoryEvery
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range described {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	to, stats := sink{out}, c.store.Stats()
	to.stats(&stats)
	if c.every > 0 {
		newest, failed := c.inventory()
		to.inventory(newest, failed)
	}
}

func (s sink) stats(stats *store.Stats) {
	s.operations(stats)
	s.background(stats)
	s.keys(&stats.Keys)
	if stats.Engine != nil {
		s.engine(stats.Engine)
	}
}

// inventory returns the newest inventory, nil if there is none yet, and how many failed. If it is old
// it has another one taken.
func (c *Collector) inventory() (*store.Inventory, uint64) {
	if taking := c.takeIfOld(); taking != nil {
		select {
		case <-taking:
		case <-time.After(maxWait):
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newest, c.failed
}

func (c *Collector) takeIfOld() (taking <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taking == nil && (c.tried.IsZero() || time.Since(c.tried) >= c.every) {
		c.tried, c.taking = time.Now(), make(chan struct{})
		go c.take(c.taking)
	}
	return c.taking
}

// take ends when the inventory is there, or the store is closed.
func (c *Collector) take(done chan struct{}) {
	defer close(done)
	got, err := c.store.Inventory(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taking = nil; err != nil {
		c.failed++
		return
	}
	c.newest = got
}
