package codec_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/sealkv/sealkv/codec"
)

// A second reader of envelopes, over a general CBOR library, with the limits of FORMAT.md
// written down again. The one in package codec must accept exactly what this one does.

type directModel struct {
	_                             struct{} `cbor:",toarray"`
	Suite, Number, Flags, Written uint64
	Sealed                        []byte
}

// With a dictionary there is one more item.

type directDictionaryModel struct {
	_                                         struct{} `cbor:",toarray"`
	Suite, Number, Flags, Written, Dictionary uint64
	Sealed                                    []byte
}

type contentDictionaryModel struct {
	_                          struct{} `cbor:",toarray"`
	Suite                      uint64
	Recipients                 []recipientModel
	Flags, Written, Dictionary uint64
	Blob                       *blobModel
	HeadMAC                    []byte
	Sealed                     []byte
}

type contentModel struct {
	_              struct{} `cbor:",toarray"`
	Suite          uint64
	Recipients     []recipientModel
	Flags, Written uint64
	Blob           *blobModel
	HeadMAC        []byte
	Sealed         []byte
}

type recipientModel struct {
	_      struct{} `cbor:",toarray"`
	Number uint64
	Wrap   []byte
}

type blobModel struct {
	_               struct{} `cbor:",toarray"`
	ID              []byte
	Size, ChunkSize uint64
}

var modelDecoding = must(cbor.DecOptions{
	DupMapKey:         cbor.DupMapKeyEnforcedAPF,
	IndefLength:       cbor.IndefLengthForbidden,
	TagsMd:            cbor.TagsForbidden,
	ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
}.DecMode())

// decodeModel decodes b into model, of which it must be the one deterministic encoding.
func decodeModel(b []byte, model any) error {
	if err := modelDecoding.Unmarshal(b, model); err != nil {
		return err
	}
	if !bytes.Equal(must(specEncoding.Marshal(model)), b) {
		return errors.New("not deterministic")
	}
	return nil
}

// modelParse returns the class of b, and its fields if that is not malformed.
func modelParse(b []byte) (class string, m contentDictionaryModel, number uint64) {
	var items []cbor.RawMessage
	if err := modelDecoding.Unmarshal(b, &items); err != nil {
		return "malformed", m, 0
	}
	var valid bool
	switch len(items) {
	case 5:
		var direct directModel
		valid = decodeModel(b, &direct) == nil && validNumber(direct.Number)
		m = contentDictionaryModel{Suite: direct.Suite, Flags: direct.Flags, Written: direct.Written, Sealed: direct.Sealed}
		number = direct.Number
	case 6:
		var direct directDictionaryModel
		valid = decodeModel(b, &direct) == nil && validNumber(direct.Number) && validNumber(direct.Dictionary)
		m = contentDictionaryModel{Suite: direct.Suite, Flags: direct.Flags, Written: direct.Written, Dictionary: direct.Dictionary, Sealed: direct.Sealed}
		number = direct.Number
	case 7:
		var content contentModel
		valid = decodeModel(b, &content) == nil && validContent(content)
		m = contentDictionaryModel{Suite: content.Suite, Recipients: content.Recipients, Flags: content.Flags,
			Written: content.Written, Blob: content.Blob, HeadMAC: content.HeadMAC, Sealed: content.Sealed}
	case 8:
		valid = decodeModel(b, &m) == nil && validNumber(m.Dictionary) && validContent(contentModel{
			Recipients: m.Recipients, Flags: m.Flags, Blob: m.Blob, HeadMAC: m.HeadMAC, Sealed: m.Sealed})
	}
	if len(items)%2 == 0 != (m.Flags&2 != 0) || m.Flags&3 == 2 {
		valid = false
	}
	switch {
	case !valid || m.Suite > 255 || m.Written > 1099511627775 || len(m.Sealed) < 40 || len(m.Sealed) > 4294967296:
		return "malformed", contentDictionaryModel{}, 0
	case m.Suite != 1 && m.Suite != 2 || m.Flags > 3:
		return "unsupported", m, number
	}
	return "ok", m, number
}

