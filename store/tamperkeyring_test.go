package store_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

// A forgery is a copy of a scene's keyring with something changed in it. It is opened beside the
// scene's records, for reading only, so that thousands of them can be.
type forgery struct {
	*scene
	bucket   string
	row, was []byte // key and value of what is changed
	is       []byte // the value that it gets; nil for none
}

// outcome of opening a forged keyring and reading everything.
type outcome struct {
	open   error
	audit  error
	failed map[string]error // by record
}

// close ends the store; its keyring stays for forgeries.
func (s *scene) close() {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// rows calls fn for each row of the keyring.
func (s *scene) rows(fn func(f forgery)) {
	s.t.Helper()
	db := openCopy(s.t, filepath.Join(s.dir, "keyring.db"))
	defer db.Close()
	err := db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error {
				fn(forgery{scene: s, bucket: string(name), row: bytes.Clone(k), was: bytes.Clone(v)})
				return nil
			})
		})
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// try edits a copy of the keyring, opens it and reads every record.
func (s *scene) try(edit func(tx *bolt.Tx) error) outcome {
	s.t.Helper()
	db := openCopy(s.t, filepath.Join(s.dir, "keyring.db"))
	path := db.Path()
	if err := errors.Join(db.Update(edit), db.Close()); err != nil {
		s.t.Fatal(err)
	}
	dir := filepath.Dir(path)
	defer os.RemoveAll(dir)
	if err := errors.Join(os.Rename(path, filepath.Join(dir, "keyring.db")), os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600)); err != nil {
		s.t.Fatal(err)
	}
	return s.read(dir)
}

// read opens the store in dir with the scene's records, for reading, and reads every record. A
// value that is another than the right one fails the test.
func (s *scene) read(dir string) (out outcome) {
	s.t.Helper()
	ctx := s.t.Context()
	opened, err := store.Open(ctx, dir, &store.Options{Roots: s.roots, Engine: s.engine, ReadOnly: true, CollectEvery: -1})
	if err != nil {
		return outcome{open: err}
	}
	defer opened.Close()
	out.failed = map[string]error{}
	_, out.audit = opened.VerifyAudit(ctx, nil)
	for _, p := range s.records {
		if p.key == "long" { // its keys are those of the others
			continue
		}
		if err := readFrom(opened, p, s.t); err != nil {
			out.failed[p.String()] = err
		}
	}
	return out
}

func readFrom(opened *store.Store, p planted, t *testing.T) error {
	t.Helper()
	tenant, err := opened.Tenant(p.n.Tenant())
	if err != nil {
		return err
	}
	n, err := tenant.Namespace(p.n.Name())
	if err != nil {
		return err
	}
	got, err := n.Get(t.Context(), []byte(p.key))
	if err == nil && string(got) != p.value {
		t.Fatalf("%s: another value", p)
	}
	return err
}

// refusals are the errors by which a store may refuse a keyring, and a record of it.
var refusals = append([]error{
	store.ErrIdentity, store.ErrRollback, store.ErrNoStore, store.ErrIncomplete, store.ErrTenantUnknown,
	keys.ErrDamaged, root.ErrInvalid, scope.ErrUnknownNamespace,
}, classes...)

