package main

import "testing"

// loadedPeer is a peer of the baseline in this process, with records in it.
func loadedPeer(t *testing.T, k kind) *peer {
	t.Helper()
	d, err := newSynthetic(300, 200, jsonValues)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{kind: k, data: d, config: config{dir: t.TempDir(), spaces: d.spaces(), cache: 16 << 20, memTable: 1 << 20}}
	t.Cleanup(func() { p.stop() })
	if _, err := p.run(loading(d), 0); err != nil {
		t.Fatal(err)
	}
	if err := p.verify(); err != nil {
		t.Fatal(err)
	}
	return p
}

func rawKind(t *testing.T) kind {
	k, found := find(baseline)
	if !found {
		t.Fatal("there is no baseline")
	}
	return k
}

// What an engine must not do is noticed.
func TestVerify(t *testing.T) {
	for name, plant := range map[string]func(p *peer, s session) error{
		"a key that nobody put": func(_ *peer, s session) error { return s.put(0, []byte("user0"), []byte("value")) },
		"the value of another record": func(p *peer, s session) error {
			at, key := p.data.key(7, nil)
			value, _ := p.data.value(8, 1, nil)
			return s.put(at, key, value)
		},
		"a changed value": func(p *peer, s session) error {
			at, key := p.data.key(7, nil)
			value, _ := p.data.value(7, 1, nil)
			value[150] ^= 1
			return s.put(at, key, value)
		},
		"a missing record": func(p *peer, _ session) error { p.inserted.Add(1); return nil },
	} {
		p := loadedPeer(t, rawKind(t))
		s, err := p.engine.session()
		if err == nil {
			err = plant(p, s)
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.verify() == nil {
			t.Errorf("%s is not noticed", name)
		}
	}
}

// An engine that ought to seal and does not is noticed.
func TestPlaintext(t *testing.T) {
	k := rawKind(t)
	k.seals = true
	p := loadedPeer(t, k)
	if _, err := p.finish(); err == nil {
		t.Error("plaintext in its files is not noticed")
	}
	k.seals = false
	if _, err := loadedPeer(t, k).finish(); err != nil {
		t.Error(err)
	}
}
