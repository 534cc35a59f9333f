package store_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/roottest"
)

// A burglar has the files of a store and all its roots, and opens every key by itself, from
// FORMAT.md alone. What it seals for a place that its key belongs to opens there; that is what
// makes a test mean something in which it does not.
type burglar struct {
	t       *testing.T
	store   codec.StoreID
	holders map[string][]byte // tenant keys by tenant, "" for the platform's
	data    map[uint32]dataKey
}

type dataKey struct {
	codec.KeyRow
	suite codec.Suite
	state codec.State
	bytes []byte
}

// rob opens a copy of the keyring at path.
func rob(t *testing.T, path string, roots roottest.Opener) *burglar {
	t.Helper()
	b := &burglar{t: t, holders: map[string][]byte{}, data: map[uint32]dataKey{}}
	db := openCopy(t, path)
	defer db.Close()
	err := db.View(func(tx *bolt.Tx) error {
		var id codec.Identity
		b.must(codec.DecodeRecord(tx.Bucket([]byte("meta")).Get([]byte("identity")), &id))
		b.store = id.Store
		b.must(tx.Bucket([]byte("tenant-keys")).ForEach(func(k, v []byte) error { b.openTenantKey(k, v, roots); return nil }))
		return tx.Bucket([]byte("data-keys")).ForEach(func(k, v []byte) error { b.openDataKey(k, v); return nil })
	})
	b.must(err)
	return b
}

