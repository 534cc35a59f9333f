package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store/engine"
)

// ShredOptions say how much of a tenant Shred destroys. Nil means all of it.
type ShredOptions struct {
	// InScope destroys the tenant's keys and the namespaces that the policy wants under them, alone
	// or with the platform's; what is under platform keys lives on.
	InScope bool
	// Namespaces destroys these alone. They may be written anew afterwards.
	Namespaces []string
}

// A ShredReceipt says what was shredded. The audit log has it too.
type ShredReceipt struct {
	Tenant     string   `json:"tenant"`
	What       string   `json:"what"` // whole, in-scope, or namespaces
	Namespaces []string `json:"namespaces"`
	Keys       int      `json:"keys"` // destroyed by this call; those of one that was cut short are in the audit log
	// Backups are the ids of the registered backups that may hold the keys: they end with the last
	// copy of these, or with the tenant's root. What is restored from them stays shredded if the
	// newest keyring is given.
	Backups []string `json:"backups"`
	// Head is the end of the audit log with the receipt.
	Head keys.AuditHead `json:"head"`
}

// Shred destroys keys of the tenant, and deletes what they sealed, for good. It goes through
// durable steps: the intent, from which on nothing opens under these keys; the keys themselves,
// whose bytes leave the keyring's file; the records; the receipt. Cut short, it is completed by
// calling it again in the same way.
//
// It cannot reach copies of the files that were made before. Those are safe from all who have not
// the tenant's root: only destroying that ends them too.
//
// A tenant that was shredded as a whole, or in scope, keeps its id, which is never given again. The
// keys of single namespaces can be destroyed only while the tenant's root vouches.
func (t *Tenant) Shred(ctx context.Context, opts *ShredOptions) (ShredReceipt, error) {
	if t.store.opts.ReadOnly {
		return ShredReceipt{}, ErrReadOnly
	}
	if opts == nil {
		opts = &ShredOptions{}
	}
	if err := t.store.backups.Acquire(ctx, allBackups); err != nil {
		return ShredReceipt{}, err
	}
	defer t.store.backups.Release(allBackups)
	defer t.store.values.purge()
	s := shredding{t: t, receipt: ShredReceipt{Tenant: t.id}, Shred: keys.Shred{Tenant: t.id}}
	err := s.plan(opts)
	for _, step := range []func(context.Context) error{s.begin, s.destroy, s.clear, s.end} {
		if err == nil {
			err = step(ctx)
		}
	}
	if err != nil {
		return s.receipt, fmt.Errorf("store: shredding %s: %w", t.id, translated(err))
	}
	return s.receipt, nil
}

// A shredding is one Shred at work.
type shredding struct {
	keys.Shred
	t       *Tenant
	receipt ShredReceipt
}

func (s *shredding) plan(opts *ShredOptions) error {
	switch {
	case len(opts.Namespaces) > 0 && opts.InScope:
		return fmt.Errorf("InScope and Namespaces exclude one another")
	case len(opts.Namespaces) > 0:
		s.receipt.What, s.Namespaces = "namespaces", opts.Namespaces
		for _, name := range opts.Namespaces {
			if err := scope.CheckNamespace(name); err != nil {
				return fmt.Errorf("%w: %w", ErrInvalidName, err)
			}
		}
	case opts.InScope:
		s.receipt.What, s.How = "in-scope", codec.ShreddedOwn
		if err := s.planInScope(); err != nil {
			return err
		}
	default:
		s.receipt.What, s.How = "whole", codec.ShreddedWhole
	}
	s.receipt.Namespaces = s.Namespaces
	return nil
}

