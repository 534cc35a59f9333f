package codec_test

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sealkv/sealkv/codec"
)

// A subject is everything that what a tag, MAC, commitment or digest covers is made of.
type subject struct {
	envelope *codec.Envelope
	store    codec.StoreID
	key      []byte // engine key
	number   uint32 // of the recipient
	index    uint32
	row      codec.KeyRow
	dataKey  codec.DataKey
	signed   codec.Signed
	about    []byte // what signed is about
}

func subjects() *rapid.Generator[*subject] {
	return rapid.Custom(func(t *rapid.T) *subject {
		return &subject{
			envelope: envelopes().Draw(t, "envelope"),
			store:    storeIDs().Draw(t, "store"),
			key:      engineKeys().Draw(t, "engine key").encode(),
			number:   numbers().Draw(t, "number"),
			index:    rapid.Uint32().Draw(t, "index"),
			row:      keyRows().Draw(t, "row"),
			dataKey:  *records["data-key"].Draw(t, "data key").(*codec.DataKey),
			signed:   signeds().Draw(t, "signed"),
			about:    byteStrings(0, 40).Draw(t, "about"),
		}
	})
}

// A purpose is one of the labels with the input that begins with it: of package codec, and by
// FORMAT.md. Without an applies it has one for every subject.
type purpose struct {
	applies func(s *subject) bool
	codec   func(s *subject) []byte
	spec    func(s *subject) []byte
}

func ofSigned(label codec.Label) purpose {
	return purpose{
		codec: func(s *subject) []byte { return s.signed.AppendMAC(nil, label, &s.store, s.about) },
		spec:  func(s *subject) []byte { return specSigned(&s.signed, string(label), s.store, s.about) },
	}
}

func ofDictionary(s *subject) bool { return s.key[0] == 0x17 }

func hasContentKey(s *subject) bool { return len(s.envelope.Recipients) > 0 }

var purposes = map[codec.Label]purpose{
	codec.LabelValue: {
		applies: func(s *subject) bool { return !hasContentKey(s) && !ofDictionary(s) },
		codec:   func(s *subject) []byte { return s.envelope.AppendSealAAD(nil, &s.store, s.key) },
		spec:    func(s *subject) []byte { return specSealed(s.envelope, s.store, s.key) },
	},
	codec.LabelPayload: {
		applies: func(s *subject) bool { return hasContentKey(s) && !ofDictionary(s) },
		codec:   func(s *subject) []byte { return s.envelope.AppendSealAAD(nil, &s.store, s.key) },
		spec:    func(s *subject) []byte { return specSealed(s.envelope, s.store, s.key) },
	},
	codec.LabelDictionary: {
		applies: ofDictionary,
		codec:   func(s *subject) []byte { return s.envelope.AppendSealAAD(nil, &s.store, s.key) },
		spec:    func(s *subject) []byte { return specSealed(s.envelope, s.store, s.key) },
	},
	codec.LabelWrap: {
		codec: func(s *subject) []byte { return s.envelope.AppendWrapAAD(nil, &s.store, s.key, s.number) },
		spec:  func(s *subject) []byte { return specWrap(s.envelope, s.store, s.key, s.number) },
	},
	codec.LabelHead: {
		applies: hasContentKey,
		codec:   func(s *subject) []byte { return s.envelope.AppendHeadMAC(nil, &s.store, s.key) },
		spec:    func(s *subject) []byte { return specHeadMAC(s.envelope, s.store, s.key) },
	},
	codec.LabelChunks: {
		codec: func(s *subject) []byte {
			return codec.AppendChunkAAD(nil, &s.store, s.key, s.envelope.Blob.ID, s.index)
		},
		spec: func(s *subject) []byte { return specChunk(s.store, s.key, s.envelope.Blob.ID, s.index) },
	},
	codec.LabelDataKey: {
		codec: func(s *subject) []byte { return s.dataKey.AppendDataKeyAAD(nil, &s.store, s.row) },
		spec:  func(s *subject) []byte { return specDataKey(&s.dataKey, s.store, s.row) },
	},
	codec.LabelCommit: {
		codec: func(s *subject) []byte { return codec.AppendCommitInfo(nil, &s.store, s.row) },
		spec:  func(s *subject) []byte { return specCommitment(s.store, s.row) },
	},
	codec.LabelRootWrap: {
		codec: func(s *subject) []byte { return codec.AppendRootDigest(nil, &s.store, s.row) },
		spec:  func(s *subject) []byte { return specRoot(s.store, s.row) },
	},
	codec.LabelTenant:  ofSigned(codec.LabelTenant),
	codec.LabelControl: ofSigned(codec.LabelControl),
	codec.LabelPolicy:  ofSigned(codec.LabelPolicy),
	codec.LabelBackups: ofSigned(codec.LabelBackups),
	codec.LabelMirror:  ofSigned(codec.LabelMirror),
	codec.LabelAudit:   ofSigned(codec.LabelAudit),
	codec.LabelSweep:   ofSigned(codec.LabelSweep),
}

