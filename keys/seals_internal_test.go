package keys

import (
	"testing"

	"github.com/sealkv/sealkv/codec"
)

// Under suite 2 each prefix begins a run; under suite 1 a seal does whose nonce begins with 20 zero bits,
// and no other.
func TestRunsBegin(t *testing.T) {
	p := newDataKeyPrefixes()
	for _, prefixes := range []*prefixes{&p.value, &p.wrap} {
		a, err := newAEAD(codec.SuiteXAES, newTestSecret(), prefixes)
		if err != nil {
			t.Fatal(err)
		}
		for range maxSealsPrefix + 1 {
			a.seal(make([]byte, 0, 64), nil, nil)
		}
	}
	if left := p.seals.left.Load(); left != -4 {
		t.Errorf("two runs and two more have begun, the count is %d", left)
	}
	p = newDataKeyPrefixes()
	a, err := newAEAD(codec.SuiteXChaCha, newTestSecret(), &p.value)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 64)
	for range 20 * sealsPerRun { // more are less likely than 2^-28
		sealed := a.seal(dst, nil, nil)
		zero := sealed[0] == 0 && sealed[1] == 0 && sealed[2]>>4 == 0
		if began := p.seals.left.Load() != 0; began != zero {
			t.Fatalf("nonce %x, a run has begun: %v", sealed[:3], began)
		}
		if zero {
			return
		}
	}
	t.Error("no run has begun")
}