func validContent(m contentModel) bool {
	return validRecipients(m.Recipients) && validBlob(m.Blob, m.Sealed) && len(m.HeadMAC) == 32 && (m.Blob == nil || m.Flags&3 == 0)
}

func validNumber(n uint64) bool { return 1 <= n && n <= 4294967295 }

func validRecipients(rs []recipientModel) bool {
	for i, r := range rs {
		if !validNumber(r.Number) || len(r.Wrap) != 72 || i > 0 && rs[i-1].Number >= r.Number {
			return false
		}
	}
	return 1 <= len(rs) && len(rs) <= 8
}

func validBlob(b *blobModel, sealed []byte) bool {
	if b == nil {
		return true
	}
	switch b.ChunkSize {
	case 4096, 8192, 16384, 32768, 65536, 131072, 262144:
		return len(b.ID) == 16 && b.Size <= b.ChunkSize*4294967296 && len(sealed) == 40
	}
	return false
}

// differ says how package codec and the model disagree about b, or nothing.
func differ(b []byte) string {
	var e codec.Envelope
	got := class(e.Parse(b))
	want, m, number := modelParse(b)
	if got != want {
		return fmt.Sprintf("%s: %s, by the model %s", notation(b), got, want)
	}
	if got == "malformed" {
		return ""
	}
	ours := []any{uint64(e.Suite), uint64(e.Number), e.Flags, e.Written, uint64(e.Dictionary), e.Chunked, e.HeadMAC, e.Sealed}
	theirs := []any{m.Suite, number, m.Flags, m.Written, m.Dictionary, m.Blob != nil, m.HeadMAC, m.Sealed}
	for i, r := range e.Recipients {
		ours = append(ours, uint64(r.Number), r.Wrap)
		if i < len(m.Recipients) {
			theirs = append(theirs, m.Recipients[i].Number, m.Recipients[i].Wrap)
		}
	}
	if e.Chunked {
		ours = append(ours, e.Blob.ID[:], e.Blob.Size, uint64(e.Blob.ChunkSize))
		theirs = append(theirs, m.Blob.ID, m.Blob.Size, m.Blob.ChunkSize)
	}
	if a, b := fmt.Sprintf("%x", ours), fmt.Sprintf("%x", theirs); a != b || len(e.Recipients) != len(m.Recipients) {
		return fmt.Sprintf("fields %s, by the model %s", a, b)
	}
	return ""
}

// The model agrees about envelopes and about all their mutants, which are far more often nearly
// right than what a fuzzer finds.
func TestEnvelopeDifferential(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := envelopes().Draw(t, "envelope").Append(nil)
		if disagreement := differ(b); disagreement != "" {
			t.Fatal(disagreement)
		}
		for name, mutation := range mutations {
			for _, i := range items(b) {
				for n, mutant := range mutation(bytes.Clone(b), i) {
					if n%16 > 0 {
						continue // most cuts of a string are alike
					}
					if disagreement := differ(mutant); disagreement != "" {
						t.Fatalf("%s at %v: %s", name, i, disagreement)
					}
				}
			}
		}
		at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		b[at] = rapid.Byte().Draw(t, "byte")
		if disagreement := differ(b); disagreement != "" {
			t.Fatal(disagreement)
		}
	})
}

// The model agrees about envelopes whose parts were drawn with little care, which is where two
// readers of limits would differ.
func TestWildEnvelopeDifferential(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, b := range rapid.SliceOfN(wildEnvelopes(), 50, 50).Draw(t, "envelopes") {
			for _, b := range [][]byte{b, append(b, 0), b[:len(b)-1]} {
				if disagreement := differ(b); disagreement != "" {
					t.Fatal(disagreement)
				}
			}
		}
	})
}

func FuzzEnvelopeDifferential(f *testing.F) {
	seedEnvelopes(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if disagreement := differ(b); disagreement != "" {
			t.Fatal(disagreement)
		}
	})
}
