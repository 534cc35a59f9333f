package keys

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
)

// A state is what the keyring says of one tenant (or, with an empty id, of the platform), read
// at one revision. Nothing in it may be believed before verifyControl or verifyOwn.
type state struct {
	tenant     string
	revision   uint64
	record     codec.Tenant // not for the platform
	control    codec.Control
	tenantKeys []tenantKeyRow // ascending by version
	dataKeys   []dataKeyRow   // ascending by domain, namespace, number
}

type tenantKeyRow struct {
	codec.KeyRow
	rec codec.TenantKey
}

type dataKeyRow struct {
	codec.KeyRow
	rec codec.DataKey
}

// key is the row's in bucketTenantKeys.
func (row *tenantKeyRow) key() []byte {
	return codec.AppendTenantKeyRow(nil, row.Tenant, row.Domain, row.Number)
}

// key is the row's in bucketDataKeys.
func (row *dataKeyRow) key() []byte {
	return codec.AppendDataKeyRow(nil, row.Tenant, row.Domain, row.Namespace, row.Number)
}

// readState reads a tenant's rows, which go into memory whole: a tenant has tens of keys.
func readState(tx *bolt.Tx, tenant string) (*state, error) {
	s := &state{tenant: tenant}
	counters, err := readCounters(tx)
	if err != nil {
		return nil, err
	}
	s.revision = counters.Revision
	if tenant != "" {
		if err := s.readRecord(tx); err != nil {
			return nil, err
		}
	}
	prefix := append([]byte(tenant), 0)
	err = rows(tx, bucketTenantKeys, prefix, func(k, v []byte) error {
		row := tenantKeyRow{}
		var err error
		if row.KeyRow, err = codec.ParseTenantKeyRow(k); err != nil {
			return err
		}
		if err := codec.DecodeRecord(v, &row.rec); err != nil {
			return err
		}
		s.tenantKeys = append(s.tenantKeys, row)
		if tenant == "" && len(row.wraps(codec.RoleActive)) > 1 { // for no MAC covers it
			return errors.New("the platform key is under several roots")
		}
		return nil
	})
	if err != nil {
		return nil, damaged("tenant keys of "+tenant, err)
	}
	err = rows(tx, bucketDataKeys, prefix, func(k, v []byte) error {
		row := dataKeyRow{}
		var err error
		if row.KeyRow, err = codec.ParseDataKeyRow(k); err != nil {
			return err
		}
		s.dataKeys = append(s.dataKeys, row)
		return codec.DecodeRecord(v, &s.dataKeys[len(s.dataKeys)-1].rec)
	})
	if err != nil {
		return nil, damaged("data keys of "+tenant, err)
	}
	return s, nil
}

func (s *state) readRecord(tx *bolt.Tx) error {
	raw := tx.Bucket(bucketTenants).Get([]byte(s.tenant))
	if raw == nil {
		return fmt.Errorf("%w %q", ErrTenantUnknown, s.tenant)
	}
	if err := codec.DecodeRecord(raw, &s.record); err != nil {
		return damaged("tenant "+s.tenant, err)
	}
	if err := codec.DecodeRecord(s.record.Control.Body, &s.control); err != nil {
		return damaged("tenant "+s.tenant, err)
	}
	return nil
}

// verifyControl checks what the platform vouches for: the revocation, and the tenant's data keys
// in the platform domain.
func (s *state) verifyControl(platform *parent) error {
	if err := platform.verify(codec.LabelControl, []byte(s.tenant), &s.record.Control); err != nil {
		return fmt.Errorf("keys: platform's state of tenant %s: %w", s.tenant, err)
	}
	if string(s.control.Digest) != string(s.digest(codec.DomainPlatform)) {
		return fmt.Errorf("keys: platform's data keys of tenant %s: %w", s.tenant, ErrAuthentication)
	}
	return nil
}

// verifyOwn checks what the tenant's key vouches for: its tenant keys and its data keys.
func (s *state) verifyOwn(own *parent) error {
	var body codec.Own
	if err := own.verify(codec.LabelTenant, []byte(s.tenant), &s.record.Own); err != nil {
		return fmt.Errorf("keys: state of tenant %s: %w", s.tenant, err)
	}
	if err := codec.DecodeRecord(s.record.Own.Body, &body); err != nil {
		return damaged("tenant "+s.tenant, err)
	}
	if string(body.Digest) != string(s.digest(codec.DomainTenant)) {
		return fmt.Errorf("keys: keys of tenant %s: %w", s.tenant, ErrAuthentication)
	}
	return nil
}

// errChanged says that what an act was prepared from (keys, a root, the policy) has changed before it was
// applied. The act is prepared again; see Keyring.settle.
var errChanged = errors.New("keys: the tenant's keys, or the policy, changed meanwhile; try again")

