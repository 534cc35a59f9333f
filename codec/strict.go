package codec

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// MaxRecordLen bounds a record of the keyring or the journal in bytes; the largest holds a
// policy.
const MaxRecordLen = 2 << 20

// The library's strict options still accept several spellings of one value, so decode encodes
// again and compares. Nil is encoded as empty, or nothing would have two spellings.
var (
	strictEnc = must(encOptions().EncMode())
	strictDec = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxArrayElements:  1 << 16, // MaxRecordLen bounds what they hold
		MaxMapPairs:       16,
		MaxNestedLevels:   8,
	}.DecMode())
)

func encOptions() cbor.EncOptions {
	o := cbor.CoreDetEncOptions()
	o.NilContainers = cbor.NilContainerAsEmpty
	return o
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// EncodeRecord returns the encoding of one of this package's records.
func EncodeRecord(record any) []byte {
	b, err := strictEnc.Marshal(record)
	if err != nil {
		panic(fmt.Errorf("codec: record that cannot be encoded: %w", err))
	}
	return b
}

// A checked record is held to more than the types of its fields.
type checked interface{ check() error }

// DecodeRecord reads b, which must be exactly what EncodeRecord makes of the result. A failure
// leaves record as it was.
func DecodeRecord[T any](b []byte, record *T) error {
	if len(b) > MaxRecordLen {
		return fmt.Errorf("%w: record of %d bytes, at most %d are read", ErrMalformed, len(b), MaxRecordLen)
	}
	var v T
	if err := strictDec.Unmarshal(b, &v); err != nil {
		return fmt.Errorf("%w: %T: %w", ErrMalformed, v, err)
	}
	if again, err := strictEnc.Marshal(v); err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("%w: %T is not in deterministic encoding", ErrMalformed, v)
	}
	if c, ok := any(&v).(checked); ok {
		if err := c.check(); err != nil {
			return err
		}
	}
	*record = v
	return nil
}
