package keys

import (
	"context"
	"fmt"
	"sync"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
)

// An Anchor keeps the keyring's mirror beside the data: its revision, highest number and audit
// head, so that a keyring older than the data is noticed. The store gives one over its engine.
type Anchor interface {
	// LoadMirror returns what StoreMirror last stored, or nil.
	LoadMirror(ctx context.Context) ([]byte, error)
	// StoreMirror returns when mirror is durable.
	StoreMirror(ctx context.Context, mirror []byte) error
}

// mirror writes the newest counters to the anchor, only upwards. Callers that come while a
// write is under way share the next one.
type mirror struct {
	anchor Anchor

	mu     sync.Mutex
	stored uint64 // revision
}

// advance returns once the anchor has revision or a later one.
func (k *Keyring) advance(ctx context.Context, revision uint64) error {
	m := &k.mirror
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stored >= revision || k.file.readOnly {
		return nil
	}
	platform, err := k.platformKey(ctx)
	if err != nil {
		return err
	}
	defer platform.release()
	counters, err := k.file.stored() // not the latest that a committer has told of: it may lag behind
	if err != nil {
		return err
	}
	signed := platform.sign(codec.LabelMirror, nil, codec.EncodeRecord(counters))
	if err := m.anchor.StoreMirror(ctx, codec.EncodeRecord(signed)); err != nil {
		return fmt.Errorf("keys: recording the keyring's revision beside the data: %w", err)
	}
	m.stored = counters.Revision
	return nil
}

// checkAnchor refuses a keyring that is older than the mirror beside the data, or whose history
// is another one.
func (k *Keyring) checkAnchor(ctx context.Context, platform *parent) error {
	raw, err := k.mirror.anchor.LoadMirror(ctx)
	if err != nil {
		return fmt.Errorf("keys: reading the keyring's revision beside the data: %w", err)
	}
	if raw == nil {
		return fmt.Errorf("%w: the data has no record of a keyring", ErrRollback)
	}
	seen, version, err := decodeMirror(raw)
	if err != nil {
		return err
	}
	if err := k.compareMirror(seen); err != nil {
		return err
	}
	signer, err := k.platformVersion(ctx, platform, version.Version)
	if err != nil {
		return err
	}
	defer signer.release()
	if err := signer.verify(codec.LabelMirror, nil, version); err != nil {
		return fmt.Errorf("keys: the keyring's revision beside the data: %w", err)
	}
	k.mirror.stored = seen.Revision
	return nil
}

func decodeMirror(raw []byte) (codec.Counters, *codec.Signed, error) {
	var (
		signed codec.Signed
		seen   codec.Counters
	)
	if err := codec.DecodeRecord(raw, &signed); err != nil {
		return seen, nil, damaged("the keyring's revision beside the data", err)
	}
	if err := codec.DecodeRecord(signed.Body, &seen); err != nil {
		return seen, nil, damaged("the keyring's revision beside the data", err)
	}
	return seen, &signed, nil
}

func (k *Keyring) compareMirror(seen codec.Counters) error {
	have := k.file.latest()
	if have.Revision < seen.Revision || have.Highest < seen.Highest || have.AuditSeq < seen.AuditSeq {
		return fmt.Errorf("%w (keyring at revision %d, data at %d)", ErrRollback, have.Revision, seen.Revision)
	}
	return k.file.view(func(tx *bolt.Tx) error {
		_, policy, err := readPolicy(tx)
		if err != nil {
			return err
		}
		if policy.Revision < seen.Policy {
			return fmt.Errorf("%w (its policy is one from before revision %d)", ErrRollback, seen.Policy)
		}
		_, backups, err := readBackups(tx)
		if err != nil {
			return err
		}
		if backups.Revision < seen.Backups {
			return fmt.Errorf("%w (its list of backups is one from before revision %d)", ErrRollback, seen.Backups)
		}
		if seen.AuditSeq == 0 {
			return nil
		}
		entry, err := readAudit(tx, seen.AuditSeq)
		if err != nil {
			return err
		}
		if string(entry.MAC) != string(seen.AuditMAC) {
			return fmt.Errorf("%w (its audit log is another one from entry %d on)", ErrRollback, seen.AuditSeq)
		}
		return nil
	})
}
