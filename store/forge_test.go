package store_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
)

// numbers of data keys that a forger may try: all that there are, and some that are not.
func (s *scene) numbers(b *burglar) []uint32 {
	return append(slices.Sorted(maps.Keys(b.data)), uint32(len(b.data)+1), 1<<31, 1<<32-1)
}

// Any other number of a data key in an honest envelope's head.
func TestOtherNumbers(t *testing.T) { eachSuite(t, testOtherNumbers) }

func testOtherNumbers(t *testing.T, s *scene) {
	b := rob(t, s.dir+"/keyring.db", s.roots)
	for _, p := range s.records {
		for _, number := range s.numbers(b) {
			var e codec.Envelope
			if err := e.Parse(p.raw); err != nil {
				t.Fatal(err)
			}
			class := store.ErrKeyMismatch
			if k := b.data[number]; k.Tenant == p.n.Tenant() && k.Namespace == p.n.Name() {
				class = store.ErrAuthentication
			}
			if e.HasContentKey() {
				s.otherRecipient(p, &e, number)
				continue
			}
			if e.Number == number {
				continue
			}
			e.Number = number
			s.put(p, e.Append(nil))
			s.refusedAs(p, fmt.Sprint("says number ", number), class)
		}
		s.restore(p)
	}
}

// otherRecipient puts number in place of each recipient's, beside them, and takes each away.
func (s *scene) otherRecipient(p planted, e *codec.Envelope, number uint32) {
	s.t.Helper()
	honest := slices.Clone(e.Recipients)
	attempts := [][]codec.Recipient{append(slices.Clone(honest), codec.Recipient{Number: number, Wrap: honest[0].Wrap})}
	for i := range honest {
		changed := slices.Clone(honest)
		changed[i].Number = number
		attempts = append(attempts, changed)
		if len(honest) > 1 {
			attempts = append(attempts, slices.Delete(slices.Clone(honest), i, i+1))
		}
	}
	for _, recipients := range attempts {
		slices.SortFunc(recipients, func(a, b codec.Recipient) int { return int(int64(a.Number) - int64(b.Number)) })
		e.Recipients = recipients
		if raw := e.Append(nil); !bytes.Equal(raw, p.raw) {
			s.put(p, raw)
			s.refused(p, fmt.Sprint("has a recipient ", number))
		}
	}
}

// A tenant that knows all of its own keys, and writes the files, seals for a place that belongs
// to another tenant, or to the platform.
func TestForgedRecords(t *testing.T) { eachSuite(t, testForgedRecords) }

func testForgedRecords(t *testing.T, s *scene) {
	b := rob(t, s.dir+"/keyring.db", s.roots)
	const lie = "a lie"
	for _, p := range s.records {
		for number, k := range b.data {
			own := k.Tenant == p.n.Tenant() && k.Namespace == p.n.Name()
			if own {
				s.honestForgery(b, p, number)
				continue
			}
			s.put(p, b.direct(number, number, p.at, lie))
			s.refusedAs(p, fmt.Sprint("sealed under ", number), store.ErrKeyMismatch)
			s.put(p, b.content(map[uint32]uint32{number: number}, p.at, lie))
			s.refusedAs(p, fmt.Sprint("content key under ", number), store.ErrKeyMismatch)
			for says, there := range b.data {
				if there.Tenant != p.n.Tenant() || there.Namespace != p.n.Name() {
					continue
				}
				s.put(p, b.direct(number, says, p.at, lie))
				s.refusedAs(p, fmt.Sprintf("sealed under %d, says %d", number, says), store.ErrAuthentication)
				s.put(p, b.content(map[uint32]uint32{says: number}, p.at, lie))
				s.refusedAs(p, fmt.Sprintf("content key under %d, says %d", number, says), store.ErrAuthentication)
				s.put(p, b.content(map[uint32]uint32{says: number, number: number}, p.at, lie))
				s.refusedAs(p, fmt.Sprintf("content key under %d, says %d too", number, says), store.ErrAuthentication)
			}
		}
		s.restore(p)
	}
}

