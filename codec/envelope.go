package codec

import "fmt"

// A Suite names the AEAD of an envelope, of a wrap and of a data key. On disk; must not change.
type Suite uint8

const (
	// SuiteXChaCha is XChaCha20-Poly1305 with 24 random bytes of nonce for every value.
	SuiteXChaCha Suite = 1
	// SuiteXAES is XAES-256-GCM (c2sp.org/XAES-256-GCM). The first 12 bytes of a nonce may be
	// shared by values, the last 12 are random for every value.
	SuiteXAES Suite = 2
)

// String returns the suite's name.
func (s Suite) String() string {
	switch s {
	case SuiteXChaCha:
		return "xchacha20-poly1305"
	case SuiteXAES:
		return "xaes-256-gcm"
	}
	return fmt.Sprintf("suite %d", uint8(s))
}

// Lengths in bytes that all suites share. On disk; must not change.
const (
	// KeyLen is the length of every key: tenant, data and content keys and their subkeys.
	KeyLen = 32
	// NonceLen is long enough to draw nonces at random for every value under one key
	// (draft-irtf-cfrg-xchacha-03 section 2.3; C2SP XAES-256-GCM).
	NonceLen = 24
	TagLen   = 16
	// SealOverhead is what sealing adds to a plaintext: nonce and tag.
	SealOverhead = NonceLen + TagLen
	// WrapLen is the length of a key wrapped by a data key or a tenant key.
	WrapLen = KeyLen + SealOverhead
	// MACLen is the length of HMAC-SHA256 and of a key's commitment.
	MACLen = 32
)

// MaxNumberLen is the most bytes that a number takes in an envelope: what naming a dictionary adds to it.
const MaxNumberLen = 5

// MaxRecipients is how many data keys can wrap one content key.
const MaxRecipients = 8

// maxWritten ends the time that an envelope can tell, in Unix seconds: the year 36812. A bound
// keeps written + max-age from overflowing.
const maxWritten = 1<<40 - 1

// maxSealed bounds Sealed in bytes. What may be put in one piece is far less.
const maxSealed = 1 << 32

// Items of an envelope; with a dictionary there is one more.
const (
	directItems  = 5 // with one recipient
	contentItems = 7 // with a content key
)

// Flags of an envelope. On disk; must not change.
const (
	// FlagZstd says that what is sealed is the value compressed by zstd: a frame without its magic
	// number and without the number of its dictionary. Not in chunks.
	FlagZstd = 1 << 0
	// FlagDictionary says that it was compressed with the dictionary of number Dictionary. Only with
	// FlagZstd.
	FlagDictionary = 1 << 1

	knownFlags = FlagZstd | FlagDictionary
)

// A Recipient is a content key under one data key.
type Recipient struct {
	Number uint32 // of the data key
	Wrap   []byte // WrapLen bytes: nonce ‖ ciphertext ‖ tag
}

// A Blob describes a value that is stored in chunks. It stands in clear so that counting,
// verifying and deleting work without the tenant's key.
type Blob struct {
	ID        BlobID
	Size      uint64 // of the plaintext, in bytes
	ChunkSize uint32 // of every chunk's plaintext but the last's: a power of two, 4 to 256 KiB
}

// Bounds of a chunk's plaintext in bytes.
const (
	MinChunkSize = 4 << 10
	MaxChunkSize = 256 << 10
)

// Chunks is the number of chunks; an empty blob has one.
func (b Blob) Chunks() uint64 {
	if b.Size == 0 {
		return 1
	}
	return (b.Size-1)/uint64(b.ChunkSize) + 1
}

// check keeps a chunk's index within its 4 bytes.
func (b Blob) check() error {
	if b.ChunkSize < MinChunkSize || b.ChunkSize > MaxChunkSize || b.ChunkSize&(b.ChunkSize-1) != 0 {
		return fmt.Errorf("%w: chunk size %d is not a power of two from %d to %d", ErrMalformed, b.ChunkSize, MinChunkSize, MaxChunkSize)
	}
	if b.Size > uint64(b.ChunkSize)<<32 {
		return fmt.Errorf("%w: a blob of %d bytes has too many chunks", ErrMalformed, b.Size)
	}
	return nil
}