func openCopy(t *testing.T, path string) *bolt.DB {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(copied, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(copied, 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (b *burglar) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *burglar) openTenantKey(k, v []byte, roots roottest.Opener) {
	row, err := codec.ParseTenantKeyRow(k)
	b.must(err)
	var rec codec.TenantKey
	b.must(codec.DecodeRecord(v, &rec))
	if rec.State != codec.StateActive {
		return
	}
	wrap := rec.Wraps[0]
	raw, err := roots[wrap.URI].Unwrap(b.t.Context(), root.Wrapped{Ciphertext: wrap.Ciphertext, KeyVersion: wrap.KeyVersion},
		root.Context{Store: b.store, Tenant: row.Tenant, Domain: row.Domain.String(), Version: row.Number})
	b.must(err)
	b.holders[row.Tenant] = raw[:codec.KeyLen]
}

func (b *burglar) openDataKey(k, v []byte) {
	row, err := codec.ParseDataKeyRow(k)
	b.must(err)
	var rec codec.DataKey
	b.must(codec.DecodeRecord(v, &rec))
	parent := b.holders[row.Tenant]
	if row.Domain == codec.DomainPlatform {
		parent = b.holders[""]
	}
	label := codec.LabelDataKey
	if rec.Suite == codec.SuiteXAES {
		label += " 2"
	}
	raw, err := b.aead(rec.Suite, parent, label, func(a aead) ([]byte, error) {
		return a.Open(nil, rec.Wrap[:codec.NonceLen], rec.Wrap[codec.NonceLen:], rec.AppendDataKeyAAD(nil, &b.store, row))
	})
	b.must(err)
	b.data[row.Number] = dataKey{KeyRow: row, suite: rec.Suite, state: rec.State, bytes: raw}
}

type aead interface {
	Seal(dst, nonce, plaintext, aad []byte) []byte
	Open(dst, nonce, ciphertext, aad []byte) ([]byte, error)
}

func derived(key []byte, label codec.Label) []byte {
	out, err := hkdf.Key(sha256.New, key, nil, string(label), codec.KeyLen)
	if err != nil {
		panic(err)
	}
	return out
}

func (b *burglar) aead(suite codec.Suite, key []byte, label codec.Label, use func(aead) ([]byte, error)) ([]byte, error) {
	if suite == codec.SuiteXAES {
		return use(xaes(derived(key, label)))
	}
	a, err := chacha20poly1305.NewX(derived(key, label))
	b.must(err)
	return use(a)
}

// An xaes is XAES-256-GCM under a key.
type xaes []byte

func (key xaes) gcm(nonce []byte) cipher.AEAD {
	outer, _ := aes.NewCipher(key)
	var k1 [16]byte
	outer.Encrypt(k1[:], k1[:])
	high := k1[0] >> 7
	hi, lo := binary.BigEndian.Uint64(k1[:]), binary.BigEndian.Uint64(k1[8:])
	binary.BigEndian.PutUint64(k1[:], hi<<1|lo>>63)
	binary.BigEndian.PutUint64(k1[8:], lo<<1^0x87*uint64(high))
	inner := make([]byte, 32)
	for i := range 2 {
		m := append([]byte{0, byte(i + 1), 'X', 0}, nonce[:12]...)
		subtle.XORBytes(m, m, k1[:])
		outer.Encrypt(inner[16*i:], m)
	}
	block, _ := aes.NewCipher(inner)
	gcm, _ := cipher.NewGCM(block)
	return gcm
}

func (key xaes) Seal(dst, nonce, plaintext, aad []byte) []byte {
	return key.gcm(nonce).Seal(dst, nonce[12:], plaintext, aad)
}

func (key xaes) Open(dst, nonce, ciphertext, aad []byte) ([]byte, error) {
	return key.gcm(nonce).Open(dst, nonce[12:], ciphertext, aad)
}

func (b *burglar) sealUnder(suite codec.Suite, key []byte, label codec.Label, plaintext, aad []byte) []byte {
	sealed, _ := b.aead(suite, key, label, func(a aead) ([]byte, error) {
		nonce := make([]byte, codec.NonceLen)
		rand.Read(nonce)
		return a.Seal(nonce, nonce, plaintext, aad), nil
	})
	return sealed
}

// direct seals value for the record at engineKey under one data key, and says in the head that
// it was another.
func (b *burglar) direct(under, says uint32, engineKey []byte, value string) []byte {
	e := codec.Envelope{Suite: b.data[under].suite, Number: says}
	e.Sealed = b.sealUnder(e.Suite, b.data[under].bytes, codec.LabelValue, []byte(value), e.AppendSealAAD(nil, &b.store, engineKey))
	return e.Append(nil)
}

// content seals value under a content key that is wrapped for the recipients: by number as the
// head has them, each under the data key that it names.
func (b *burglar) content(recipients map[uint32]uint32, engineKey []byte, value string) []byte {
	content := make([]byte, codec.KeyLen)
	rand.Read(content)
	var e codec.Envelope
	for _, under := range recipients {
		e.Suite = b.data[under].suite
	}
	for number := uint32(1); len(e.Recipients) < len(recipients); number++ {
		if under, ok := recipients[number]; ok {
			wrap := b.sealUnder(e.Suite, b.data[under].bytes, codec.LabelWrap, content, e.AppendWrapAAD(nil, &b.store, engineKey, number))
			e.Recipients = append(e.Recipients, codec.Recipient{Number: number, Wrap: wrap})
		}
	}
	b.finish(&e, content, engineKey, value)
	return e.Append(nil)
}

func (b *burglar) finish(e *codec.Envelope, content, engineKey []byte, value string) {
	h := hmac.New(sha256.New, derived(content, codec.LabelHead))
	h.Write(e.AppendHeadMAC(nil, &b.store, engineKey))
	e.HeadMAC = h.Sum(nil)
	e.Sealed = b.sealUnder(e.Suite, content, codec.LabelPayload, []byte(value), e.AppendSealAAD(nil, &b.store, engineKey))
}

// number is the active data key of a namespace in a domain.
func (b *burglar) number(tenant, namespace string, domain codec.Domain) uint32 {
	b.t.Helper()
	for n, k := range b.data {
		if k.Tenant == tenant && k.Namespace == namespace && k.Domain == domain && k.state == codec.StateActive {
			return n
		}
	}
	b.t.Fatalf("no active key of %s in %s", tenant, namespace)
	return 0
}
