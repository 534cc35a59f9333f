package store

import (
	"log/slog"
	"time"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// Limits of values, in bytes.
const (
	// MaxKeyLen is the longest key.
	MaxKeyLen = 1024
	// MaxValueLen is the longest value that Put takes.
	MaxValueLen = 64 << 20
	// DefaultInline is the longest value that is stored in its record; longer ones are stored
	// in chunks, which the caller does not notice. Distributed engines take 1 to 6 MiB a value.
	DefaultInline = 256 << 10
	// chunkSize is the plaintext of a chunk.
	chunkSize = 64 << 10
)

// DefaultMaxOpen is a day: longer than the slowest download or export, and so short that what was
// left open is noticed within the days that a rotation takes.
const DefaultMaxOpen = 24 * time.Hour

// A RewrapMode says what happens to a stale value when it is read: one that is sealed under
// other keys than the active ones, has no time where it is to have one, or is compressed in another way than
// the policy wants.
type RewrapMode int

const (
	RewrapQueued RewrapMode = iota // a worker rewraps it soon; the read does not wait
	RewrapInline                   // the read rewraps it before it returns
	RewrapOff                      // it stays
)

// Options of a store. The zero of each field means its default.
type Options struct {
	// Roots finds root keys by URI: the platform's, and those that tenants bring. Required,
	// except for an inspection.
	Roots root.Opener
	// Policy is the scope policy of a store that is created; nil means scope.Default(). Open
	// takes it from the store.
	Policy *scope.Policy

	// ReadOnly changes no byte of the store. Values of namespaces that have no key yet cannot be
	// read then, as there are none.
	ReadOnly bool
	// Inspect opens without root keys, for reading only: heads, keys' states, the audit log, but
	// no value. What it shows is not authenticated.
	Inspect bool
	// NoSync lets writes return before they are durable. A crash may then lose the last of them,
	// never an earlier one while keeping a later; Sync makes them durable.
	NoSync bool

	// KeyTTL is how long an opened key lives after its root last vouched for it, and so the
	// longest that a revocation at the root takes. 0 means keys.DefaultKeyTTL, 5 minutes.
	KeyTTL time.Duration
	// RootTimeout bounds one question to a root, which may be a person who types a passphrase. 0
	// means keys.DefaultRootTimeout, 10 seconds.
	RootTimeout time.Duration
	// Rewrap says what reading a stale value does. The zero is RewrapQueued.
	Rewrap RewrapMode
	// RewrapQueue is how many hints of stale values wait for the worker; further ones are
	// dropped. 0 or below means 1,024.
	RewrapQueue int
	// CollectEvery is the pause between collections of expired records and unused chunks. 0
	// means an hour; below 0 only Collect collects.
	CollectEvery time.Duration
	// MaxOpen is how long a Snapshot, or a Reader, may be used: then it returns ErrTooOld, and holds up
	// no key's retirement any more; from the next Collect on it holds up no compaction and no collection
	// either. 0 means DefaultMaxOpen, below 0 without limit.
	MaxOpen time.Duration
	// Inline is the longest value in bytes that is stored in its record. 0 means DefaultInline,
	// at most 256 KiB; below 0 every value is stored in chunks, the empty one too. It may change
	// from opening to opening.
	Inline int

	// CacheBytes is the memory for the engine's cached blocks and write buffers together, MemTableBytes one
	// of these buffers; see package engine/pebble for their defaults.
	CacheBytes    int64
	MemTableBytes int
	// ValueCacheBytes is how much of CacheBytes goes to opened values that are read often, which
	// Get then neither looks up nor opens again. 0, the default, keeps none. They are plaintext in
	// memory: of a tenant that is revoked or shredded they are wiped before Revoke or Shred returns, of
	// one whose root does not vouch in time at the end of KeyTTL; those that others have taken the place of are
	// left to the garbage collector before. It takes an engine that one
	// process holds open alone (engine.Exclusive).
	ValueCacheBytes int64
	// Engine keeps the records instead of Pebble in the store's directory. Store.Close closes it; where
	// Create or Open fails it stays the caller's, open.
	Engine engine.Engine

	// Logger gets what happens in the background. Nil discards. It never gets keys, values or
	// user keys.
	Logger *slog.Logger
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Policy == nil {
		out.Policy = scope.Default()
	}
	if out.RewrapQueue <= 0 {
		out.RewrapQueue = 1024
	}
	if out.CollectEvery == 0 {
		out.CollectEvery = time.Hour
	}
	if out.MaxOpen == 0 {
		out.MaxOpen = DefaultMaxOpen
	}
	if out.Inline == 0 || out.Inline > DefaultInline {
		out.Inline = DefaultInline
	}
	if out.Inspect {
		out.ReadOnly, out.Roots = true, nil
	}
	if out.CacheBytes == 0 {
		out.CacheBytes = pebble.DefaultCacheBytes()
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	return out
}
