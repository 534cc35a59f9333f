package keys

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/cryptotest"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/internal/xaes"
)

var suites = []codec.Suite{codec.SuiteXChaCha, codec.SuiteXAES}

func newTestAEAD(t *testing.T, suite codec.Suite) aead {
	a, err := newAEAD(suite, newTestSecret(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAEAD(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			a, aad := newTestAEAD(t, suite), []byte("aad")
			for _, n := range []int{0, 1, 15, 16, 1 << 10, 64 << 10} {
				plaintext := bytes.Repeat([]byte("v"), n)
				sealed := a.seal([]byte("before"), plaintext, aad)
				if len(sealed) != len("before")+n+codec.SealOverhead || !bytes.HasPrefix(sealed, []byte("before")) {
					t.Fatalf("%d bytes seal to %d", n, len(sealed))
				}
				sealed = sealed[len("before"):]
				opened, err := newTestAEAD(t, suite).open([]byte("before"), sealed, aad)
				if err != nil || string(opened) != "before"+string(plaintext) {
					t.Fatalf("%d bytes open as %d, %v", n, len(opened), err)
				}
				for i := range min(len(sealed), 100) {
					sealed[i] ^= 1
					if out, err := a.open([]byte("before"), sealed, aad); err != ErrAuthentication || string(out) != "before" {
						t.Fatalf("byte %d changed: %q, %v", i, out, err)
					}
					sealed[i] ^= 1
				}
				for _, wrong := range [][]byte{nil, sealed[:codec.SealOverhead-1], sealed[:len(sealed)-1]} {
					if _, err := a.open(nil, wrong, aad); err != ErrAuthentication {
						t.Fatalf("%d of %d bytes: %v", len(wrong), len(sealed), err)
					}
				}
				if _, err := a.open(nil, sealed, []byte("another")); err != ErrAuthentication {
					t.Fatal(err)
				}
			}
		})
	}
	if _, err := newAEAD(3, newTestSecret(), nil); err == nil {
		t.Error("suite 3 has an AEAD")
	}
	if _, err := newStream(3, newTestSecret()); err == nil {
		t.Error("suite 3 has a stream")
	}
}

// What is random of a nonce comes from crypto/rand when a value is sealed, and from nowhere else: if
// crypto/rand repeats itself, so does the nonce. A pool or a counter would not.
func TestNoncesAreDrawnForEachSeal(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			a := newTestAEAD(t, suite)
			a.seal(nil, nil, nil) // after which the prefix is settled
			cryptotest.SetGlobalRandom(t, 1)
			first, second := a.seal(nil, nil, nil), a.seal(nil, nil, nil)
			cryptotest.SetGlobalRandom(t, 1)
			if again := a.seal(nil, nil, nil); !bytes.Equal(again, first) {
				t.Errorf("%x, then %x with the same randomness", first, again)
			}
			if bytes.Equal(first[codec.NonceLen/2:codec.NonceLen], second[codec.NonceLen/2:codec.NonceLen]) {
				t.Errorf("two seals have the nonces %x and %x", first[:codec.NonceLen], second[:codec.NonceLen])
			}
		})
	}
}

func sealedPrefix(x aead) xaes.Prefix { return xaes.Prefix(x.seal(nil, nil, nil)) }

// A prefix serves 2^20 seals and no more; what was sealed under it opens ever after.
func TestPrefixIsRenewed(t *testing.T) {
	x := newTestAEAD(t, codec.SuiteXAES).(*xaesGCM)
	old := x.seal(nil, []byte("old"), nil)
	if p := sealedPrefix(x); p != xaes.Prefix(old) {
		t.Fatalf("prefix %x, then %x", old[:12], p)
	}
	x.sealing.Load().seals.Store(1<<20 - 1)
	if p := sealedPrefix(x); p != xaes.Prefix(old) {
		t.Fatal("seal 2^20 has another prefix")
	}
	if p := sealedPrefix(x); p == xaes.Prefix(old) {
		t.Fatal("seal 2^20 + 1 has the same prefix")
	}
	if out, err := x.open(nil, old, nil); err != nil || string(out) != "old" {
		t.Fatal(out, err)
	}
}

