package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A Domain says whose keys: the tenant's or the platform's. On disk; must not change.
type Domain uint8

const (
	DomainTenant   Domain = 1
	DomainPlatform Domain = 2
)

func (d Domain) String() string {
	switch d {
	case DomainTenant:
		return "tenant"
	case DomainPlatform:
		return "platform"
	}
	return fmt.Sprintf("domain %d", uint8(d))
}

// A State is where a tenant key or a data key is in its life. It only goes forward. On disk;
// must not change.
type State uint8

const (
	StateActive   State = 1 // seals and opens
	StateDraining State = 2 // opens only
	StateRetired  State = 3 // its bytes are destroyed; the record stays as a tombstone
)

func (s State) String() string {
	switch s {
	case StateActive:
		return "active"
	case StateDraining:
		return "draining"
	case StateRetired:
		return "retired"
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// A Role is what a root's wrap of a tenant key is for. On disk; must not change.
type Role uint8

const (
	RoleActive   Role = 1 // serves reads
	RoleIncoming Role = 2 // written, not yet proven to unwrap
	RoleOutgoing Role = 3 // replaced, not yet dropped
)

func (r Role) String() string {
	switch r {
	case RoleActive:
		return "active"
	case RoleIncoming:
		return "incoming"
	case RoleOutgoing:
		return "outgoing"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// An Identity stands in the keyring and in the engine, alike; Open compares them.
type Identity struct {
	_        struct{} `cbor:",toarray"`
	Store    StoreID
	Format   uint32
	Required uint64 // feature bits without which the store must not be opened
	Optional uint64 // feature bits that may be ignored
}

// Check reports whether this version may open a store with this identity.
func (id Identity) Check() error {
	if id.Format != Format {
		return fmt.Errorf("%w: format %d; this version reads format %d", ErrUnsupported, id.Format, Format)
	}
	if id.Required != 0 {
		return fmt.Errorf("%w: required features %#x", ErrUnsupported, id.Required)
	}
	return nil
}

// Counters are what a keyring counts. None ever goes down.
type Counters struct {
	_        struct{} `cbor:",toarray"`
	Revision uint64   // changes of the keyring
	Highest  uint32   // highest number given to a data key
	AuditSeq uint64   // entries of the audit log
	AuditMAC []byte   // MAC of the last one
	Policy   uint64   // revision at which the policy in force was applied
	Backups  uint64   // revision at which the list of backups changed
}

// A Policy is the applied scope policy; it is the body of a Signed.
type Policy struct {
	_        struct{} `cbor:",toarray"`
	Revision uint64   // of the keyring, at which it was applied
	Source   []byte   // YAML
	// Alone are the namespaces of which records may be under one domain's key alone that the
	// policy wants under another, or will: until they are moved they are read. For the tenant
	// domain that is the grant without which nothing leaves it.
	Alone []Alone
}

// Alone is a namespace with records under the keys of one domain alone.
type Alone struct {
	_         struct{} `cbor:",toarray"`
	Namespace string
	Domain    Domain
}

// A Signed is a body with its MAC under a subkey of version Version of a tenant key or of the
// platform key.
type Signed struct {
	_       struct{} `cbor:",toarray"`
	Version uint32
	Body    []byte
	MAC     []byte
}

// AppendMAC appends what the MAC of a Signed covers. subject is what the body is about: a
// tenant's id, the previous entry's MAC, an engine key, or nothing.
func (s *Signed) AppendMAC(b []byte, label Label, store *StoreID, subject []byte) []byte {
	b = appendLabel(b, label, store)
	b = appendVar(b, subject)
	b = binary.BigEndian.AppendUint32(b, s.Version)
	return append(b, s.Body...)
}

// A Tenant is the keyring's record of a tenant: what the platform vouches for, and what the
// tenant's own key does.
type Tenant struct {
	_       struct{} `cbor:",toarray"`
	Control Signed   // body: Control
	Own     Signed   // body: Own
}

// Control is the part of a tenant's state that must be known without the tenant's key.
type Control struct {
	_       struct{} `cbor:",toarray"`
	Created uint64   // Unix seconds
	Hosted  bool     // the tenant key is under a root that the platform holds
	Revoked bool     // by an operator
	// RootRevoked says that the tenant's root was seen to be revoked and has not vouched since.
	RootRevoked bool
	// Fallback lists the namespaces of which values were served under the platform's key since
	// the revocation began.
	Fallback []string
	// Shredded says whether keys of the tenant were shredded: none of it can be undone.
	Shredded Shredded
	// Shredding lists the namespaces that are being shredded. They have no keys meanwhile.
	Shredding []string
	Digest    []byte // of the rows of the tenant's data keys in the platform domain
}

// Shredded is how much of a tenant was shredded. It only goes up. On disk; must not change.
type Shredded uint8

const (
	ShreddedNone  Shredded = 0
	ShreddedOwn   Shredded = 1 // what is under tenant keys; the rest lives on
	ShreddedWhole Shredded = 2
)

// Own is the part of a tenant's state that its own key vouches for.
type Own struct {
	_      struct{} `cbor:",toarray"`
	Digest []byte   // of the rows of its tenant keys, and of its data keys in the tenant domain
}

// A TenantKey is the keyring's record of one version of a tenant key or of the platform key.
type TenantKey struct {
	_       struct{} `cbor:",toarray"`
	State   State
	Created uint64     // Unix seconds
	Commit  []byte     // commitment; empty once retired
	Wraps   []RootWrap // none once retired
}

// A RootWrap is a tenant key under one root key.
type RootWrap struct {
	_          struct{} `cbor:",toarray"`
	Role       Role
	URI        string // of the root key
	KeyVersion string // of the root key, in its provider's words
	Ciphertext []byte
}

// A DataKey is the keyring's record of one data key.
type DataKey struct {
	_       struct{} `cbor:",toarray"`
	State   State
	Suite   Suite
	Created uint64 // Unix seconds
	// Since is the keyring's revision at which the key got its state.
	Since  uint64
	Parent uint32 // version of the tenant key or platform key that wraps it
	Commit []byte // commitment; empty once retired
	Wrap   []byte // WrapLen bytes; empty once retired
	// Seals is how many seals were counted before they were made: no fewer than were. 0 where nobody
	// counts.
	Seals uint64
	// Exposed says that somebody may know the key: what it sealed is sealed anew, content keys that it
	// wrapped included. It is never taken back.
	Exposed bool
}

// An AuditEntry is one entry of the audit log; it is the body of a Signed.
type AuditEntry struct {
	_         struct{} `cbor:",toarray"`
	Seq       uint64
	Time      uint64 // Unix seconds
	Act       string
	Tenant    string
	Namespace string
	Domain    Domain // 0 where it does not apply
	Number    uint32 // of a data key, or version of a tenant key; 0 where it does not apply
	Detail    string
}

// A JournalState is where a blob is in its life. On disk; must not change.
type JournalState uint8

const (
	JournalPending JournalState = 1 // its writer is at work, or was when the process ended
	JournalStored  JournalState = 2 // a manifest refers to it, or did
	JournalGarbage JournalState = 3 // nothing does any more; its chunks are being deleted
)

// A JournalEntry accounts for the chunks of one blob, from before the first is written until
// after the last is deleted.
type JournalEntry struct {
	_     struct{} `cbor:",toarray"`
	State JournalState
	Key   []byte // user key of the record that refers, or will refer, to the blob
}

// AppendTenantKeyRow appends the keyring's key of a tenant key: tenant ‖ 0 ‖ domain ‖ version.
// The platform's has an empty tenant.
func AppendTenantKeyRow(b []byte, tenant string, domain Domain, version uint32) []byte {
	b = append(append(b, tenant...), 0, byte(domain))
	return binary.BigEndian.AppendUint32(b, version)
}

// AppendDataKeyRow appends the keyring's key of a data key:
// tenant ‖ 0 ‖ domain ‖ namespace ‖ 0 ‖ number.
func AppendDataKeyRow(b []byte, tenant string, domain Domain, namespace string, number uint32) []byte {
	b = append(append(b, tenant...), 0, byte(domain))
	b = append(append(b, namespace...), 0)
	return binary.BigEndian.AppendUint32(b, number)
}

// A KeyRow is the keyring's key of a tenant key (Namespace empty) or of a data key.
type KeyRow struct {
	Tenant    string
	Domain    Domain
	Namespace string
	Number    uint32 // or version
}

// ParseTenantKeyRow takes apart what AppendTenantKeyRow made.
func ParseTenantKeyRow(b []byte) (KeyRow, error) {
	row, rest, err := parseRowHead(b)
	if err != nil {
		return KeyRow{}, err
	}
	if (row.Tenant == "") != (row.Domain == DomainPlatform) {
		return KeyRow{}, fmt.Errorf("%w: row of a tenant key of nobody, or of a platform key of a tenant", ErrMalformed)
	}
	return row.number(rest)
}

// ParseDataKeyRow takes apart what AppendDataKeyRow made.
func ParseDataKeyRow(b []byte) (KeyRow, error) {
	row, rest, err := parseRowHead(b)
	if err != nil {
		return KeyRow{}, err
	}
	if row.Tenant == "" {
		return KeyRow{}, fmt.Errorf("%w: row of a data key without a tenant", ErrMalformed)
	}
	namespace, rest, found := bytes.Cut(rest, []byte{0})
	if !found {
		return KeyRow{}, fmt.Errorf("%w: row of a data key without a namespace", ErrMalformed)
	}
	if err := checkNamespaceBytes(namespace); err != nil {
		return KeyRow{}, err
	}
	row.Namespace = string(namespace)
	return row.number(rest)
}

func parseRowHead(b []byte) (row KeyRow, rest []byte, err error) {
	tenant, rest, found := bytes.Cut(b, []byte{0})
	if !found || len(rest) == 0 {
		return row, nil, fmt.Errorf("%w: row of a key without a domain", ErrMalformed)
	}
	row.Tenant, row.Domain = string(tenant), Domain(rest[0])
	if row.Domain != DomainTenant && row.Domain != DomainPlatform {
		return row, nil, fmt.Errorf("%w: row of a key in %v", ErrMalformed, row.Domain)
	}
	if row.Tenant == "" { // the platform
		return row, rest[1:], nil
	}
	return row, rest[1:], CheckTenant(row.Tenant)
}

func (row KeyRow) number(rest []byte) (KeyRow, error) {
	if err := checkLen("number in the row of a key", len(rest), 4); err != nil {
		return KeyRow{}, err
	}
	if row.Number = binary.BigEndian.Uint32(rest); row.Number == 0 {
		return KeyRow{}, fmt.Errorf("%w: row of a key with number 0", ErrMalformed)
	}
	return row, nil
}

// AppendDataKeyAAD appends what the tag of a data key's wrap covers: which key it is, for which
// suite, and under which version of its parent.
func (k *DataKey) AppendDataKeyAAD(b []byte, store *StoreID, row KeyRow) []byte {
	b = appendLabel(b, LabelDataKey, store)
	b = appendKeyIdentity(b, row)
	b = append(b, byte(k.Suite))
	return binary.BigEndian.AppendUint32(b, k.Parent)
}

// DataKeyInfo is the HKDF info of the subkey, of a tenant key or a platform key, that wraps the data
// keys of a suite: no subkey is used with two AEADs.
func DataKeyInfo(suite Suite) []byte {
	if suite == SuiteXChaCha {
		return []byte(LabelDataKey)
	}
	return fmt.Appendf(nil, "%s %d", LabelDataKey, uint8(suite))
}

// AppendCommitInfo appends the HKDF info with which a key commits to itself and its identity.
func AppendCommitInfo(b []byte, store *StoreID, row KeyRow) []byte {
	b = appendLabel(b, LabelCommit, store)
	return appendKeyIdentity(b, row)
}

// AppendRootDigest appends what the digest that a root wraps beside a tenant key covers.
func AppendRootDigest(b []byte, store *StoreID, row KeyRow) []byte {
	b = appendLabel(b, LabelRootWrap, store)
	return appendKeyIdentity(b, row)
}

func appendKeyIdentity(b []byte, row KeyRow) []byte {
	b = appendVar(b, row.Tenant)
	b = append(b, byte(row.Domain))
	b = appendVar(b, row.Namespace)
	return binary.BigEndian.AppendUint32(b, row.Number)
}