// honestForgery proves the burglar's skill: with a key that belongs there, it opens.
func (s *scene) honestForgery(b *burglar, p planted, number uint32) {
	s.t.Helper()
	s.put(p, b.direct(number, number, p.at, "forged well"))
	wantValue(s.t, p.n, p.key, "forged well")
	s.put(p, b.content(map[uint32]uint32{number: number}, p.at, "forged well"))
	wantValue(s.t, p.n, p.key, "forged well")
}

// What a data key made for one purpose in the place of another, everything else being right.
func TestPurposesDoNotMix(t *testing.T) { eachSuite(t, testPurposesDoNotMix) }

func testPurposesDoNotMix(t *testing.T, s *scene) {
	b := rob(t, s.dir+"/keyring.db", s.roots)
	for _, tenant := range []string{"acme", "globex"} {
		p := s.record(tenant, "jira/attachments", "k2")
		var e codec.Envelope
		if err := e.Parse(p.raw); err != nil {
			t.Fatal(err)
		}
		for _, r := range e.Recipients {
			wrap := codec.Envelope{Suite: e.Suite, Number: r.Number, Sealed: r.Wrap}
			s.put(p, wrap.Append(nil))
			s.refusedAs(p, "a wrap as a value", store.ErrAuthentication)
			sealed := codec.Envelope{Suite: e.Suite, Number: r.Number, Sealed: e.Sealed}
			s.put(p, sealed.Append(nil))
			s.refusedAs(p, "a payload as a value", store.ErrAuthentication)
			value := codec.Envelope{Suite: e.Suite, Number: r.Number}
			key := b.data[r.Number].bytes
			value.Sealed = b.sealUnder(e.Suite, key, codec.LabelValue, bytes.Repeat([]byte{7}, codec.KeyLen), value.AppendSealAAD(nil, &b.store, p.at))
			s.put(p, value.Append(nil))
			wantValue(t, p.n, p.key, string(bytes.Repeat([]byte{7}, codec.KeyLen)))
			s.put(p, s.valueAsWrap(b, p, r.Number, value.Sealed))
			s.refusedAs(p, "a value as a wrap", store.ErrAuthentication)
		}
		s.restore(p)
	}
}

// valueAsWrap is an envelope with a content key of 32 times 7, "wrapped" by what sealed a value.
func (s *scene) valueAsWrap(b *burglar, p planted, number uint32, sealed []byte) []byte {
	e := codec.Envelope{Suite: b.data[number].suite, Recipients: []codec.Recipient{{Number: number, Wrap: sealed}}}
	b.finish(&e, bytes.Repeat([]byte{7}, codec.KeyLen), p.at, "a lie")
	return e.Append(nil)
}

// While a tenant is revoked the platform's key alone never speaks for it: not for values that
// only the platform sealed, nor for those whose tenant's wrap was taken away.
func TestPlatformAloneInATransition(t *testing.T) { eachSuite(t, testPlatformAloneInATransition) }

func testPlatformAloneInATransition(t *testing.T, s *scene) {
	b := rob(t, s.dir+"/keyring.db", s.roots)
	p := s.record("acme", "jira/attachments", "k2")
	own, platform := b.number("acme", "jira/attachments", codec.DomainTenant), b.number("acme", "jira/attachments", codec.DomainPlatform)
	elsewhere := b.number("acme", "jira/comments", codec.DomainTenant)
	if err := s.tenant("acme").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantValue(t, p.n, p.key, p.value)
	s.put(p, b.direct(platform, platform, p.at, "a lie"))
	s.refusedAs(p, "directly under the platform's key", store.ErrKeyRevoked)
	s.put(p, b.content(map[uint32]uint32{platform: platform}, p.at, "a lie"))
	s.refusedAs(p, "for the platform alone", store.ErrKeyRevoked)
	s.put(p, b.content(map[uint32]uint32{platform: platform, elsewhere: platform}, p.at, "a lie"))
	s.refusedAs(p, "with a tenant's key of elsewhere", store.ErrKeyRevoked)
	s.put(p, b.direct(own, own, p.at, "under the tenant's key"))
	s.refusedAs(p, "directly under the tenant's key", store.ErrKeyRevoked)
	s.restore(p)
}