// A prefix goes over to the next opening of the key, with its count, and to no other key.
func TestPrefixOutlivesTheOpenedKey(t *testing.T) {
	var kept keptPrefixes
	open := func(number uint32) aead { return newXAES(newTestSecret(), &kept.of(number).value) }
	first := sealedPrefix(open(1))
	if sealedPrefix(open(1)) != first || sealedPrefix(open(2)) == first {
		t.Error("a prefix changed with an opening of its key, or went to another")
	}
	kept.of(1).value.current.Load().seals.Store(1 << 20)
	if sealedPrefix(open(1)) == first {
		t.Error("a spent prefix was taken up again")
	}
	if first = sealedPrefix(open(1)); sealedPrefix(newXAES(newTestSecret(), &kept.of(1).wrap)) == first {
		t.Error("two subkeys share a prefix")
	}
	if kept.keep([]uint32{2}); len(kept.m) != 1 || sealedPrefix(open(1)) == first {
		t.Error("a prefix of a key that is not active any more was kept")
	}
}

// The keys derived to open are few; forgeries drive out none.
func TestDerivedKeysAreBounded(t *testing.T) {
	x := newTestAEAD(t, codec.SuiteXAES).(*xaesGCM)
	var sealed [][]byte
	for range 3 * openPrefixes {
		sealed = append(sealed, newTestAEAD(t, codec.SuiteXAES).seal(nil, []byte("value"), nil))
	}
	kept := func() (out []xaes.Prefix) { // in order
		for i := range x.opening {
			if d := x.opening[i].Load(); d != nil {
				out = append(out, d.bytes)
			}
		}
		slices.SortFunc(out, func(a, b xaes.Prefix) int { return bytes.Compare(a[:], b[:]) })
		return out
	}
	for _, s := range sealed {
		for range 2 {
			if out, err := x.open(nil, s, nil); err != nil || string(out) != "value" {
				t.Fatal(out, err)
			}
		}
	}
	before := kept()
	if len(before) != openPrefixes || !slices.Contains(before, xaes.Prefix(sealed[len(sealed)-1])) {
		t.Fatalf("%d derived keys are kept", len(before))
	}
	if distinct := slices.Compact(slices.Clone(before)); len(distinct) != len(before) {
		t.Error("a prefix is kept twice")
	}
	for i := range 3 * openPrefixes {
		forged := bytes.Clone(sealed[0])
		forged[0], forged[1] = byte(i), ^forged[1]
		if _, err := x.open(nil, forged, nil); err != ErrAuthentication {
			t.Fatal(err)
		}
	}
	if !slices.Equal(before, kept()) {
		t.Error("forged prefixes changed what is kept")
	}
}

// Goroutines that seal and open while prefixes are renewed get what they sealed.
func TestRenewalIsConcurrent(t *testing.T) {
	x := newTestAEAD(t, codec.SuiteXAES).(*xaesGCM)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 500 {
				if d := x.sealing.Load(); d != nil && i%10 == 0 {
					d.seals.Store(maxSealsPrefix)
				}
				value := fmt.Sprint(g, " ", i)
				out, err := x.open(nil, x.seal(nil, []byte(value), nil), nil)
				if err != nil || string(out) != value {
					t.Error(out, err)
				}
			}
		})
	}
	all.Wait()
}

