package storeprom_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/storeprom"
)

type world struct {
	*store.Store
	dir   string
	roots roottest.Opener
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: filepath.Join(t.TempDir(), "store"), roots: roottest.Opener{}}
	for _, name := range []string{"platform", "acme", "other"} {
		w.roots["test://"+name] = roottest.NewKey(name)
	}
	var err error
	w.Store, err = store.Create(t.Context(), w.dir, "test://platform", &store.Options{
		Roots: w.roots, CollectEvery: -1, CacheBytes: 16 << 20, ValueCacheBytes: 1 << 20, MemTableBytes: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func (w *world) add(t *testing.T, tenant string) (*store.Tenant, *store.Namespace) {
	t.Helper()
	tn, err := w.AddTenant(t.Context(), tenant, &store.TenantOptions{Root: "test://" + tenant})
	if err != nil {
		t.Fatal(err)
	}
	n, err := tn.Namespace("jira/comments")
	if err != nil {
		t.Fatal(err)
	}
	return tn, n
}

// gather scrapes all metrics that are not 0, each with its labels.
func gather(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			if v != 0 {
				out[family.GetName()+"{"+strings.Join(labels, ",")+"}"] = v
			}
		}
	}
	return out
}

// What a store goes through moves every metric that there is. Those that need luck, an error or a
// moment are in the list; that each figure is translated is another test.
func TestMetricsMove(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(storeprom.New(w.Store, &storeprom.Options{InventoryEvery: time.Nanosecond})); err != nil {
		t.Fatal(err)
	}
	acme, n := w.add(t, "acme")
	_, other := w.add(t, "other")
	fine := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	long := bytes.Repeat([]byte("secret"), 100_000)
	for i := range 200 {
		key := fmt.Appendf(nil, "user-key-%d", i)
		fine(n.Put(ctx, key, long[:10_000]))
		_, err := n.Get(ctx, key)
		_, again := n.Get(ctx, key)
		_, has := n.Has(ctx, key)
		fine(err, again, has, n.PutIfAbsent(ctx, append(key, '+'), nil), n.CompareAndSwap(ctx, key, long[:10_000], long[:10_000]))
	}
	for i := range 200 {
		fine(n.Delete(ctx, fmt.Appendf(nil, "user-key-%d+", i)))
	}
	batch := w.NewBatch()
	fine(batch.Put(other, []byte("user-key"), nil), batch.Commit(ctx))
	for _, err := range n.Scan(ctx, nil) {
		fine(err)
	}
	writer, err := n.Create(ctx, []byte("user-key-stream"), nil)
	fine(err)
	_, err = io.Copy(writer, bytes.NewReader(long))
	fine(err, writer.Close())
	reader, err := n.Open(ctx, []byte("user-key-stream"))
	fine(err)
	defer reader.Close()
	snapshot, err := w.Snapshot(ctx)
	fine(err)
	defer snapshot.Close()

	_, err = acme.RotateDataKeys(ctx)
	fine(err)
	for i := range 10 {
		_, err := n.Get(ctx, fmt.Appendf(nil, "user-key-%d", i))
		fine(err)
	}
	var during map[string]float64
	_, err = acme.Sweep(ctx, &store.SweepOptions{Urgent: true, Progress: func(store.SweepProgress) { during = gather(t, registry) }})
	fine(err)
	if during["sealkv_sweeps_running{}"] != 1 {
		t.Error("a sweep that runs is not in the metrics")
	}
	_, err = acme.Sweep(ctx, nil)
	fine(err, w.Collect(ctx))
	_, err = w.Backup(ctx, filepath.Join(t.TempDir(), "backup"))
	fine(err)
	fine(acme.Revoke(ctx))
	if _, err := n.Get(ctx, []byte("user-key")); !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrKeyRevoked) {
		t.Fatal(err)
	}

	got := gather(t, registry)
	if wrong := without(got); len(wrong) > 0 {
		t.Errorf("these metrics did not move: %q", wrong)
	}
	for metric, want := range map[string]float64{
		`sealkv_operations_total{operation="put",outcome="ok"}`:                              200,
		`sealkv_operations_total{operation="get",outcome="ok"}`:                              410,
		`sealkv_operations_total{operation="commit",outcome="ok"}`:                           1,
		`sealkv_operations_total{operation="create",outcome="ok"}`:                           1,
		`sealkv_sweep_records_total{outcome="missed"}`:                                       0,
		`sealkv_sweeps_total{outcome="completed"}`:                                           1,
		`sealkv_sweeps_total{outcome="kept"}`:                                                1,
		`sealkv_tenants{status="revoked"}`:                                                   1,
		`sealkv_tenants{status="enrolled"}`:                                                  1,
		`sealkv_data_keys{domain="tenant",namespace="jira/comments",state="draining"}`:       1,
		`sealkv_data_keys{domain="tenant",namespace="jira/comments",state="active"}`:         2,
		`sealkv_records{domain="tenant",namespace="jira/comments",state="active"}`:           201,
		`sealkv_backups{state="complete"}`:                                                   1,
		`sealkv_views_open{}`:                                                                2,
		`sealkv_root_calls_total{call="wrap",outcome="ok"}`:                                  3,
		`sealkv_unswept_data_keys{domain="tenant",namespace="jira/comments",state="active"}`: 1,
	} {
		if got[metric] != want {
			t.Errorf("%s is %v, want %v", metric, got[metric], want)
		}
	}
	for metric := range got {
		for _, secret := range []string{"user-key", "secret", "acme", "other", "test://"} {
			if strings.Contains(metric, secret) {
				t.Errorf("%s names %q", metric, secret)
			}
		}
	}
}

