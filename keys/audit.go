package keys

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
)

// Acts of the audit log. On disk; must not change.
const (
	ActStoreCreate   = "store.create"
	ActTenantAdd     = "tenant.add"
	ActTenantRevoke  = "tenant.revoke"       // by an operator
	ActTenantRestore = "tenant.restore"      // by an operator
	ActRootRevoked   = "tenant.root-revoked" // the root said so
	ActRootVouched   = "tenant.root-vouched" // the root unwraps again
	ActFallback      = "tenant.fallback"     // values of a transition served under the platform's key
	ActKeyMint       = "key.mint"
	ActKeyDrain      = "key.drain"
	ActKeyRetire     = "key.retire"
	ActKeyExpose     = "key.expose" // somebody may know it
	ActTenantKey     = "tenant-key.rotate"
	ActRoot          = "root.rotate"
	ActPolicy        = "policy.apply"
	ActShredBegin    = "shred.begin"
	ActKeyShred      = "key.shred"
	ActShredEnd      = "shred.end" // the receipt
	ActBackupBegin   = "backup.begin"
	ActBackupEnd     = "backup.end"
	ActBackupForget  = "backup.forget"
	ActRestore       = "store.restore"    // the store came out of a backup
	ActDowngrade     = "policy.downgrade" // less of a namespace depends on the tenants' keys
)

