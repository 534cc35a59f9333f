package storeprom

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealkv/sealkv/latency"
)

// described are all metrics that there are.
var described []*prometheus.Desc

// desc describes a metric, whose name and labels must not change.
func desc(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc("sealkv_"+name, help, labels, nil)
	described = append(described, d)
	return d
}

// A sink takes the metrics of one scrape.
type sink struct{ out chan<- prometheus.Metric }

func (s sink) count(d *prometheus.Desc, n uint64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s sink) time(d *prometheus.Desc, t time.Time, labels ...string) {
	if !t.IsZero() {
		s.gauge(d, float64(t.UnixMilli())/1e3, labels...)
	}
}

// counts are counts by the values of one label after others, in the order of those values.
func (s sink) counts(d *prometheus.Desc, counts map[string]uint64, labels ...string) {
	for _, value := range slices.Sorted(maps.Keys(counts)) {
		s.count(d, counts[value], append(slices.Clip(labels), value)...)
	}
}

func (s sink) histogram(d *prometheus.Desc, l latency.Snapshot, labels ...string) {
	buckets, sum := map[float64]uint64{}, uint64(0)
	for i, bound := range latency.Bounds() {
		sum += l.Counts[i]
		buckets[bound.Seconds()] = sum
	}
	s.out <- prometheus.MustNewConstHistogram(d, l.Count(), l.Sum.Seconds(), buckets, labels...)
}
