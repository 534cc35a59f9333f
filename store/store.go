package store

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/gofrs/flock"
	"golang.org/x/sync/semaphore"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store/engine"
)

// A Store is an open store. It is safe for concurrent use.
type Store struct {
	opts   Options
	dir    string
	id     codec.StoreID
	lock   *flock.Flock
	keys   *keys.Keyring
	engine engine.Engine
	policy atomic.Pointer[inForce]

	mu         sync.Mutex
	namespaces map[namespaceID]weak.Pointer[Namespace] // shared state of the handles

	applying sync.Mutex          // held while a policy is applied
	backups  *semaphore.Weighted // see allBackups

	ops        sync.Pool   // of *op
	plain      *coder      // without a dictionary
	values     *valueCache // nil where opened values are not kept
	blobs      liveBlobs
	rewrapper  *rewrapper // nil where nothing is rewrapped
	collector  *collector // nil where nothing is collected by itself
	counters   counters
	foreground *foreground
	holds      holds
	closing    sync.Once
	closed     error
}

type namespaceID struct{ tenant, name string }

// Dir is the store's directory.
func (s *Store) Dir() string { return s.dir }

// Policy is the scope policy in force.
func (s *Store) Policy() *scope.Policy { return s.policy.Load().Policy }

// Identity is the store's id and format.
func (s *Store) Identity() codec.Identity { return s.keys.Identity() }

// RotatePlatformRoot brings the platform key, and the keys of all hosted tenants, under the root
// that uri names. Both roots must answer. Called again it completes what was cut short.
func (s *Store) RotatePlatformRoot(ctx context.Context, uri string) error {
	return translated(s.keys.RotatePlatformRoot(ctx, uri))
}

// Sync makes everything durable that was written before it.
func (s *Store) Sync(ctx context.Context) error { return translated(s.engine.Sync(ctx)) }

// closeGrace is how long Close goes on with rewraps: time for what a usual queue holds. A single one may also
// take RootTimeout, or as long as gigabytes of chunks take, for which nobody wants to wait.
const closeGrace = time.Second

// Close goes on with the rewraps that are queued for a second at most, waits for operations under way, makes
// everything durable and releases the store. Handles, batches and snapshots must not be used afterwards;
// what is called all the same returns ErrClosed. A second Close returns what the first did.
func (s *Store) Close() error {
	s.closing.Do(func() {
		if s.collector != nil {
			s.collector.close()
		}
		if s.rewrapper != nil {
			ctx, stop := context.WithTimeout(context.Background(), closeGrace)
			s.rewrapper.close(ctx)
			stop()
		}
		s.closed = errors.Join(s.keys.Close(), s.engine.Close(), s.unlock())
		s.values.close()
	})
	return s.closed
}

// Tenant returns the handle of a tenant that AddTenant made, or ErrTenantUnknown.
func (s *Store) Tenant(id string) (*Tenant, error) {
	if err := CheckTenant(id); err != nil {
		return nil, err
	}
	if err := s.keys.KnowsTenant(id); err != nil {
		return nil, translated(err)
	}
	return &Tenant{store: s, id: id}, nil
}

// namespace returns the one Namespace of a tenant and a name. It lives as long as somebody holds it or
// its keys are opened: a sweep over all tenants leaves nothing of them in memory.
func (s *Store) namespace(tenant, name string) (*Namespace, error) {
	id := namespaceID{tenant, name}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.namespaces[id].Value(); n != nil {
		return n, nil
	}
	rule, err := s.Policy().Lookup(name)
	if err != nil {
		return nil, err
	}
	n := newNamespace(s, id, rule)
	s.namespaces[id] = weak.Make(n)
	runtime.AddCleanup(n, s.forget, id)
	return n, nil
}

// forget drops the entry of a Namespace that is gone, unless another has taken its place.
func (s *Store) forget(id namespaceID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.namespaces[id].Value() == nil {
		delete(s.namespaces, id)
	}
}
