package keys

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"github.com/sealkv/sealkv/codec"
)

// A parent is an opened tenant key or platform key: what wraps data keys and vouches for
// states.
type parent struct {
	*pins
	store codec.StoreID
	row   codec.KeyRow
	wraps map[codec.Suite]*secret // wrap data keys
	macs  map[codec.Label]*secret
}

var (
	tenantLabels   = []codec.Label{codec.LabelTenant}
	platformLabels = []codec.Label{codec.LabelControl, codec.LabelPolicy, codec.LabelBackups, codec.LabelMirror, codec.LabelAudit, codec.LabelSweep}
)

// newParent derives what a tenant key is used for and wipes key. The parent wipes itself once it
// is shut and the last user has released it.
func newParent(store codec.StoreID, row codec.KeyRow, key *secret) *parent {
	p := &parent{store: store, row: row, wraps: map[codec.Suite]*secret{}, macs: map[codec.Label]*secret{}}
	for _, suite := range []codec.Suite{codec.SuiteXChaCha, codec.SuiteXAES} {
		p.wraps[suite] = key.derive(codec.DataKeyInfo(suite))
	}
	labels := tenantLabels
	if row.Domain == codec.DomainPlatform {
		labels = platformLabels
	}
	for _, label := range labels {
		p.macs[label] = key.deriveLabel(label)
	}
	key.wipe()
	p.pins = newPins(p.wipe)
	return p
}

func (p *parent) wipe() {
	for _, s := range p.wraps {
		s.wipe()
	}
	for _, s := range p.macs {
		s.wipe()
	}
}

// wrapDataKey fills in rec's Parent and Wrap. A data key is wrapped by its own suite.
func (p *parent) wrapDataKey(row codec.KeyRow, rec *codec.DataKey, key *secret) error {
	a, err := p.wrapper(rec.Suite)
	if err != nil {
		return err
	}
	defer a.wipe()
	rec.Parent = p.row.Number
	rec.Wrap = a.seal(nil, key[:], rec.AppendDataKeyAAD(nil, &p.store, row))
	return nil
}

// wrapper is the aead for data keys of a suite. The caller wipes it.
func (p *parent) wrapper(suite codec.Suite) (aead, error) {
	key := p.wraps[suite]
	if key == nil {
		return nil, fmt.Errorf("%w: %s", codec.ErrUnsupported, suite)
	}
	clone := *key
	return newAEAD(suite, &clone, nil)
}

// unwrapDataKey opens rec's Wrap and checks its commitment.
func (p *parent) unwrapDataKey(row codec.KeyRow, rec *codec.DataKey) (*secret, error) {
	a, err := p.wrapper(rec.Suite)
	if err != nil {
		return nil, err
	}
	defer a.wipe()
	raw, err := a.open(nil, rec.Wrap, rec.AppendDataKeyAAD(nil, &p.store, row))
	if err != nil || len(raw) != codec.KeyLen {
		return nil, ErrAuthentication
	}
	key := (*secret)(raw)
	if !hmac.Equal(key.commitment(&p.store, row), rec.Commit) {
		key.wipe()
		return nil, ErrAuthentication
	}
	return key, nil
}

// sign returns body with its MAC.
func (p *parent) sign(label codec.Label, subject, body []byte) codec.Signed {
	s := codec.Signed{Version: p.row.Number, Body: body}
	s.MAC = p.mac(label, subject, &s)
	return s
}

// verify checks the MAC of s, which must name this parent's version.
func (p *parent) verify(label codec.Label, subject []byte, s *codec.Signed) error {
	if s.Version != p.row.Number || !hmac.Equal(s.MAC, p.mac(label, subject, s)) {
		return ErrAuthentication
	}
	return nil
}

func (p *parent) mac(label codec.Label, subject []byte, s *codec.Signed) []byte {
	h := hmac.New(sha256.New, p.macs[label][:])
	h.Write(s.AppendMAC(nil, label, &p.store, subject))
	return h.Sum(nil)
}
