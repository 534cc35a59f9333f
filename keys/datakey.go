package keys

import "github.com/sealkv/sealkv/codec"

// A DataKey is an opened data key (DEK). It is valid while the lease it came from is pinned, and
// safe for concurrent use.
type DataKey struct {
	Number uint32
	Domain codec.Domain
	Suite  codec.Suite
	// Left says that the policy wants the namespace under another domain's keys: what is sealed
	// for this one is stale.
	Left bool
	// Exposed says that somebody may know the key, and so every content key that it wraps: what is
	// sealed for it is to be sealed anew, and not only wrapped.
	Exposed bool

	active     bool
	seals      *sealCount // of all that seals
	value      aead       // seals values
	wrap       aead       // wraps content keys
	dictionary aead       // seals dictionaries
}

// dataKeyPrefixes are the prefixes of a data key of suite 2, and how many runs of seals of a data key
// are counted.
type dataKeyPrefixes struct {
	value, wrap, dictionary prefixes
	seals                   sealCount
}

func newDataKeyPrefixes() *dataKeyPrefixes {
	p := new(dataKeyPrefixes)
	p.value.seals, p.wrap.seals, p.dictionary.seals = &p.seals, &p.seals, &p.seals
	return p
}

// newDataKey derives what a data key is used for and wipes it.
func newDataKey(row codec.KeyRow, rec *codec.DataKey, key *secret, p *dataKeyPrefixes) (*DataKey, error) {
	defer key.wipe()
	k := &DataKey{Number: row.Number, Domain: row.Domain, Suite: rec.Suite, Exposed: rec.Exposed, active: rec.State == codec.StateActive, seals: &p.seals}
	var err error
	if k.value, err = newAEAD(rec.Suite, key.deriveLabel(codec.LabelValue), &p.value); err != nil {
		return nil, err
	}
	if k.wrap, err = newAEAD(rec.Suite, key.deriveLabel(codec.LabelWrap), &p.wrap); err != nil {
		return nil, err
	}
	k.dictionary, err = newAEAD(rec.Suite, key.deriveLabel(codec.LabelDictionary), &p.dictionary)
	return k, err
}

func (k *DataKey) wipe() {
	k.value.wipe()
	k.wrap.wipe()
	k.dictionary.wipe()
}

// Seal appends nonce ‖ ciphertext ‖ tag of plaintext to dst; it is codec.SealOverhead bytes
// longer than plaintext.
func (k *DataKey) Seal(dst, plaintext, aad []byte) []byte { return k.value.seal(dst, plaintext, aad) }

// Open appends the plaintext of sealed to dst, or returns ErrAuthentication. dst's free room
// must not overlap sealed.
func (k *DataKey) Open(dst, sealed, aad []byte) ([]byte, error) {
	return k.value.open(dst, sealed, aad)
}

// SealDictionary is Seal for a dictionary, under a subkey of its own.
func (k *DataKey) SealDictionary(dst, plaintext, aad []byte) []byte {
	return k.dictionary.seal(dst, plaintext, aad)
}

// OpenDictionary is Open of what SealDictionary has sealed.
func (k *DataKey) OpenDictionary(dst, sealed, aad []byte) ([]byte, error) {
	return k.dictionary.open(dst, sealed, aad)
}

// Wrap appends c, which must be of the same suite, wrapped, to dst: codec.WrapLen bytes.
func (k *DataKey) Wrap(dst []byte, c *ContentKey, aad []byte) []byte {
	return k.wrap.seal(dst, c.key[:], aad)
}

// Unwrap opens a wrapped content key, or returns ErrAuthentication. The caller wipes it.
func (k *DataKey) Unwrap(wrap, aad []byte) (*ContentKey, error) {
	raw, err := k.wrap.open(nil, wrap, aad)
	if err != nil || len(raw) != codec.KeyLen {
		return nil, ErrAuthentication
	}
	return newContentKey(k.Suite, (*secret)(raw))
}
