package storeprom_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/storeprom"
)

// A service registers a collector for each of its stores; its /metrics then has the figures.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "sealkv")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	roots := roottest.Opener{"test://platform": roottest.NewKey("platform")} // a service has a KMS here
	s, err := store.Create(ctx, filepath.Join(dir, "store"), "test://platform", &store.Options{Roots: roots})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	registry := prometheus.NewRegistry() // or prometheus.DefaultRegisterer
	labelled := prometheus.WrapRegistererWith(prometheus.Labels{"store": "eu-1"}, registry)
	labelled.MustRegister(storeprom.New(s, nil))

	if _, err := s.AddTenant(ctx, "acme", nil); err != nil {
		log.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.Metric {
			if family.GetName() == "sealkv_tenants" && m.GetGauge().GetValue() > 0 {
				fmt.Println(family.GetName(), m.GetLabel()[0].GetValue(), m.GetLabel()[1].GetValue(), m.GetGauge().GetValue())
			}
		}
	}
	// Output: sealkv_tenants hosted eu-1 1
}