// without are the metrics that are described and did not move.
func without(got map[string]float64) (wrong []string) {
	descs := make(chan *prometheus.Desc, 1000)
	storeprom.New(nil, nil).Describe(descs)
	close(descs)
	rest := []string{ // at rest, or of what did not happen
		"sealkv_sweeps_running", "sealkv_rewraps_queued", "sealkv_leases_draining", "sealkv_inventory_errors_total",
		"sealkv_unreadable_censuses", "sealkv_collected_total", "sealkv_engine_compaction_debt_bytes", "sealkv_engine_compactions_total",
	}
	for d := range descs {
		name := strings.Split(d.String(), `"`)[1]
		if slices.Contains(rest, name) {
			continue
		}
		moved := false
		for metric := range got {
			moved = moved || strings.HasPrefix(metric, name+"{")
		}
		if !moved {
			wrong = append(wrong, name)
		}
	}
	return wrong
}

func TestNamesAreAsPrometheusWantsThem(t *testing.T) {
	problems, err := testutil.CollectAndLint(storeprom.New(newWorld(t).Store, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// The errors of roots are told apart.
func TestRootErrors(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(storeprom.New(w.Store, &storeprom.Options{InventoryEvery: -1}))
	for class, err := range map[string]error{
		"revoked": root.ErrRevoked, "unavailable": root.ErrUnavailable, "throttled": root.ErrThrottled,
		"invalid": root.ErrInvalid, "error": errors.New("bad day"),
	} {
		w.roots["test://acme"].SetError(err)
		if _, err := w.AddTenant(ctx, "acme", &store.TenantOptions{Root: "test://acme"}); err == nil {
			t.Fatalf("%s: a tenant was added", class)
		}
		if got := gather(t, registry)[`sealkv_root_calls_total{call="wrap",outcome="`+class+`"}`]; got != 1 {
			t.Errorf("%v calls that ended %s", got, class)
		}
	}
}

// After the store was closed a scrape does no harm.
func TestClosedStore(t *testing.T) {
	w := newWorld(t)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(storeprom.New(w.Store, &storeprom.Options{InventoryEvery: time.Nanosecond}))
	gather(t, registry)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := gather(t, registry)
	if got["sealkv_inventory_errors_total{}"] == 0 || got["sealkv_inventory_timestamp_seconds{}"] == 0 {
		t.Errorf("%v", got)
	}
}
