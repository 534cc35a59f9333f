package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
)

// Each row of a key copied, and moved, to another tenant, namespace, domain and number.
func TestMovedKeyRows(t *testing.T) { eachSuite(t, testMovedKeyRows) }

func testMovedKeyRows(t *testing.T, s *scene) {
	s.close()
	s.rows(func(f forgery) {
		var places [][]byte
		switch f.bucket {
		case "data-keys":
			row, err := codec.ParseDataKeyRow(f.row)
			if err != nil {
				t.Fatal(err)
			}
			places = f.dataKeyPlaces(row)
		case "tenant-keys":
			row, err := codec.ParseTenantKeyRow(f.row)
			if err != nil {
				t.Fatal(err)
			}
			places = f.tenantKeyPlaces(row)
		case "tenants":
			other := map[string]string{"acme": "globex", "globex": "acme"}[string(f.row)]
			places = [][]byte{[]byte(other)}
		}
		for _, place := range places {
			there := forgery{scene: s, bucket: f.bucket, row: place, is: f.was}
			there.check(s.try(there.put), fmt.Sprintf("a copy of %q", f.row))
			gone := forgery{scene: s, bucket: f.bucket, row: f.row}
			gone.check(s.try(func(tx *bolt.Tx) error { return errors.Join(gone.put(tx), there.put(tx)) }), fmt.Sprintf("moved to %q", place))
		}
	})
}

func (f forgery) dataKeyPlaces(row codec.KeyRow) (places [][]byte) {
	for _, change := range []func(*codec.KeyRow){
		func(r *codec.KeyRow) { r.Tenant = map[string]string{"acme": "globex", "globex": "acme"}[r.Tenant] },
		func(r *codec.KeyRow) { r.Domain = 3 - r.Domain },
		func(r *codec.KeyRow) { r.Namespace = "jira/boards-and-sprints" },
		func(r *codec.KeyRow) { r.Namespace = "jira/attachments" },
		func(r *codec.KeyRow) { r.Number++ },
		func(r *codec.KeyRow) { r.Number += 1000 },
	} {
		to := row
		if change(&to); to != row {
			places = append(places, codec.AppendDataKeyRow(nil, to.Tenant, to.Domain, to.Namespace, to.Number))
		}
	}
	return places
}

// tenantKeyPlaces leaves out the platform key's copy under a later version, which nothing reads:
// the first active one counts.
func (f forgery) tenantKeyPlaces(row codec.KeyRow) (places [][]byte) {
	if row.Tenant == "" {
		return nil
	}
	other := map[string]string{"acme": "globex", "globex": "acme"}[row.Tenant]
	return [][]byte{
		codec.AppendTenantKeyRow(nil, other, row.Domain, row.Number),
		codec.AppendTenantKeyRow(nil, row.Tenant, row.Domain, row.Number+1),
		codec.AppendTenantKeyRow(nil, "", codec.DomainPlatform, row.Number),
	}
}

// Fields of rows changed and encoded again, so that nothing but a MAC, a digest or a commitment
// stands in the way.
func TestForgedKeyRows(t *testing.T) { eachSuite(t, testForgedKeyRows) }

func testForgedKeyRows(t *testing.T, s *scene) {
	s.close()
	s.rows(func(f forgery) {
		for what, changed := range f.forgedFields() {
			if bytes.Equal(changed, f.was) {
				continue
			}
			f.as(changed, what)
		}
	})
}

