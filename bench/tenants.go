package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sealkv/sealkv/keys/root/keyfile"
	"github.com/sealkv/sealkv/store"
)

// tenantSpaces are the namespaces of each tenant: three under its own keys and two under the
// platform's, as the default policy has them.
var tenantSpaces = []string{"jira/issues", "jira/comments", "jira/boards-and-sprints", "jira/permissions", "confluence/pages"}

func tenantID(i int) string { return fmt.Sprintf("t-%016x", mix(uint64(i))) }

// probeOptions are those of a store under a probe.
func (p probe) options() *store.Options {
	return &store.Options{Roots: &keyfile.Opener{}, CacheBytes: p.Cache, Inline: p.Inline, CollectEvery: -1, RootTimeout: time.Minute}
}

func (p probe) storeDir() string { return filepath.Join(p.Dir, "store") }

func (p probe) create(ctx context.Context, o *store.Options) (*store.Store, error) {
	file := filepath.Join(p.Dir, "root.key")
	if err := errors.Join(os.RemoveAll(p.Dir), os.MkdirAll(p.Dir, 0o700), keyfile.Create(file, nil)); err != nil {
		return nil, err
	}
	uri, err := keyfile.URI(file)
	if err != nil {
		return nil, err
	}
	return store.Create(ctx, p.storeDir(), uri, o)
}

// createTenants makes tenants, each with a record in each of its namespaces, by as many goroutines.
func createTenants(ctx context.Context, p probe) (measured, error) {
	o := p.options()
	o.NoSync = true // of records; keys are durable
	s, err := p.create(ctx, o)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	err = p.share(func(i int) error {
		_, err := s.AddTenant(ctx, tenantID(i), nil)
		return err
	})
	added := time.Since(began)
	if err == nil {
		began = time.Now()
		err = p.share(func(i int) error {
			return eachSpace(s, i, func(n *store.Namespace) error { return n.Put(ctx, []byte("k"), []byte("v")) })
		})
	}
	minted := time.Since(began)
	heap, resident := memory()
	m := measured{
		"add tenants": added.Seconds(), "mint keys": minted.Seconds(),
		"tenants/s": float64(p.Tenants) / added.Seconds(), "keys/s": float64(p.Tenants*len(tenantSpaces)) / minted.Seconds(),
		"heap": heap, "resident": resident,
	}
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	info, err := os.Stat(filepath.Join(p.storeDir(), "keyring.db"))
	if err == nil {
		m["keyring"] = float64(info.Size())
		m["keyring/tenant"] = float64(info.Size()) / float64(p.Tenants)
	}
	return m, err
}

// share has the probe's goroutines call do for every tenant.
func (p probe) share(do func(i int) error) error {
	failed := make([]error, p.Workers)
	var wait sync.WaitGroup
	for w := range p.Workers {
		wait.Go(func() {
			for i := w; i < p.Tenants && failed[w] == nil; i += p.Workers {
				failed[w] = do(i)
			}
		})
	}
	wait.Wait()
	return errors.Join(failed...)
}

func eachSpace(s *store.Store, i int, do func(*store.Namespace) error) error {
	tenant, err := s.Tenant(tenantID(i))
	if err != nil {
		return err
	}
	for _, name := range tenantSpaces {
		n, err := tenant.Namespace(name)
		if err == nil {
			err = do(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// openTenants opens the store and uses some of its tenants: the first time each, when its keys are
// opened, and again.
func openTenants(ctx context.Context, p probe) (measured, error) {
	empty, _ := memory()
	began := time.Now()
	s, err := store.Open(ctx, p.storeDir(), p.options())
	if err != nil {
		return nil, err
	}
	m := measured{"open": float64(time.Since(began))}
	heap, resident := memory()
	m["heap after open"], m["resident after open"] = heap-empty, resident
	var room []byte
	for _, round := range []string{"first get", "get"} {
		times := make([]time.Duration, 0, p.Used*len(tenantSpaces))
		for i := range p.Used {
			err := eachSpace(s, i, func(n *store.Namespace) (err error) {
				start := time.Since(epoch)
				room, err = n.GetInto(ctx, []byte("k"), room[:0])
				times = append(times, time.Since(epoch)-start)
				return err
			})
			if err != nil {
				return nil, errors.Join(err, s.Close())
			}
		}
		slices.Sort(times)
		m[round+", p50"], m[round+", p99"] = float64(percentile(times, 50)), float64(percentile(times, 99))
	}
	used, resident := memory()
	m["heap, used"], m["resident, used"] = used-empty, resident
	if p.Used > 0 {
		m["heap/tenant"] = (used - heap) / float64(p.Used)
	}
	return m, s.Close()
}