// An Envelope is what is stored for a value. One of two shapes:
//
//   - with one recipient, Number is the data key that sealed it and Recipients is empty;
//   - with a content key, Number is 0 and Recipients are the data keys that wrap that key.
//
// The slices alias what was parsed, and Recipients may alias the envelope itself: copy an
// Envelope only together with what it was parsed from.
type Envelope struct {
	Suite      Suite
	Number     uint32
	Recipients []Recipient // 1 to MaxRecipients, numbers strictly ascending
	Flags      uint64
	Written    uint64 // Unix seconds of the value's first write, 0 where none is kept
	Dictionary uint32 // that the value was compressed with; 0 unless Flags has FlagDictionary
	Chunked    bool   // Blob is there
	Blob       Blob
	HeadMAC    []byte // MACLen bytes
	// Sealed is nonce ‖ ciphertext ‖ tag of the value, or of nothing where it is chunked.
	Sealed []byte

	recipients [MaxRecipients]Recipient // room for Recipients, so that parsing allocates nothing
}

// HasContentKey tells the two shapes apart.
func (e *Envelope) HasContentKey() bool { return len(e.Recipients) > 0 }

// Parse reads an envelope, which refers to b afterwards. It returns ErrMalformed and leaves e
// empty, or ErrUnsupported with e filled in if only a suite or a flag is unknown.
func (e *Envelope) Parse(b []byte) error {
	*e = Envelope{}
	if err := e.parse(b); err != nil {
		*e = Envelope{}
		return err
	}
	return e.supported()
}

func (e *Envelope) parse(b []byte) error {
	r := reader{rest: b}
	switch items := r.head(majorArray); {
	case r.err != nil:
		return r.err
	case items == directItems, items == directItems+1:
		e.Suite = Suite(r.uint(0xff))
		e.Number = r.number()
		e.Flags = r.uint(1<<64 - 1)
		e.Written = r.uint(maxWritten)
		e.parseDictionary(&r, items > directItems)
	case items == contentItems, items == contentItems+1:
		e.Suite = Suite(r.uint(0xff))
		e.parseRecipients(&r)
		e.Flags = r.uint(1<<64 - 1)
		e.Written = r.uint(maxWritten)
		e.parseDictionary(&r, items > contentItems)
		e.parseBlob(&r)
		e.HeadMAC = r.bytes(MACLen, MACLen)
	default:
		return fmt.Errorf("%w: an envelope has %d to %d items, not %d", ErrMalformed, directItems, contentItems+1, items)
	}
	e.Sealed = r.bytes(SealOverhead, maxSealed)
	if e.Chunked && len(e.Sealed) > SealOverhead {
		r.fail("value both in the envelope and in chunks")
	}
	if e.Chunked && e.Flags&knownFlags != 0 {
		r.fail("value in chunks, and compressed")
	}
	return r.end()
}

// number reads the number of a data key or of a dictionary; 0 is never one.
func (r *reader) number() uint32 {
	n := r.uint(1<<32 - 1)
	if n == 0 {
		r.fail("number 0")
	}
	return uint32(n)
}

// parseDictionary reads the number of a dictionary, which is there where the flags say so.
func (e *Envelope) parseDictionary(r *reader, there bool) {
	switch named := e.Flags&FlagDictionary != 0; {
	case r.err != nil:
	case named != there:
		r.fail("dictionary and flags do not go together")
	case named && e.Flags&FlagZstd == 0:
		r.fail("dictionary of a value that is not compressed")
	case named:
		e.Dictionary = r.number()
	}
}

func (e *Envelope) parseRecipients(r *reader) {
	count := r.head(majorArray)
	if r.err != nil {
		return
	}
	if count < 1 || count > MaxRecipients {
		r.fail("number of recipients out of range")
		return
	}
	var last uint32
	for i := range count {
		if r.head(majorArray) != 2 {
			r.fail("recipient is not a pair")
			return
		}
		number := r.number()
		if number <= last {
			r.fail("recipients are not in ascending order")
			return
		}
		last = number
		e.recipients[i] = Recipient{Number: number, Wrap: r.bytes(WrapLen, WrapLen)}
	}
	e.Recipients = e.recipients[:count]
}

