package xaes_test

import (
	"bytes"
	"crypto/cipher"
	"crypto/sha3"
	"encoding/hex"
	"flag"
	"testing"

	"github.com/sealkv/sealkv/keys/internal/xaes"
)

const nonceLen = 24

var long = flag.Bool("million", false, "run the accumulated test over a million inputs, as the specification does too")

// The vectors of the specification. In the first CMAC's L has a low first bit, in the second a high.
func TestVectors(t *testing.T) {
	nonce, plaintext := []byte("ABCDEFGHIJKLMNOPQRSTUVWX"), []byte("XAES-256-GCM")
	for _, v := range []struct {
		key       byte
		aad, want string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		key := bytes.Repeat([]byte{v.key}, xaes.KeyLen)
		got := sealGiven(t, key, nonce, plaintext, []byte(v.aad))
		if hex.EncodeToString(got) != v.want {
			t.Errorf("sealed is %x, want %s", got, v.want)
		}
		opened, err := openRandom(key, nonce, got, []byte(v.aad))
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Errorf("opened is %q, %v", opened, err)
		}
	}
}

// The accumulated tests of the specification: one hash over what random inputs seal to. What the
// one mode seals the other opens.
func TestAccumulated(t *testing.T) {
	iterations, want := 10_000, "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
	if *long {
		iterations, want = 1_000_000, "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15"
	}
	random, sum := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	draw := func(n int) []byte {
		b := make([]byte, n)
		random.Read(b)
		return b
	}
	for range iterations {
		key, nonce := draw(xaes.KeyLen), draw(nonceLen)
		plaintext := draw(int(draw(1)[0]))
		aad := draw(int(draw(1)[0]))
		sealed := sealGiven(t, key, nonce, plaintext, aad)
		opened, err := openRandom(key, nonce, sealed, aad)
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Fatalf("%x does not open: %v", sealed, err)
		}
		sum.Write(sealed)
	}
	var got [32]byte
	sum.Read(got[:])
	if hex.EncodeToString(got[:]) != want {
		t.Errorf("over %d: %x, want %s", iterations, got, want)
	}
}

// What the mode that draws nonces seals, opens with these as given.
func TestRandomIsGiven(t *testing.T) {
	key, prefix := xaes.New(&[xaes.KeyLen]byte{7}), xaes.Prefix{1, 2, 3}
	random, fixed := key.Random(&prefix), given(t, key, &prefix)
	seen := map[string]bool{}
	for range 100 {
		sealed := random.Seal(nil, nil, []byte("hello"), []byte("aad"))
		seen[string(sealed[:12])] = true
		if opened, err := fixed.Open(nil, sealed[:12], sealed[12:], []byte("aad")); err != nil || string(opened) != "hello" {
			t.Fatal(opened, err)
		}
	}
	if len(seen) != 100 {
		t.Errorf("%d nonces for 100 seals", len(seen))
	}
}

func TestWipeReachesTheKeys(t *testing.T) {
	key, zero := xaes.New(&[xaes.KeyLen]byte{7}), xaes.Prefix{}
	random, fixed := key.Random(&zero), given(t, key, &zero)
	nonce := make([]byte, 12)
	sealed := fixed.Seal(bytes.Clone(nonce), nonce, []byte("hello"), nil)
	for name, step := range map[string]struct {
		wipe func()
		open func() error
	}{
		"random": {func() { xaes.Wipe(random) }, func() error { _, err := random.Open(nil, nil, sealed, nil); return err }},
		"given":  {func() { xaes.Wipe(fixed) }, func() error { _, err := fixed.Open(nil, nonce, sealed[12:], nil); return err }},
	} {
		if err := step.open(); err != nil {
			t.Fatal(name, err)
		}
		step.wipe()
		if opens(step.open) {
			t.Errorf("%s still opens after its key was wiped: Go has changed its shape, mend wipe", name)
		}
	}
	derives := func() error { _, err := key.Random(&zero).Open(nil, nil, sealed, nil); return err }
	if err := derives(); err != nil {
		t.Fatal(err)
	}
	if key.Wipe(); opens(derives) {
		t.Error("the key still derives after it was wiped: Go has changed its shape, mend wipe")
	}
}

// opens reports whether open works; a wiped cipher may also panic.
func opens(open func() error) (works bool) {
	defer func() { recover() }()
	return open() == nil
}

func sealGiven(t *testing.T, key, nonce, plaintext, aad []byte) []byte {
	prefix := xaes.Prefix(nonce)
	return given(t, xaes.New((*[xaes.KeyLen]byte)(key)), &prefix).Seal(nil, nonce[xaes.PrefixLen:], plaintext, aad)
}

func openRandom(key, nonce, sealed, aad []byte) ([]byte, error) {
	prefix := xaes.Prefix(nonce)
	random := xaes.New((*[xaes.KeyLen]byte)(key)).Random(&prefix)
	return random.Open(nil, nil, append(bytes.Clone(nonce[xaes.PrefixLen:]), sealed...), aad)
}

func given(t *testing.T, key *xaes.Key, prefix *xaes.Prefix) cipher.AEAD {
	a, err := key.Given(prefix)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
