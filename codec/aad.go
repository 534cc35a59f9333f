package codec

import (
	"encoding/binary"
	"math"
)

// A Label names the one purpose of a subkey, and begins every AAD and MAC input of that
// purpose, so that what was made for one purpose never passes for another. On disk; must not
// change.
type Label string

const (
	// Subkeys of a data key.
	LabelValue Label = "sealkv/1 value" // seals a value
	LabelWrap  Label = "sealkv/1 wrap"  // wraps a content key
	// LabelDictionary seals a dictionary. One under a content key has this label too, under the subkey
	// of payloads.
	LabelDictionary Label = "sealkv/1 dictionary"
	LabelCommit     Label = "sealkv/1 commit" // commitment to a tenant key or a data key

	// Subkeys of a content key.
	LabelPayload Label = "sealkv/1 payload" // seals a value, or a chunked value's empty payload
	LabelChunks  Label = "sealkv/1 chunks"  // seals chunks
	LabelHead    Label = "sealkv/1 head"    // MAC of the head

	// Subkeys of a tenant key or a platform key.
	LabelDataKey  Label = "sealkv/1 data-key" // wraps data keys
	LabelTenant   Label = "sealkv/1 tenant"   // MAC of a tenant's own state
	LabelControl  Label = "sealkv/1 control"  // MAC of the platform's state of a tenant
	LabelPolicy   Label = "sealkv/1 policy"   // MAC of the applied policy
	LabelBackups  Label = "sealkv/1 backups"  // MAC of the list of backups
	LabelMirror   Label = "sealkv/1 mirror"   // MAC of the engine's mirror of the keyring
	LabelAudit    Label = "sealkv/1 audit"    // MAC of an audit entry
	LabelSweep    Label = "sealkv/1 sweep"    // MAC of a sweep
	LabelRootWrap Label = "sealkv/1 root"     // digest that the root wraps with a tenant key
)

// appendLabel begins an AAD or MAC input: the label, one length byte before it, and the store
// id.
func appendLabel(b []byte, label Label, store *StoreID) []byte {
	b = append(b, byte(len(label)))
	b = append(b, label...)
	return append(b, store[:]...)
}

// appendVar appends a part of variable length with two bytes of length before it.
func appendVar[T string | []byte](b []byte, part T) []byte {
	b = binary.BigEndian.AppendUint16(b, varLen(len(part)))
	return append(b, part...)
}

// varLen refuses a length that would be cut off, for then two inputs could be one.
func varLen(n int) uint16 {
	if n > math.MaxUint16 {
		panic("codec: a part of what a tag covers is longer than 65,535 bytes")
	}
	return uint16(n)
}

// beginVar and endVar bracket a part that is appended in between.
func beginVar(b []byte) (_ []byte, at int) { return append(b, 0, 0), len(b) }

func endVar(b []byte, at int) []byte {
	binary.BigEndian.PutUint16(b[at:], varLen(len(b)-at-2))
	return b
}

// AppendSealAAD appends what the tag of Sealed covers: of a value under a data key its head, of
// one under a content key the head without the recipients, which change without the payload.
// What an engine key of KindDictionary holds is a dictionary, and no value.
func (e *Envelope) AppendSealAAD(b []byte, store *StoreID, key []byte) []byte {
	b = appendLabel(b, e.sealLabel(key), store)
	b = appendVar(b, key)
	b, at := beginVar(b)
	b = appendHead(b, majorArray, 4+e.more())
	if e.HasContentKey() {
		b = appendUint(b, uint64(e.Suite))
		b = appendUint(b, e.Flags)
		b = appendUint(b, e.Written)
		b = e.appendDictionary(b)
		b = e.appendBlob(b)
	} else {
		b = e.appendDirectItems(b)
	}
	return endVar(b, at)
}

func (e *Envelope) sealLabel(key []byte) Label {
	switch {
	case len(key) > 0 && Kind(key[0]) == KindDictionary:
		return LabelDictionary
	case e.HasContentKey():
		return LabelPayload
	}
	return LabelValue
}

// AppendWrapAAD appends what the tag of a recipient's wrap covers.
func (e *Envelope) AppendWrapAAD(b []byte, store *StoreID, key []byte, number uint32) []byte {
	b = appendLabel(b, LabelWrap, store)
	b = appendVar(b, key)
	b, at := beginVar(b)
	b = appendHead(b, majorArray, 4)
	b = appendUint(b, uint64(e.Suite))
	b = appendUint(b, uint64(number))
	b = appendUint(b, e.Flags)
	b = appendUint(b, e.Written)
	return endVar(b, at)
}

// AppendHeadMAC appends what HeadMAC covers: the head with its recipients.
func (e *Envelope) AppendHeadMAC(b []byte, store *StoreID, key []byte) []byte {
	b = appendLabel(b, LabelHead, store)
	b = appendVar(b, key)
	b, at := beginVar(b)
	b = appendHead(b, majorArray, 5+e.more())
	b = e.appendContentItems(b)
	return endVar(b, at)
}

// AppendChunkAAD appends what a chunk's tag covers; key is the engine key of its manifest.
func AppendChunkAAD(b []byte, store *StoreID, key []byte, id BlobID, index uint32) []byte {
	b = appendLabel(b, LabelChunks, store)
	b = appendVar(b, key)
	b = append(b, id[:]...)
	return binary.BigEndian.AppendUint32(b, index)
}

// PutChunkNonce writes the nonce of a chunk: 12 zero bytes, 11 of counter, big-endian, and 1
// for the final chunk, else 0 (STREAM). It is safe because a chunk key seals each index once.
func PutChunkNonce(nonce *[NonceLen]byte, index uint32, final bool) {
	*nonce = [NonceLen]byte{}
	binary.BigEndian.PutUint32(nonce[NonceLen-5:], index)
	if final {
		nonce[NonceLen-1] = 1
	}
}