// verifyCurrent is verifyOwn, or errChanged if the tenant key was rotated since own was opened, or
// ErrDestroyed if it was shredded.
func (s *state) verifyCurrent(own *parent) error {
	if err := s.shreddedOwn(); err != nil {
		return err
	}
	row, err := s.activeTenantKey()
	if err != nil {
		return err
	}
	if row.Number != own.row.Number {
		return errChanged
	}
	return s.verifyOwn(own)
}

// digest is SHA-256 over the rows of one domain: what a MAC over it covers cannot be changed,
// moved, added to or left out one row at a time.
func (s *state) digest(domain codec.Domain) []byte {
	h := sha256.New()
	for i := range s.tenantKeys {
		if row := &s.tenantKeys[i]; row.Domain == domain {
			hashRow(h, row.key(), &row.rec)
		}
	}
	for i := range s.dataKeys {
		if row := &s.dataKeys[i]; row.Domain == domain {
			hashRow(h, row.key(), &row.rec)
		}
	}
	return h.Sum(nil)
}

func hashRow(h hash.Hash, key []byte, record any) {
	value := codec.EncodeRecord(record)
	var lengths [8]byte
	binary.BigEndian.PutUint32(lengths[:4], uint32(len(key)))
	binary.BigEndian.PutUint32(lengths[4:], uint32(len(value)))
	h.Write(lengths[:])
	h.Write(key)
	h.Write(value)
}

// active is the active data key of a namespace in a domain, or nil.
func (s *state) active(domain codec.Domain, namespace string) *dataKeyRow {
	for i := range s.dataKeys {
		row := &s.dataKeys[i]
		if row.Domain == domain && row.Namespace == namespace && row.rec.State == codec.StateActive {
			return row
		}
	}
	return nil
}

// activeTenantKey is the active version of the tenant key or platform key.
func (s *state) activeTenantKey() (*tenantKeyRow, error) {
	for i := range s.tenantKeys {
		if s.tenantKeys[i].rec.State == codec.StateActive {
			return &s.tenantKeys[i], nil
		}
	}
	return nil, fmt.Errorf("%w: no active tenant key of %q", ErrDestroyed, s.tenant)
}

// activeWrap is the wrap that serves, or nil.
func (row *tenantKeyRow) activeWrap() *codec.RootWrap {
	for i := range row.rec.Wraps {
		if wrap := &row.rec.Wraps[i]; wrap.Role == codec.RoleActive {
			return wrap
		}
	}
	return nil
}

// activeRoot is the URI of the root under which the tenant key, or platform key, is.
func (s *state) activeRoot() (string, error) {
	row, err := s.activeTenantKey()
	if err != nil {
		return "", err
	}
	wrap := row.activeWrap()
	if wrap == nil {
		return "", fmt.Errorf("%w: the key of %s has no active wrap", ErrDamaged, holder(s.tenant))
	}
	return wrap.URI, nil
}

// An editor changes one tenant's state within a change. Its methods change s; save writes the
// rows that they touched and signs the result.
type editor struct {
	*state
	c        *change
	platform *parent
	own      *parent // nil where the act needs no tenant key; then nothing of the tenant domain may change
	touched  map[codec.KeyRow]bool
}

// edit reads and verifies a tenant's state in the transaction of c. own may be nil. The platform's
// own state has nothing to verify but its root's word.
func (c *change) edit(tenant string, platform, own *parent) (*editor, error) {
	s, err := readState(c.tx, tenant)
	if err != nil {
		return nil, err
	}
	e := &editor{state: s, c: c, platform: platform, own: own, touched: map[codec.KeyRow]bool{}}
	if tenant == "" {
		return e, nil
	}
	if err := s.verifyControl(platform); err != nil {
		return nil, err
	}
	if own != nil {
		return e, s.verifyCurrent(own)
	}
	return e, nil
}

// save writes what changed, with its MACs.
func (e *editor) save() error {
	for i := range e.tenantKeys {
		if row := &e.tenantKeys[i]; e.touched[row.KeyRow] {
			if err := e.c.put(bucketTenantKeys, row.key(), row.rec); err != nil {
				return err
			}
		}
	}
	for i := range e.dataKeys {
		if row := &e.dataKeys[i]; e.touched[row.KeyRow] {
			if err := e.c.put(bucketDataKeys, row.key(), row.rec); err != nil {
				return err
			}
		}
	}
	if e.tenant == "" {
		return nil
	}
	e.control.Digest = e.digest(codec.DomainPlatform)
	e.record.Control = e.platform.sign(codec.LabelControl, []byte(e.tenant), codec.EncodeRecord(e.control))
	if e.own != nil {
		own := codec.Own{Digest: e.digest(codec.DomainTenant)}
		e.record.Own = e.own.sign(codec.LabelTenant, []byte(e.tenant), codec.EncodeRecord(own))
	}
	return e.c.put(bucketTenants, []byte(e.tenant), e.record)
}

// parentOf is what wraps the data keys of a domain.
func (e *editor) parentOf(domain codec.Domain) *parent {
	if domain == codec.DomainPlatform {
		return e.platform
	}
	return e.own
}