func TestStream(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			s, err := newStream(suite, newTestSecret())
			if err != nil {
				t.Fatal(err)
			}
			var nonce, final [codec.NonceLen]byte
			codec.PutChunkNonce(&nonce, 7, false)
			codec.PutChunkNonce(&final, 7, true)
			sealed, err := s.seal(nil, &nonce, []byte("chunk"), nil)
			if err != nil || len(sealed) != len("chunk")+codec.TagLen {
				t.Fatal(sealed, err)
			}
			if out, err := s.open(nil, &nonce, sealed, nil); err != nil || string(out) != "chunk" {
				t.Fatal(out, err)
			}
			if _, err := s.open(nil, &final, sealed, nil); err != ErrAuthentication {
				t.Fatal(err)
			}
			// The same nonce before the ciphertext opens by the AEAD that seals values.
			if out, err := newTestAEAD(t, suite).open(nil, slices.Concat(nonce[:], sealed), nil); err != nil || string(out) != "chunk" {
				t.Fatal(out, err)
			}
		})
	}
}

func TestWipeReachesTheKeys(t *testing.T) {
	for _, suite := range suites {
		sealed := newTestAEAD(t, suite).seal(nil, []byte("value"), nil)
		a := newTestAEAD(t, suite)
		own := a.seal(nil, []byte("value"), nil)
		for _, s := range [][]byte{sealed, own} { // of another prefix, and of its own
			if _, err := a.open(nil, s, nil); err != nil {
				t.Fatal(err)
			}
		}
		a.wipe()
		for _, s := range [][]byte{sealed, own} {
			if opens(func() error { _, err := a.open(nil, s, nil); return err }) {
				t.Errorf("%s still opens after its key was wiped: a library has changed its shape, mend xaes.Wipe", suite)
			}
		}
		s, err := newStream(suite, newTestSecret())
		if err != nil {
			t.Fatal(err)
		}
		var nonce [codec.NonceLen]byte
		chunk, _ := s.seal(nil, &nonce, []byte("chunk"), nil)
		s.wipe()
		if opens(func() error { _, err := s.open(nil, &nonce, chunk, nil); return err }) {
			t.Errorf("a stream of %s still opens after its key was wiped", suite)
		}
	}
}

// opens reports whether open works; a wiped cipher may also panic.
func opens(open func() error) (works bool) {
	defer func() { recover() }()
	return open() == nil
}

func TestSealAndOpenAllocateNothing(t *testing.T) {
	for _, suite := range suites {
		a, plaintext, aad := newTestAEAD(t, suite), make([]byte, 1<<10), make([]byte, 80)
		sealed := newTestAEAD(t, suite).seal(nil, plaintext, aad) // under another prefix
		room := make([]byte, 0, 2<<10)
		a.open(room, sealed, aad)
		if n := testing.AllocsPerRun(100, func() { a.seal(room, plaintext, aad) }); n != 0 {
			t.Errorf("%s: seal allocates %v times", suite, n)
		}
		if n := testing.AllocsPerRun(100, func() { a.open(room, sealed, aad) }); n != 0 {
			t.Errorf("%s: open allocates %v times", suite, n)
		}
	}
}

func BenchmarkAEAD(b *testing.B) {
	for _, size := range []int{100, 1 << 10, 16 << 10, 64 << 10} {
		for _, suite := range suites {
			a, err := newAEAD(suite, newTestSecret(), nil)
			if err != nil {
				b.Fatal(err)
			}
			plaintext, aad, room := make([]byte, size), make([]byte, 80), make([]byte, 0, size+codec.SealOverhead)
			sealed := a.seal(nil, plaintext, aad)
			b.Run(fmt.Sprintf("op=seal/bytes=%d/suite=%d", size, suite), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					a.seal(room, plaintext, aad)
				}
			})
			b.Run(fmt.Sprintf("op=open/bytes=%d/suite=%d", size, suite), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					a.open(room, sealed, aad)
				}
			})
		}
	}
}

// What opening costs more where no key is kept for the prefix.
func BenchmarkDerive(b *testing.B) {
	x, p := newXAES(newTestSecret(), nil), new(prefix)
	b.ReportAllocs()
	for b.Loop() {
		x.derive(p)
	}
}
