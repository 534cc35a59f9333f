package keys

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/singleflight"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/root"
)

// Defaults of Options.
const (
	DefaultKeyTTL      = 5 * time.Minute
	DefaultRootTimeout = 10 * time.Second
)

// Options of a keyring. Nil means defaults.
type Options struct {
	// KeyTTL is how long an opened key lives after its root last vouched for it, and so the
	// longest that a revocation at the root takes to have effect. 0 means DefaultKeyTTL.
	KeyTTL time.Duration
	// RootTimeout bounds one question to a root, which counts as unavailable after that. 0 means
	// DefaultRootTimeout.
	RootTimeout time.Duration
	// ReadOnly opens the file without changing a byte of it. Keys that do not exist yet cannot
	// be minted then.
	ReadOnly bool
	// LeaseEnded is called whenever a lease has ended (Lease.Ended), by whoever was the last to use
	// it. It must not block. Nil is not called.
	LeaseEnded func()
	// Logger gets what happens in the background. Nil discards.
	Logger *slog.Logger
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.KeyTTL == 0 {
		out.KeyTTL = DefaultKeyTTL
	}
	if out.RootTimeout == 0 {
		out.RootTimeout = DefaultRootTimeout
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	return out
}

// A Keyring is the open keyring of a store. All methods are safe for concurrent use.
type Keyring struct {
	opts     Options
	file     *file
	identity codec.Identity
	roots    root.Opener // nil where opened for inspection
	mirror   mirror
	flight   singleflight.Group
	// refreshes has one place for each root that is asked in the background at a time.
	refreshes chan struct{}
	stats     counters

	mu       sync.Mutex // guards what follows and what hangs on sessions; held for no I/O
	closed   bool
	sessions map[string]*session
	// published are the leases in use by tenant, so that what ends one tenant's looks at no other's.
	published map[string]map[*Space]*Lease
	dated     map[*Space]*Lease // of those, the ones that end by themselves: few, and looked at with each tick
	draining  map[*Lease]*Space // unlinked leases that somebody may still pin
	// generations go up whenever what was read of a tenant before may not be used any more.
	// Tenants share them by hash, which costs a needless second read and keeps them few.
	generations [256]uint64

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

var generationSeed = maphash.MakeSeed()

func (k *Keyring) generation(tenant string) *uint64 {
	return &k.generations[maphash.String(generationSeed, tenant)%uint64(len(k.generations))]
}

// Create makes a new keyring at path: the identity, the platform key under the root that uri
// names, and the policy. It never overwrites a file. The caller calls Unlock next.
func Create(ctx context.Context, path string, id codec.Identity, uri string, policy []byte, roots root.Opener, opts *Options) (*Keyring, error) {
	row := codec.KeyRow{Domain: codec.DomainPlatform, Number: 1}
	k := newKeyring(id, roots, opts)
	rec, key, err := k.mintTenantKey(ctx, row, uri) // first, so that a root that refuses leaves nothing behind
	if err != nil {
		return nil, err
	}
	platform := newParent(id.Store, row, key)
	defer platform.shut()
	if k.file, err = createFile(path, id, k.opts.Now); err != nil {
		return nil, err
	}
	_, err = k.file.update(ctx, func(c *change) error {
		if err := c.put(bucketTenantKeys, codec.AppendTenantKeyRow(nil, "", row.Domain, row.Number), rec); err != nil {
			return err
		}
		first := codec.Policy{Revision: c.counters.Revision, Source: policy}
		c.counters.Policy = first.Revision
		if err := c.put(bucketMeta, metaPolicy, platform.sign(codec.LabelPolicy, nil, codec.EncodeRecord(first))); err != nil {
			return err
		}
		return c.audit(platform, codec.AuditEntry{Act: ActStoreCreate, Domain: row.Domain, Number: row.Number})
	})
	if err != nil {
		k.file.close()
		return nil, err
	}
	return k, nil
}

// Open opens the keyring at path. It opens no key: Unlock does. With nil roots it is for
// inspection, and Unlock is not called.
func Open(path string, roots root.Opener, opts *Options) (*Keyring, error) {
	k := newKeyring(codec.Identity{}, roots, opts)
	var err error
	if k.file, err = openFile(path, k.opts.ReadOnly || roots == nil, k.opts.Now); err != nil {
		return nil, err
	}
	err = k.file.view(func(tx *bolt.Tx) error {
		return codec.DecodeRecord(tx.Bucket(bucketMeta).Get(metaIdentity), &k.identity)
	})
	if err != nil {
		err = damaged("identity", err)
	} else if err = k.identity.Check(); err != nil {
		err = fmt.Errorf("keys: opening the keyring: %w", err)
	}
	if err != nil {
		k.file.close()
		return nil, err
	}
	return k, nil
}

func newKeyring(id codec.Identity, roots root.Opener, opts *Options) *Keyring {
	return &Keyring{
		opts: opts.withDefaults(), identity: id, roots: roots, refreshes: make(chan struct{}, maxRefreshes),
		sessions: map[string]*session{}, published: map[string]map[*Space]*Lease{}, dated: map[*Space]*Lease{}, draining: map[*Lease]*Space{},
	}
}

// Unlock opens the platform key, checks the policy's MAC and that the keyring is not older than
// the data beside anchor, and starts to keep keys fresh. It is called once, before any key is
// used. With create the anchor is empty and gets its first mirror.
func (k *Keyring) Unlock(ctx context.Context, anchor Anchor, create bool) error {
	k.mirror.anchor = anchor
	platform, err := k.platformKey(ctx)
	if err != nil {
		return err
	}
	defer platform.release()
	if create {
		err = k.advance(ctx, k.file.latest().Revision)
	} else {
		err = k.checkAnchor(ctx, platform)
	}
	if err != nil {
		return err
	}
	background, stop := context.WithCancel(context.Background())
	k.stop = stop
	k.stopped.Go(func() { k.keepFresh(background) })
	return nil
}

// Close purges every opened key, waits for the operations that pin one, and closes the file.
func (k *Keyring) Close() error {
	if k.stop != nil {
		k.stop()
		k.stopped.Wait()
	}
	k.await(context.Background(), k.purgeAll())
	return k.file.close()
}

// Identity is the store's identity as the keyring has it.
func (k *Keyring) Identity() codec.Identity { return k.identity }

// Counters are the keyring's counters as of the last commit.
func (k *Keyring) Counters() codec.Counters { return k.file.latest() }

// Initialised reports whether MarkInitialised was called on this keyring.
func (k *Keyring) Initialised() (marked bool, err error) {
	err = k.file.view(func(tx *bolt.Tx) error {
		marked = tx.Bucket(bucketMeta).Get(metaInitialised) != nil
		return nil
	})
	return marked, err
}

// MarkInitialised records that the store is whole: it is the last step of creating one.
func (k *Keyring) MarkInitialised(ctx context.Context) error {
	_, err := k.file.update(ctx, func(c *change) error {
		return c.tx.Bucket(bucketMeta).Put(metaInitialised, []byte{1})
	})
	return err
}