// inputs are what package codec makes for every purpose that the subject can serve.
func (s *subject) inputs() map[codec.Label][]byte {
	out := map[codec.Label][]byte{}
	for label, p := range purposes {
		if p.applies == nil || p.applies(s) {
			out[label] = p.codec(s)
		}
	}
	return out
}

// Every label in the source has a purpose here, so that a new one is tested too.
func TestPurposesAreAll(t *testing.T) {
	source := must(os.ReadFile("aad.go"))
	found := regexp.MustCompile(`Label\w+\s+Label = "([^"]+)"`).FindAllSubmatch(source, -1)
	if len(found) == 0 {
		t.Fatal("no labels in aad.go")
	}
	for _, match := range found {
		if _, ok := purposes[codec.Label(match[1])]; !ok {
			t.Errorf("label %q has no purpose in the tests", match[1])
		}
	}
	if len(found) != len(purposes) {
		t.Errorf("%d labels in aad.go, %d purposes in the tests", len(found), len(purposes))
	}
}

func TestInputsAreThoseOfTheFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := subjects().Draw(t, "subject")
		for label, got := range s.inputs() {
			if want := purposes[label].spec(s); string(got) != string(want) {
				t.Fatalf("%s covers\n%s, not\n%s", label, notation(got), notation(want))
			}
		}
		var nonce [codec.NonceLen]byte
		final := rapid.Bool().Draw(t, "final")
		codec.PutChunkNonce(&nonce, s.index, final)
		if want := specNonce(s.index, final); string(nonce[:]) != string(want) {
			t.Fatalf("nonce %x, not %x", nonce, want)
		}
	})
}

// What was made for one purpose passes for no other, even under the same bytes of a key: no
// ciphertext opens, no MAC, commitment or digest is another's.
func TestPurposesSwapped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := byteStrings(codec.KeyLen, codec.KeyLen).Draw(t, "key")
		nonce := byteStrings(codec.NonceLen, codec.NonceLen).Draw(t, "nonce")
		inputs := subjects().Draw(t, "subject").inputs()
		aead := suiteAEADs[suites().Draw(t, "suite")](key)
		for made, aad := range inputs {
			sealed := aead.Seal(nil, nonce, key, aad) // of the length of a wrapped key
			for used, other := range inputs {
				_, err := aead.Open(nil, nonce, sealed, other)
				if (err == nil) != (made == used) {
					t.Fatalf("sealed as %s, opened as %s: %v", made, used, err)
				}
				same := hmac.Equal(mac(key, aad), mac(key, other)) ||
					sha256.Sum256(aad) == sha256.Sum256(other) ||
					hmac.Equal(derive(key, string(aad)), derive(key, string(other)))
				if same != (made == used) {
					t.Fatalf("made as %s passes for %s: %v", made, used, same)
				}
			}
		}
	})
}

// No two subkeys, nor a subkey and a commitment, are equal.
func TestSubkeysDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := byteStrings(codec.KeyLen, codec.KeyLen).Draw(t, "key")
		s := subjects().Draw(t, "subject")
		derived := map[string]string{}
		infos := append(slices.Collect(maps.Keys(purposes)),
			codec.Label(codec.AppendCommitInfo(nil, &s.store, s.row)), codec.Label(codec.DataKeyInfo(codec.SuiteXAES)))
		for _, info := range infos {
			out := string(derive(key, string(info)))
			if other, found := derived[out]; found {
				t.Fatalf("%q and %q derive the same", other, info)
			}
			derived[out] = string(info)
		}
	})
}

func mac(key, input []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(input)
	return h.Sum(nil)
}

func derive(key []byte, info string) []byte {
	return must(hkdf.Key(sha256.New, key, nil, info, codec.KeyLen))
}