func (e *Envelope) parseBlob(r *reader) {
	if r.null() {
		return
	}
	if r.head(majorArray) != 3 {
		r.fail("blob is not a triple")
		return
	}
	e.Chunked = true
	copy(e.Blob.ID[:], r.bytes(BlobIDLen, BlobIDLen))
	e.Blob.Size = r.uint(1<<64 - 1)
	e.Blob.ChunkSize = uint32(r.uint(MaxChunkSize))
	if r.err == nil && e.Blob.check() != nil {
		r.fail("blob with an impossible size")
	}
}

func (e *Envelope) supported() error {
	if e.Suite != SuiteXChaCha && e.Suite != SuiteXAES {
		return fmt.Errorf("%w: suite %d", ErrUnsupported, uint8(e.Suite))
	}
	if e.Flags&^knownFlags != 0 {
		return fmt.Errorf("%w: flags %#x", ErrUnsupported, e.Flags)
	}
	return nil
}

// AppendOpening appends all of an envelope but the bytes of Sealed, whose length is sealedLen:
// the caller seals directly behind it.
func (e *Envelope) AppendOpening(b []byte, sealedLen int) []byte {
	if e.HasContentKey() {
		b = appendHead(b, majorArray, contentItems+e.more())
		b = e.appendContentItems(b)
		b = appendBytes(b, e.HeadMAC)
	} else {
		b = appendHead(b, majorArray, directItems+e.more())
		b = e.appendDirectItems(b)
	}
	return appendHead(b, majorBytes, uint64(sealedLen))
}

// more is how many items the envelope has beside those that each has.
func (e *Envelope) more() uint64 {
	if e.Flags&FlagDictionary != 0 {
		return 1
	}
	return 0
}

// Append appends the envelope, Sealed included.
func (e *Envelope) Append(b []byte) []byte {
	return append(e.AppendOpening(b, len(e.Sealed)), e.Sealed...)
}

// OpeningLen is the length of what AppendOpening appends.
func (e *Envelope) OpeningLen(sealedLen int) int {
	n := 1 + headLen(uint64(e.Suite)) + headLen(e.Flags) + headLen(e.Written) + headLen(uint64(sealedLen))
	if e.Flags&FlagDictionary != 0 {
		n += headLen(uint64(e.Dictionary))
	}
	if !e.HasContentKey() {
		return n + headLen(uint64(e.Number))
	}
	n += headLen(uint64(len(e.Recipients)))
	for _, r := range e.Recipients {
		n += 1 + headLen(uint64(r.Number)) + headLen(WrapLen) + WrapLen
	}
	return n + e.blobLen() + headLen(MACLen) + MACLen
}

func (e *Envelope) blobLen() int {
	if !e.Chunked {
		return 1
	}
	return 1 + headLen(BlobIDLen) + BlobIDLen + headLen(e.Blob.Size) + headLen(uint64(e.Blob.ChunkSize))
}

func (e *Envelope) appendDirectItems(b []byte) []byte {
	b = appendUint(b, uint64(e.Suite))
	b = appendUint(b, uint64(e.Number))
	b = appendUint(b, e.Flags)
	b = appendUint(b, e.Written)
	return e.appendDictionary(b)
}

func (e *Envelope) appendDictionary(b []byte) []byte {
	if e.Flags&FlagDictionary == 0 {
		return b
	}
	return appendUint(b, uint64(e.Dictionary))
}

// appendContentItems appends suite, recipients, flags, written, the dictionary if there is one, and
// blob: all that the head's MAC covers.
func (e *Envelope) appendContentItems(b []byte) []byte {
	b = appendUint(b, uint64(e.Suite))
	b = appendHead(b, majorArray, uint64(len(e.Recipients)))
	for _, r := range e.Recipients {
		b = appendHead(b, majorArray, 2)
		b = appendUint(b, uint64(r.Number))
		b = appendBytes(b, r.Wrap)
	}
	b = appendUint(b, e.Flags)
	b = appendUint(b, e.Written)
	b = e.appendDictionary(b)
	return e.appendBlob(b)
}

func (e *Envelope) appendBlob(b []byte) []byte {
	if !e.Chunked {
		return append(b, cborNull)
	}
	b = appendHead(b, majorArray, 3)
	b = appendBytes(b, e.Blob.ID[:])
	b = appendUint(b, e.Blob.Size)
	return appendUint(b, uint64(e.Blob.ChunkSize))
}
