package codec_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/codec"
)

// Whoever falls back on the platform's keys during a revocation adds a namespace each time: a
// record of many must be read again.
func TestLongRecords(t *testing.T) {
	control := codec.Control{Digest: make([]byte, codec.MACLen)}
	for i := range 20_000 {
		control.Fallback = append(control.Fallback, fmt.Sprintf("jira/type-%d", i))
	}
	var again codec.Control
	if err := codec.DecodeRecord(codec.EncodeRecord(control), &again); err != nil {
		t.Fatal(err)
	}
	if len(again.Fallback) != len(control.Fallback) {
		t.Errorf("%d namespaces, not %d", len(again.Fallback), len(control.Fallback))
	}
}

func TestMaxRecordLen(t *testing.T) {
	overhead := len(codec.EncodeRecord(signedOf(1<<20))) - 1<<20
	for _, c := range []struct {
		length int
		want   error
	}{{codec.MaxRecordLen, nil}, {codec.MaxRecordLen + 1, codec.ErrMalformed}} {
		b := codec.EncodeRecord(signedOf(c.length - overhead))
		if len(b) != c.length {
			t.Fatalf("%d bytes, not %d", len(b), c.length)
		}
		if err := codec.DecodeRecord(b, new(codec.Signed)); !errors.Is(err, c.want) {
			t.Errorf("%d bytes: %v", c.length, err)
		}
	}
}

func signedOf(n int) codec.Signed {
	return codec.Signed{Version: 1, Body: make([]byte, n), MAC: make([]byte, codec.MACLen)}
}

func TestDecodeRecordKeepsTheOldOnFailure(t *testing.T) {
	b := codec.EncodeRecord(codec.AuditEntry{Seq: 2, Act: "new", Domain: 3})
	entry := codec.AuditEntry{Seq: 1, Act: "old"}
	if err := codec.DecodeRecord(b, &entry); !errors.Is(err, codec.ErrMalformed) {
		t.Errorf("got %v", err)
	}
	if entry.Seq != 1 || entry.Act != "old" {
		t.Errorf("record became %+v", entry)
	}
}

// Nil and empty are one thing on disk.
func TestNilIsEmpty(t *testing.T) {
	for _, c := range []struct{ with, without any }{
		{codec.Counters{AuditMAC: []byte{}}, codec.Counters{}},
		{codec.TenantKey{State: 3, Commit: []byte{}, Wraps: []codec.RootWrap{}}, codec.TenantKey{State: 3}},
		{codec.DataKey{State: 3, Commit: []byte{}, Wrap: []byte{}}, codec.DataKey{State: 3}},
		{codec.Control{Fallback: []string{}, Shredding: []string{}, Digest: []byte{}}, codec.Control{}},
		{codec.Policy{Source: []byte{}, Alone: []codec.Alone{}}, codec.Policy{}},
		{codec.Backups{List: []codec.Backup{}}, codec.Backups{}},
		{codec.Sweep{Active: []uint32{}, Cursor: []byte{}, Counts: []codec.KeyCount{}}, codec.Sweep{}},
		{codec.Signed{Body: []byte{}, MAC: []byte{}}, codec.Signed{}},
	} {
		if a, b := codec.EncodeRecord(c.with), codec.EncodeRecord(c.without); string(a) != string(b) {
			t.Errorf("%T: %s with empty fields, %s without", c.with, notation(a), notation(b))
		}
	}
}

func TestIdentityCheck(t *testing.T) {
	for _, c := range []struct {
		id   codec.Identity
		want string
	}{
		{codec.Identity{Format: 1}, "ok"},
		{codec.Identity{Format: 1, Optional: 1 << 63}, "ok"},
		{codec.Identity{Format: 0}, "unsupported"},
		{codec.Identity{Format: 2}, "unsupported"},
		{codec.Identity{Format: 1, Required: 1}, "unsupported"},
		{codec.Identity{Format: 1, Required: 1 << 63}, "unsupported"},
	} {
		if got := class(c.id.Check()); got != c.want {
			t.Errorf("%+v is %s, not %s", c.id, got, c.want)
		}
	}
}

// Errors say what is wrong with a name, and never the name.
func TestErrorsHideContents(t *testing.T) {
	const secret = "s3cret name"
	key := append(codec.AppendPrefix(nil, codec.KindRecord, secret, "jira/comments"), "k"...)
	row := codec.AppendDataKeyRow(nil, secret, codec.DomainTenant, "jira/comments", 7)
	_, rowErr := codec.ParseDataKeyRow(row)
	_, keyErr := codec.ParseKey(key)
	entry := codec.EncodeRecord(codec.AuditEntry{Act: secret + "\xff"})
	for _, err := range []error{
		keyErr, rowErr, codec.CheckTenant(secret), codec.CheckUserKey([]byte(strings.Repeat(secret, 200))),
		codec.DecodeRecord(entry, new(codec.AuditEntry)),
		codec.DecodeRecord(codec.EncodeRecord(secret), new(codec.AuditEntry)),
	} {
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got %v", err)
		}
	}
}
