package codec

// A Sweep is how far a sweep of one namespace is and what it has found; at its end it is the census
// on which keys are retired. It is the body of a Signed whose subject is its engine key.
type Sweep struct {
	_      struct{} `cbor:",toarray"`
	Epoch  uint64   // revision of the keyring before which no writer is left
	Active []uint32 // data keys that values were brought under, ascending
	// Dictionary is the newest one when it began, with which values were compressed; 0 for none.
	Dictionary uint32
	Began      uint64 // Unix seconds
	Updated    uint64 // Unix seconds
	Cursor     []byte // user key that was visited last; empty before the first
	Records    uint64 // visited
	Rewrapped  uint64
	Missed     uint64     // records that did not open
	Counts     []KeyCount // ascending by number
}

// A KeyCount is how many records a sweep found under one data key, and left there,
// dictionaries among them. A record with several recipients counts under each.
type KeyCount struct {
	_       struct{} `cbor:",toarray"`
	Number  uint32   // 0 for what is no envelope
	Records uint64
	Bytes   uint64 // of values
}

// A Miss is a record that a sweep could not open. Its user key stands in its engine key. It is the
// body of a Signed whose subject is that engine key.
type Miss struct {
	_      struct{} `cbor:",toarray"`
	Number uint32   // data key that the record names; 0 if it is not known
	Class  Class
	Seen   uint64 // Unix seconds
}

// A Class says why a record did not open. On disk; must not change.
type Class uint8

const (
	ClassMalformed      Class = 1
	ClassUnsupported    Class = 2
	ClassKeyMismatch    Class = 3
	ClassAuthentication Class = 4
	ClassKeyDestroyed   Class = 5
	ClassNoDictionary   Class = 6
)
