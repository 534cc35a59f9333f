package xaes_test

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/xaesgcm"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/key"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/sealkv/sealkv/keys/internal/xaes"
)

// What is sealed here opens by Tink, and the other way round.
func TestTink(t *testing.T) {
	var raw [xaes.KeyLen]byte
	rand.Read(raw[:])
	theirs, ours, aad := tinkAEAD(t, raw[:]), xaes.New(&raw), []byte("aad")
	for n := range 300 {
		plaintext := make([]byte, n)
		rand.Read(plaintext)
		var prefix xaes.Prefix
		rand.Read(prefix[:])
		opened, err := theirs.Decrypt(ours.Random(&prefix).Seal(prefix[:], nil, plaintext, aad), aad)
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Fatalf("%d bytes sealed here: %v", n, err)
		}
		sealed, err := theirs.Encrypt(plaintext, aad)
		if err != nil {
			t.Fatal(err)
		}
		prefix = xaes.Prefix(sealed)
		opened, err = ours.Random(&prefix).Open(nil, nil, sealed[xaes.PrefixLen:], aad)
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Fatalf("%d bytes sealed by Tink: %v", n, err)
		}
	}
}

func tinkAEAD(t *testing.T, raw []byte) tink.AEAD {
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	params, err := xaesgcm.NewParameters(xaesgcm.VariantNoPrefix, xaes.PrefixLen)
	must(err)
	var k key.Key
	k, err = xaesgcm.NewKey(secretdata.NewBytesFromData(raw, insecuresecretdataaccess.Token{}), 0, params)
	must(err)
	manager := keyset.NewManager()
	id, err := manager.AddKey(k)
	must(err)
	must(manager.SetPrimary(id))
	handle, err := manager.Handle()
	must(err)
	a, err := aead.New(handle)
	must(err)
	return a
}