// planInScope finds the namespaces that ever had a key and are under the tenant's now.
func (s *shredding) planInScope() error {
	infos, err := s.t.DataKeys()
	if err != nil {
		return err
	}
	for _, info := range infos {
		rule, err := s.t.store.Policy().Lookup(info.Namespace)
		if err == nil && rule.DomainAt(s.t.store.opts.Now()).Has(scope.Tenant) && !slices.Contains(s.Namespaces, info.Namespace) {
			s.Namespaces = append(s.Namespaces, info.Namespace)
		}
	}
	slices.Sort(s.Namespaces)
	return nil
}

func (s *shredding) begin(ctx context.Context) error { return s.t.store.keys.BeginShred(ctx, s.Shred) }

func (s *shredding) destroy(ctx context.Context) (err error) {
	s.receipt.Keys, err = s.t.store.keys.DestroyKeys(ctx, s.Shred)
	return err
}

// kinds are those of which every entry belongs to a tenant and a namespace.
var kinds = []codec.Kind{codec.KindRecord, codec.KindChunk, codec.KindJournal, codec.KindRetention, codec.KindSweep, codec.KindMiss, codec.KindCensus, codec.KindDictionary}

// clear deletes everything that the engine has of the tenant or the namespaces, and has it rewrite
// the files that it was in.
func (s *shredding) clear(ctx context.Context) error {
	var prefixes [][]byte
	for _, kind := range kinds {
		if s.How == codec.ShreddedWhole {
			prefixes = append(prefixes, codec.AppendTenantPrefix(nil, kind, s.t.id))
			continue
		}
		for _, namespace := range s.Namespaces {
			prefixes = append(prefixes, codec.AppendPrefix(nil, kind, s.t.id, namespace))
		}
	}
	for _, prefix := range prefixes {
		b := s.t.store.newBatch()
		b.DeleteRange(prefix, codec.PrefixEnd(prefix))
		err := s.t.store.applyBatch(ctx, b, true)
		b.Close()
		if err != nil {
			return err
		}
	}
	return s.t.store.rewriteFiles(ctx, prefixes)
}

// rewriteFiles has the engine rewrite the files with keys that begin with a prefix, so that what was
// deleted or replaced under it is gone from them. An engine that has no such files does nothing.
func (s *Store) rewriteFiles(ctx context.Context, prefixes [][]byte) error {
	compactor, ok := s.engine.(engine.Compactor)
	if !ok {
		return nil
	}
	if err := compactor.Flush(ctx); err != nil {
		return err
	}
	for _, prefix := range prefixes {
		if err := compactor.Compact(ctx, engine.Range{Start: prefix, End: codec.PrefixEnd(prefix)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *shredding) end(ctx context.Context) error {
	detail := s.receipt.What
	if len(s.Namespaces) > 0 {
		detail += ": " + strings.Join(s.Namespaces, ", ")
	}
	if err := s.nameBackups(); err != nil {
		return err
	}
	if len(s.receipt.Backups) > 0 {
		detail += "; held by the backups " + strings.Join(s.receipt.Backups, ", ")
	}
	if err := s.t.store.keys.EndShred(ctx, s.Shred, detail); err != nil {
		return err
	}
	counters := s.t.store.keys.Counters()
	s.receipt.Head = keys.AuditHead{Seq: counters.AuditSeq, MAC: counters.AuditMAC}
	return nil
}

// nameBackups lists the backups that began when the first of the keys was there, or may have.
func (s *shredding) nameBackups() error {
	infos, err := s.t.DataKeys()
	if err != nil {
		return err
	}
	lowest := uint32(math.MaxUint32)
	for _, info := range infos {
		domain := codec.DomainPlatform
		if info.Domain == codec.DomainTenant.String() {
			domain = codec.DomainTenant
		}
		if s.Hits(domain, info.Namespace) {
			lowest = min(lowest, info.Number)
		}
	}
	list, err := s.t.store.keys.Backups()
	for _, b := range list {
		if b.State != codec.BackupComplete || b.Highest >= lowest {
			s.receipt.Backups = append(s.receipt.Backups, newBackupInfo(b).ID)
		}
	}
	return err
}