// An AuditEvent is one entry of the audit log.
type AuditEvent struct {
	Seq       uint64    `json:"seq"`
	Time      time.Time `json:"time"`
	Act       string    `json:"act"`
	Tenant    string    `json:"tenant,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Domain    string    `json:"domain,omitempty"`
	Number    uint32    `json:"number,omitempty"` // of a data key, or version of a tenant key
	Detail    string    `json:"detail,omitempty"`
}

// An AuditHead is the end of the audit log: keep one elsewhere and VerifyAudit tells whether
// the log still contains it.
type AuditHead struct {
	Seq uint64
	MAC []byte
}

// String is SEQ:MAC, the MAC in hex, as kvctl audit verify --head takes it.
func (h AuditHead) String() string { return fmt.Sprintf("%d:%x", h.Seq, h.MAC) }

// MarshalText is String, for JSON.
func (h AuditHead) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// audit appends an entry to the log, in the transaction of c. Its MAC covers the one before it.
func (c *change) audit(platform *parent, e codec.AuditEntry) error {
	e.Seq = c.counters.AuditSeq + 1
	e.Time = c.now
	signed := platform.sign(codec.LabelAudit, c.counters.AuditMAC, codec.EncodeRecord(e))
	if err := c.put(bucketAudit, auditRow(e.Seq), signed); err != nil {
		return err
	}
	c.counters.AuditSeq, c.counters.AuditMAC = e.Seq, signed.MAC
	return nil
}

func auditRow(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func readAudit(tx *bolt.Tx, seq uint64) (codec.Signed, error) {
	var s codec.Signed
	if err := codec.DecodeRecord(tx.Bucket(bucketAudit).Get(auditRow(seq)), &s); err != nil {
		return s, damaged(fmt.Sprintf("audit entry %d", seq), err)
	}
	return s, nil
}

// auditPage is how many entries Audit reads in one transaction, so that a slow reader does not
// keep the file from reusing pages.
const auditPage = 256

// Audit yields the entries after seq in order, without verifying them. An error ends it.
func (k *Keyring) Audit(after uint64) iter.Seq2[AuditEvent, error] {
	return func(yield func(AuditEvent, error) bool) {
		for {
			page, err := k.auditPage(after)
			if err != nil {
				yield(AuditEvent{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
				after = e.Seq
			}
			if len(page) < auditPage {
				return
			}
		}
	}
}

func (k *Keyring) auditPage(after uint64) (page []AuditEvent, err error) {
	err = k.file.view(func(tx *bolt.Tx) error {
		cursor := tx.Bucket(bucketAudit).Cursor()
		for key, value := cursor.Seek(auditRow(after + 1)); key != nil && len(page) < auditPage; key, value = cursor.Next() {
			_, entry, err := decodeAudit(value)
			if err != nil {
				return err
			}
			page = append(page, auditEvent(entry))
		}
		return nil
	})
	return page, err
}

func decodeAudit(value []byte) (signed codec.Signed, entry codec.AuditEntry, err error) {
	if err = codec.DecodeRecord(value, &signed); err == nil {
		err = codec.DecodeRecord(signed.Body, &entry)
	}
	if err != nil {
		err = damaged("audit entry", err)
	}
	return signed, entry, err
}

func auditEvent(e codec.AuditEntry) AuditEvent {
	event := AuditEvent{
		Seq: e.Seq, Time: time.Unix(int64(e.Time), 0).UTC(), Act: e.Act,
		Tenant: e.Tenant, Namespace: e.Namespace, Number: e.Number, Detail: e.Detail,
	}
	if e.Domain != 0 {
		event.Domain = e.Domain.String()
	}
	return event
}

// VerifyAudit checks the whole chain: every entry's MAC over the one before it, no gap, and
// that it ends where the counters say. If kept is not nil the log must contain that head. It
// returns the head.
func (k *Keyring) VerifyAudit(ctx context.Context, kept *AuditHead) (AuditHead, error) {
	platform, err := k.platformKey(ctx)
	if err != nil {
		return AuditHead{}, err
	}
	defer platform.release()
	v := auditVerifier{k: k, ctx: ctx, platform: platform, kept: kept, found: kept == nil}
	defer v.release()
	var counters codec.Counters
	for {
		var page [][2][]byte
		if page, counters, err = k.rawAuditPage(v.head.Seq); err != nil {
			return v.head, err
		}
		for _, row := range page {
			if err := v.entry(row[0], row[1]); err != nil {
				return v.head, err
			}
		}
		if len(page) == 0 {
			break
		}
	}
	switch {
	case v.head.Seq != counters.AuditSeq || string(v.head.MAC) != string(counters.AuditMAC):
		return v.head, fmt.Errorf("keys: audit log ends at entry %d, not at %d: %w", v.head.Seq, counters.AuditSeq, ErrAuthentication)
	case !v.found:
		return v.head, fmt.Errorf("keys: audit log does not contain the head that was kept (entry %d): %w", kept.Seq, ErrAuthentication)
	}
	return v.head, nil
}

// rawAuditPage reads the rows after seq, and the counters of the same moment.
func (k *Keyring) rawAuditPage(after uint64) (page [][2][]byte, counters codec.Counters, err error) {
	err = k.file.view(func(tx *bolt.Tx) error {
		cursor := tx.Bucket(bucketAudit).Cursor()
		for key, value := cursor.Seek(auditRow(after + 1)); key != nil && len(page) < auditPage; key, value = cursor.Next() {
			page = append(page, [2][]byte{bytes.Clone(key), bytes.Clone(value)})
		}
		counters, err = readCounters(tx)
		return err
	})
	return page, counters, err
}

// auditVerifier walks the chain; entries from before a rotation of the platform key are under
// older versions of it.
type auditVerifier struct {
	k        *Keyring
	ctx      context.Context
	platform *parent
	older    map[uint32]*parent
	kept     *AuditHead
	found    bool
	head     AuditHead
}

func (v *auditVerifier) entry(key, value []byte) error {
	signed, entry, err := decodeAudit(value)
	if err != nil {
		return err
	}
	if entry.Seq != v.head.Seq+1 || string(key) != string(auditRow(entry.Seq)) {
		return fmt.Errorf("keys: audit log has entry %d after %d: %w", entry.Seq, v.head.Seq, ErrAuthentication)
	}
	signer, err := v.signer(signed.Version)
	if err != nil {
		return err
	}
	if err := signer.verify(codec.LabelAudit, v.head.MAC, &signed); err != nil {
		return fmt.Errorf("keys: audit entry %d: %w", entry.Seq, err)
	}
	v.head = AuditHead{Seq: entry.Seq, MAC: signed.MAC}
	if v.kept != nil && v.kept.Seq == entry.Seq && string(v.kept.MAC) == string(signed.MAC) {
		v.found = true
	}
	return nil
}

func (v *auditVerifier) signer(version uint32) (*parent, error) {
	if p := v.older[version]; p != nil {
		return p, nil
	}
	p, err := v.k.platformVersion(v.ctx, v.platform, version)
	if err != nil {
		return nil, err
	}
	if v.older == nil {
		v.older = map[uint32]*parent{}
	}
	v.older[version] = p
	return p, nil
}

func (v *auditVerifier) release() {
	for _, p := range v.older {
		p.release()
	}
}
