package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// A located record is its number with the key that it has.
type located struct {
	at, number int
	key        []byte
}

// expected are all records in order: of spaces as the dataset has them, of keys by their bytes.
func (p *peer) expected() []located {
	out := make([]located, p.data.size()+int(p.inserted.Load()))
	for i := range out {
		at, key := p.data.key(i, nil)
		out[i] = located{at, i, key}
	}
	slices.SortFunc(out, func(a, b located) int {
		if a.at != b.at {
			return a.at - b.at
		}
		return bytes.Compare(a.key, b.key)
	})
	return out
}

// verify checks that the store holds every record in order with a value of its own, nothing
// else, and nothing under keys that were never put.
func (p *peer) verify() error {
	if err := p.open(false); err != nil {
		return err
	}
	s, err := p.engine.session()
	if err != nil {
		return err
	}
	return errors.Join(p.verifyScans(s), p.verifyGets(s), s.close())
}

func (p *peer) verifyScans(s session) error {
	want := p.expected()
	for at := range p.data.spaces() {
		err := s.scan(at, nil, math.MaxInt32, func(key, value []byte) error {
			if len(want) == 0 || want[0].at != at || !bytes.Equal(want[0].key, key) {
				return fmt.Errorf("a scan of space %d visits a key that is not the next", at)
			}
			next := want[0]
			want = want[1:]
			return p.data.check(next.number, value)
		})
		if err != nil {
			return err
		}
	}
	if len(want) > 0 {
		return fmt.Errorf("%d records are missing", len(want))
	}
	return nil
}

func (p *peer) verifyGets(s session) error {
	const gets = 500
	for i := 0; i < p.data.size(); i += 1 + p.data.size()/gets {
		at, key := p.data.key(i, nil)
		value, found, err := s.get(at, key, nil)
		if err != nil || !found {
			return fmt.Errorf("record %d: found %v: %w", i, found, err)
		}
		if err := p.data.check(i, value); err != nil {
			return err
		}
		at, key = p.data.missing(i, nil)
		if _, found, err := s.get(at, key, nil); err != nil || found {
			return fmt.Errorf("a key that was never put: found %v: %w", found, err)
		}
	}
	return nil
}

// userBytes are the keys and values that the store holds.
func (p *peer) userBytes() (n int64, err error) {
	var room []byte
	for i := range p.data.size() + int(p.inserted.Load()) {
		_, key := p.data.key(i, room[:0])
		n += int64(len(key))
		if room, err = p.data.value(i, 0, key[:0]); err != nil {
			return 0, err
		}
		n += int64(len(room))
	}
	return n, nil
}

// checkSealed looks for plaintext in the files of a closed store. That it can find any is
// checked on the baseline, whose files must have some.
func (p *peer) checkSealed() error {
	found := false
	err := filepath.WalkDir(p.config.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || found {
			return err
		}
		raw, err := os.ReadFile(path)
		for _, canary := range p.data.canaries() {
			found = found || bytes.Contains(raw, canary)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case found && p.kind.seals:
		return errors.New("its files hold plaintext")
	case !found && p.kind.name == baseline:
		return errors.New("the search for plaintext finds none where there must be some")
	}
	return nil
}
