package keys

import (
	"crypto/cipher"
	"sync/atomic"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/internal/xaes"
)

const (
	// maxSealsPrefix is how many seals share a prefix, and so a derived key of AES-256-GCM: far below
	// the 2^32 that NIST SP 800-38D section 8.3 allows with random nonces.
	maxSealsPrefix = 1 << 20
	// openPrefixes is how many derived keys are kept for opening, besides that for sealing: about 1
	// KiB each.
	openPrefixes = 32
)

// An xaesGCM is the aead of suite 2, XAES-256-GCM. It keeps what it derived: the key for the prefix
// that it seals under, and those for prefixes that it has opened something of.
type xaesGCM struct {
	key      *xaes.Key
	prefixes *prefixes
	sealing  atomic.Pointer[derived]

	opening [openPrefixes]atomic.Pointer[derived] // a ring
	next    atomic.Uint32                         // in opening
}

// A derived is AES-256-GCM under the key for one prefix. It draws its nonces itself, which begin what
// it seals.
type derived struct {
	*prefix
	aead cipher.AEAD
}

func newXAES(key *secret, p *prefixes) *xaesGCM {
	if p == nil {
		p = new(prefixes)
	}
	return &xaesGCM{key: xaes.New((*[codec.KeyLen]byte)(key)), prefixes: p}
}

func (x *xaesGCM) derive(p *prefix) *derived { return &derived{p, x.key.Random(&p.bytes)} }

func (x *xaesGCM) seal(dst, plaintext, aad []byte) []byte {
	d := x.sealer()
	return d.aead.Seal(append(dst, d.bytes[:]...), nil, plaintext, aad)
}

// sealer is what to seal one value with.
func (x *xaesGCM) sealer() *derived {
	for {
		d := x.sealing.Load()
		if d != nil && d.take() {
			return d
		}
		x.renew(d)
	}
}

// renew puts what is derived for another prefix in the place of d, whose prefix is spent.
func (x *xaesGCM) renew(d *derived) {
	var spent *prefix
	if d != nil {
		spent = d.prefix
	}
	fresh := x.derive(x.prefixes.after(spent))
	switch {
	case !x.sealing.CompareAndSwap(d, fresh):
		xaes.Wipe(fresh.aead) // another goroutine was faster
	case d != nil:
		x.keep(d)
	}
}

func (x *xaesGCM) open(dst, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < codec.SealOverhead {
		return dst, ErrAuthentication
	}
	d, known := x.opener(sealed)
	out, err := d.aead.Open(dst, nil, sealed[xaes.PrefixLen:], aad)
	switch {
	case err != nil && !known:
		xaes.Wipe(d.aead)
	case err == nil && !known:
		x.keep(d) // only now, or forged prefixes would drive out the others
	}
	if err != nil {
		return dst, ErrAuthentication
	}
	return out, nil
}

// opener is what to open sealed with, and whether it is kept already.
func (x *xaesGCM) opener(sealed []byte) (d *derived, known bool) {
	bytes := xaes.Prefix(sealed[:xaes.PrefixLen])
	if d := x.sealing.Load(); d != nil && d.bytes == bytes {
		return d, true
	}
	for i := range x.opening {
		if d := x.opening[i].Load(); d == nil {
			break // the ring is not full yet
		} else if d.bytes == bytes {
			return d, true
		}
	}
	return x.derive(&prefix{bytes: bytes}), false
}

// keep keeps d for opening, in the place of the oldest. That may still be in use, so it is not wiped.
func (x *xaesGCM) keep(d *derived) { x.opening[(x.next.Add(1)-1)%openPrefixes].Store(d) }

func (x *xaesGCM) wipe() {
	x.key.Wipe()
	if d := x.sealing.Load(); d != nil {
		xaes.Wipe(d.aead)
	}
	for i := range x.opening {
		if d := x.opening[i].Load(); d != nil {
			xaes.Wipe(d.aead)
		}
	}
}