func refusal(err error) bool {
	for _, class := range refusals {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// check fails the test unless what the forged row speaks for is refused. The rest may read right.
func (f forgery) check(out outcome, what string) {
	f.t.Helper()
	name := fmt.Sprintf("%s %q: %s", f.bucket, f.row, what)
	for record, err := range out.failed {
		if !refusal(err) {
			f.t.Fatalf("%s: %s: %v is of no class", name, record, err)
		}
	}
	if out.open != nil {
		if !refusal(out.open) {
			f.t.Fatalf("%s: Open: %v is of no class", name, out.open)
		}
		return
	}
	if out.audit != nil && !refusal(out.audit) {
		f.t.Fatalf("%s: VerifyAudit: %v is of no class", name, out.audit)
	}
	for _, p := range f.records {
		if p.key != "long" && f.speaksFor(p) && out.failed[p.String()] == nil {
			f.t.Fatalf("%s: %s still reads", name, p)
		}
	}
	if f.bucket == "audit" && out.audit == nil {
		f.t.Fatalf("%s: the audit log verifies", name)
	}
}

// speaksFor reports whether a record cannot be read once the row is changed. What is not listed
// has no influence on values: roots is an index, counters only ever go up, an audit entry has its
// own check, and of the mark "initialised" only its presence counts.
func (f forgery) speaksFor(p planted) bool {
	rule, err := f.Policy().Lookup(p.n.Name())
	if err != nil {
		f.t.Fatal(err)
	}
	owner, _, _ := strings.Cut(string(f.row), "\x00")
	switch f.bucket {
	case "meta":
		return string(f.row) == "identity" || string(f.row) == "policy"
	case "tenants": // what the platform vouches for, and what the tenant's key does
		return p.n.Tenant() == owner && (!f.sameControl() || rule.Domain.Has(scope.Tenant))
	case "tenant-keys":
		return owner == "" || p.n.Tenant() == owner && rule.Domain.Has(scope.Tenant)
	case "data-keys":
		domain := codec.Domain(f.row[len(owner)+1])
		return p.n.Tenant() == owner && (domain == codec.DomainPlatform || rule.Domain.Has(scope.Tenant))
	}
	return false
}

// sameControl reports whether a changed tenant record is the old one as far as the platform vouches
// for it.
func (f forgery) sameControl() bool {
	var was, is codec.Tenant
	return codec.DecodeRecord(f.was, &was) == nil && codec.DecodeRecord(f.is, &is) == nil &&
		bytes.Equal(codec.EncodeRecord(was.Control), codec.EncodeRecord(is.Control))
}

// put gives the row the value that it is to have.
func (f forgery) put(tx *bolt.Tx) error {
	if f.is == nil {
		return tx.Bucket([]byte(f.bucket)).Delete(f.row)
	}
	return tx.Bucket([]byte(f.bucket)).Put(f.row, f.is)
}

// as gives the row another value, or takes it away, and checks what comes of it.
func (f forgery) as(value []byte, what string) {
	f.t.Helper()
	f.is = value
	f.check(f.try(f.put), what)
}

var thorough = flag.Bool("thorough", false, "try what is only sampled otherwise")

// Each byte of each row of the keyring.
func TestFlippedKeyring(t *testing.T) {
	s := newScene(t, scope.XChaCha20Poly1305)
	s.close()
	if out := s.try(func(*bolt.Tx) error { return nil }); out.open != nil || out.audit != nil || len(out.failed) > 0 {
		t.Fatalf("an honest copy: %+v", out)
	}
	step := 5
	switch {
	case *thorough:
		step = 1
	case testing.Short(), raceEnabled:
		step = 29
	}
	at := 0
	s.rows(func(f forgery) {
		rowStep := step
		if string(f.row) == "policy" || f.bucket == "audit" {
			rowStep = 31 * step
		}
		for ; at < len(f.was); at += rowStep {
			flipped := bytes.Clone(f.was)
			flipped[at] ^= 1 << (at % 8)
			if f.neverRead(flipped) {
				continue
			}
			f.as(flipped, fmt.Sprintf("byte %d of %d flipped", at, len(f.was)))
		}
		at -= len(f.was)
		if f.bucket != "roots" && string(f.row) != "initialised" {
			f.as(nil, "deleted")
		}
	})
}

// neverRead reports whether a changed row of the platform key differs only in its time of
// creation, which is shown to people: nothing but its root vouches for the platform key.
func (f forgery) neverRead(changed []byte) bool {
	var was, is codec.TenantKey
	if f.bucket != "tenant-keys" || f.row[0] != 0 || codec.DecodeRecord(f.was, &was) != nil || codec.DecodeRecord(changed, &is) != nil {
		return false
	}
	is.Created = was.Created
	return bytes.Equal(codec.EncodeRecord(is), f.was)
}