func (f forgery) forgedFields() map[string][]byte {
	out := map[string][]byte{}
	switch f.bucket {
	case "data-keys":
		for what, change := range map[string]func(*codec.DataKey){
			"active": func(k *codec.DataKey) { k.State = codec.StateActive }, "draining": func(k *codec.DataKey) { k.State = codec.StateDraining },
			"retired": func(k *codec.DataKey) { k.State = codec.StateRetired }, "a suite": func(k *codec.DataKey) { k.Suite++ },
			"a parent": func(k *codec.DataKey) { k.Parent++ }, "since": func(k *codec.DataKey) { k.Since++ }, "created": func(k *codec.DataKey) { k.Created++ },
			"no commitment": func(k *codec.DataKey) { k.Commit = nil }, "no wrap": func(k *codec.DataKey) { k.Wrap = nil },
			"wrap and commitment swapped in part": func(k *codec.DataKey) { k.Commit = bytes.Clone(k.Wrap[:codec.MACLen]) },
		} {
			out[what] = forged(f, change)
		}
	case "tenant-keys":
		for what, change := range map[string]func(*codec.TenantKey){
			"draining": func(k *codec.TenantKey) { k.State = codec.StateDraining }, "retired": func(k *codec.TenantKey) { k.State = codec.StateRetired },
			"incoming": func(k *codec.TenantKey) { k.Wraps[0].Role = codec.RoleIncoming }, "outgoing": func(k *codec.TenantKey) { k.Wraps[0].Role = codec.RoleOutgoing },
			"another root": func(k *codec.TenantKey) { k.Wraps[0].URI = f.another(k.Wraps[0].URI) }, "no wraps": func(k *codec.TenantKey) { k.Wraps = nil },
			"no commitment": func(k *codec.TenantKey) { k.Commit = nil }, "a commitment": func(k *codec.TenantKey) { k.Commit[0] ^= 1 },
		} {
			out[what] = forged(f, change)
		}
	case "tenants":
		for what, change := range map[string]func(*codec.Control){
			"revoked": func(c *codec.Control) { c.Revoked = true }, "root revoked": func(c *codec.Control) { c.RootRevoked = true },
			"hosted": func(c *codec.Control) { c.Hosted = !c.Hosted }, "created": func(c *codec.Control) { c.Created++ },
			"a fallback": func(c *codec.Control) { c.Fallback = append(c.Fallback, "jira/attachments") }, "no digest": func(c *codec.Control) { c.Digest = make([]byte, codec.MACLen) },
		} {
			out[what] = forged(f, func(r *codec.Tenant) {
				var c codec.Control
				if err := codec.DecodeRecord(r.Control.Body, &c); err != nil {
					f.t.Fatal(err)
				}
				change(&c)
				r.Control.Body = codec.EncodeRecord(c)
			})
		}
		for what, change := range map[string]func(*codec.Tenant){
			"control for own": func(r *codec.Tenant) { r.Own = r.Control }, "own for control": func(r *codec.Tenant) { r.Control = r.Own },
			"a later key's MAC": func(r *codec.Tenant) { r.Own.Version++ }, "a later platform key's MAC": func(r *codec.Tenant) { r.Control.Version++ },
		} {
			out[what] = forged(f, change)
		}
	}
	return out
}

func (f forgery) another(uri string) string {
	if uri == "test://acme" {
		return "test://globex"
	}
	return "test://acme"
}

// forged decodes the row, changes it and encodes it again.
func forged[T any](f forgery, change func(*T)) []byte {
	f.t.Helper()
	var rec T
	if err := codec.DecodeRecord(f.was, &rec); err != nil {
		f.t.Fatal(err)
	}
	change(&rec)
	return codec.EncodeRecord(rec)
}

// A tenant's control record that is genuine and another tenant's; its own record likewise.
func TestSwappedTenants(t *testing.T) { eachSuite(t, testSwappedTenants) }

func testSwappedTenants(t *testing.T, s *scene) {
	s.close()
	records := map[string]codec.Tenant{}
	s.rows(func(f forgery) {
		if f.bucket == "tenants" {
			records[string(f.row)] = decoded[codec.Tenant](f)
		}
	})
	acme := forgery{scene: s, bucket: "tenants", row: []byte("acme"), was: codec.EncodeRecord(records["acme"])}
	acme.as(codec.EncodeRecord(codec.Tenant{Control: records["globex"].Control, Own: records["acme"].Own}), "another's control")
	acme.as(codec.EncodeRecord(codec.Tenant{Control: records["acme"].Control, Own: records["globex"].Own}), "another's own")
}

func decoded[T any](f forgery) (rec T) {
	f.t.Helper()
	if err := codec.DecodeRecord(f.was, &rec); err != nil {
		f.t.Fatal(err)
	}
	return rec
}
