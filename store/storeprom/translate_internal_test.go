package storeprom

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/latency"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// figures are what a store might say.
type figures struct {
	Stats     store.Stats
	Inventory store.Inventory
	Failed    uint64
}

func (f *figures) Describe(out chan<- *prometheus.Desc) { (&Collector{}).Describe(out) }

func (f *figures) Collect(out chan<- prometheus.Metric) {
	sink{out}.stats(&f.Stats)
	sink{out}.inventory(&f.Inventory, f.Failed)
}

func (f *figures) String() string {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(f)
	families, err := registry.Gather()
	if err != nil {
		panic(err)
	}
	return fmt.Sprint(families)
}

// zero has every figure that there is, all of them 0.
func zero() *figures {
	times := func() latency.Snapshot { return latency.Snapshot{Counts: make([]uint64, len(latency.Bounds())+1)} }
	f := &figures{}
	for op := range 10 {
		s := store.OperationStats{Outcomes: make([]uint64, 11), Latency: times()}
		if store.Operation(op).OneIn() == 0 {
			s.Latency = latency.Snapshot{}
		}
		f.Stats.Operations = append(f.Stats.Operations, s)
	}
	f.Stats.Keys = keys.Stats{Wraps: keys.RootStats{Latency: times()}, Unwraps: keys.RootStats{Latency: times()}}
	f.Stats.Engine = &pebble.Metrics{}
	f.Inventory.Keys = []store.InventoryRow{{Namespace: "jira/comments", Domain: "tenant", State: "active"}}
	f.Inventory.Tenants = map[string]uint64{}
	f.Inventory.Backups = []store.BackupInfo{{Complete: true}, {}}
	return f
}

// untranslated are figures that are in the metrics in another way.
var untranslated = []string{
	".Stats.Keys.RootCalls", ".Stats.Keys.RootErrors", // sums of others
	fmt.Sprintf(".Stats.Operations[%d].Latency.Sum", store.OpScan), // which are not timed
	fmt.Sprintf(".Stats.Operations[%d].Latency.Sum", store.OpCreate),
	".Inventory.Backups[1].Began",                                    // it is not complete
	".Inventory.Backups[0].Highest", ".Inventory.Backups[1].Highest", // a backup's own affair
}

// Every figure that a store gives is in the metrics: changing it alone changes them.
func TestEveryFigureIsTranslated(t *testing.T) {
	before := zero().String()
	changed := 0
	visit := func(path string, change func(f *figures)) {
		if slices.Contains(untranslated, path) {
			return
		}
		f := zero()
		if change(f); f.String() == before {
			t.Errorf("%s is in no metric", path)
		}
		changed++
	}
	walk(reflect.ValueOf(zero()).Elem(), "", func(f *figures) reflect.Value { return reflect.ValueOf(f).Elem() }, visit)
	for _, status := range []string{"hosted", "enrolled", "revoked", "shredded"} {
		visit(".Inventory.Tenants "+status, func(f *figures) { f.Inventory.Tenants[status] = 1 })
	}
	if changed < 250 {
		t.Errorf("only %d figures were changed", changed)
	}
}

// walk calls visit for each number and each time that v holds, with what changes it in other figures.
func walk(v reflect.Value, path string, in func(*figures) reflect.Value, visit func(string, func(*figures))) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		visit(path, func(f *figures) { in(f).Set(reflect.ValueOf(time.Unix(1, 0))) })
	case v.CanInt():
		visit(path, func(f *figures) { in(f).SetInt(int64(time.Second)) })
	case v.CanUint():
		visit(path, func(f *figures) { in(f).SetUint(1) })
	case v.Kind() == reflect.Bool:
		visit(path, func(f *figures) { in(f).SetBool(!v.Bool()) })
	case v.Kind() == reflect.Pointer:
		walk(v.Elem(), path, func(f *figures) reflect.Value { return in(f).Elem() }, visit)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), func(f *figures) reflect.Value { return in(f).Index(i) }, visit)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), path+"."+v.Type().Field(i).Name, func(f *figures) reflect.Value { return in(f).Field(i) }, visit)
		}
	}
}
