package codec_test

import (
	"encoding/binary"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/sealkv/sealkv/codec"
)

// What FORMAT.md says of AADs and MAC inputs, written down again with nothing of package codec
// but its types: lp, var and brackets are those of the section "What the tags cover".

func lp(label string) []byte { return append([]byte{byte(len(label))}, label...) }

func variable(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

func be32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func concat(parts ...[]byte) (out []byte) {
	for _, part := range parts {
		out = append(out, part...)
	}
	return out
}

var specEncoding = must(cbor.CoreDetEncOptions().EncMode())

// brackets is a CBOR array.
func brackets(items ...any) []byte { return must(specEncoding.Marshal(items)) }

func specBlob(e *codec.Envelope) any {
	if !e.Chunked {
		return nil
	}
	return []any{e.Blob.ID[:], e.Blob.Size, e.Blob.ChunkSize}
}

func specRecipients(e *codec.Envelope) (out []any) {
	for _, r := range e.Recipients {
		out = append(out, []any{r.Number, r.Wrap})
	}
	return out
}

// specDictionary is the dictionary's number, if the flags say that there is one.
func specDictionary(e *codec.Envelope) []any {
	if e.Flags&2 == 0 {
		return nil
	}
	return []any{e.Dictionary}
}

// withDictionary are items with the dictionary's number in its place.
func withDictionary(e *codec.Envelope, before []any, after ...any) []any {
	return slices.Concat(before, specDictionary(e), after)
}

func specSealed(e *codec.Envelope, store codec.StoreID, key []byte) []byte {
	label, head := "sealkv/1 value", withDictionary(e, []any{e.Suite, e.Number, e.Flags, e.Written})
	if len(e.Recipients) > 0 {
		label, head = "sealkv/1 payload", withDictionary(e, []any{e.Suite, e.Flags, e.Written}, specBlob(e))
	}
	if len(key) > 0 && key[0] == 0x17 {
		label = "sealkv/1 dictionary"
	}
	return concat(lp(label), store[:], variable(key), variable(brackets(head...)))
}

func specWrap(e *codec.Envelope, store codec.StoreID, key []byte, number uint32) []byte {
	head := brackets(e.Suite, number, e.Flags, e.Written)
	return concat(lp("sealkv/1 wrap"), store[:], variable(key), variable(head))
}

func specHeadMAC(e *codec.Envelope, store codec.StoreID, key []byte) []byte {
	head := brackets(withDictionary(e, []any{e.Suite, specRecipients(e), e.Flags, e.Written}, specBlob(e))...)
	return concat(lp("sealkv/1 head"), store[:], variable(key), variable(head))
}

func specChunk(store codec.StoreID, key []byte, id codec.BlobID, index uint32) []byte {
	return concat(lp("sealkv/1 chunks"), store[:], variable(key), id[:], be32(index))
}

func specNonce(index uint32, final bool) []byte {
	last := []byte{0}
	if final {
		last[0] = 1
	}
	return concat(make([]byte, 12), make([]byte, 7), be32(index), last)
}

func specIdentity(row codec.KeyRow) []byte {
	return concat(variable([]byte(row.Tenant)), []byte{byte(row.Domain)}, variable([]byte(row.Namespace)), be32(row.Number))
}

func specDataKey(k *codec.DataKey, store codec.StoreID, row codec.KeyRow) []byte {
	return concat(lp("sealkv/1 data-key"), store[:], specIdentity(row), []byte{byte(k.Suite)}, be32(k.Parent))
}

func specCommitment(store codec.StoreID, row codec.KeyRow) []byte {
	return concat(lp("sealkv/1 commit"), store[:], specIdentity(row))
}

func specRoot(store codec.StoreID, row codec.KeyRow) []byte {
	return concat(lp("sealkv/1 root"), store[:], specIdentity(row))
}

func specSigned(s *codec.Signed, label string, store codec.StoreID, subject []byte) []byte {
	return concat(lp(label), store[:], variable(subject), be32(s.Version), s.Body)
}

// specEnvelope is the envelope by its CDDL.
func specEnvelope(e *codec.Envelope) []byte {
	if len(e.Recipients) == 0 {
		return brackets(withDictionary(e, []any{e.Suite, e.Number, e.Flags, e.Written}, e.Sealed)...)
	}
	return brackets(withDictionary(e, []any{e.Suite, specRecipients(e), e.Flags, e.Written}, specBlob(e), e.HeadMAC, e.Sealed)...)
}
