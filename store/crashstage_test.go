package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealkv/sealkv/keys/root/roottest"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

// crashPolicy is a version of a policy that has every domain, and comments where an act wants them.
func crashPolicy(t *testing.T, version int, comments string) *scope.Policy {
	t.Helper()
	p, err := scope.Parse("test.yaml", fmt.Appendf(nil, `version: %d
name: test
rules:
- namespace: jira/comments
  domain: %s
- namespace: jira/attachments
  domain: both
  until: 2100-01-01
- namespace: jira/attachment-metadata
  domain: platform
- namespace: jira/issues
  domain: tenant
`, version, comments))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// dayBefore is before the end of crashPolicy's transition.
var dayBefore = time.Date(2099, 12, 31, 12, 0, 0, 0, time.UTC)

// A stage is a store of which an act's crash points are taken, or one that was opened at one.
type stage struct {
	*world
	clock  *clock
	camera *camera
}

var (
	crashTenants    = []string{"acme", "globex", "initech"} // with a root of its own, hosted, and none yet
	crashNamespaces = []string{"jira/comments", "jira/attachments", "jira/attachment-metadata", "jira/issues"}
	crashKeys       = []string{"short", "long", "new"}
	longCrashValue  = strings.Repeat("0123456789abcdef", 5000) // two chunks
)

// newStage has two tenants with values of either size in the namespaces of each domain.
func newStage(t *testing.T, comments string) *stage {
	t.Helper()
	s := &stage{clock: &clock{began: dayBefore}, camera: newCamera(t)}
	s.world = newWorld(t, store.Options{
		Engine: s.camera, Policy: crashPolicy(t, 1, comments), Inline: 1 << 10, Rewrap: store.RewrapOff, Now: s.clock.now, KeyTTL: 1000 * time.Hour,
	}, "acme")
	for _, uri := range []string{"test://next", "test://globex", "test://initech"} {
		s.roots[uri] = roottest.NewKey(uri)
	}
	if _, err := s.AddTenant(t.Context(), "globex", nil); err != nil {
		t.Fatal(err)
	}
	for _, id := range crashTenants[:2] {
		for _, name := range crashNamespaces[:3] {
			mustPut(t, s.ns(id, name), "short", "value of "+id)
		}
		mustPut(t, s.ns(id, "jira/attachments"), "long", longCrashValue+id)
	}
	mustPut(t, s.ns("acme", "jira/comments"), "long", longCrashValue)
	return s
}

// at opens the store as a crash has left it.
func (s *stage) at(t *testing.T, p *crashPoint) (*stage, error) {
	t.Helper()
	out := &stage{clock: &clock{began: s.clock.now()}}
	out.world = &world{t: t, dir: filepath.Join(t.TempDir(), "store"), roots: s.roots, opts: s.opts}
	out.camera = p.lay(t, out.dir)
	out.opts.Engine, out.opts.Now = out.camera, out.clock.now
	var err error
	if out.Store, err = store.Open(t.Context(), out.dir, &out.opts); err == nil {
		t.Cleanup(func() { out.Close() })
	}
	return out, err
}

// readable are errors that say why a value is not there to be read.
var readable = []error{
	store.ErrNotFound, store.ErrTenantUnknown, store.ErrNamespaceUnknown, store.ErrKeyRevoked, store.ErrKeyDestroyed, store.ErrKeyUnavailable,
}

// read returns what stands in every place where there may be a value.
func (s *stage) read() map[string]string {
	out := map[string]string{}
	for _, id := range crashTenants {
		for _, name := range crashNamespaces {
			for _, key := range crashKeys {
				out[id+" "+name+" "+key] = s.readOne(id, name, key)
			}
		}
	}
	return out
}

func (s *stage) readOne(id, name, key string) string {
	tenant, err := s.Tenant(id)
	var n *store.Namespace
	if err == nil {
		n, err = tenant.Namespace(name)
	}
	var value []byte
	if err == nil {
		if has, hasErr := n.Has(s.t.Context(), []byte(key)); hasErr == nil && !has {
			return store.ErrNotFound.Error() // Get would mint the first key of a namespace
		}
		value, err = n.Get(s.t.Context(), []byte(key))
	}
	if err == nil {
		return string(value)
	}
	for _, class := range readable {
		if errors.Is(err, class) {
			return class.Error()
		}
	}
	return "unexpected: " + err.Error()
}
