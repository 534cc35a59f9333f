package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// A dataset is what the engines store: records by number, each with one key. It is made, or read,
// anew in each process. Only rev of what it is asked for changes what it answers.
type dataset interface {
	// size is the number of records that are loaded. Inserts have the numbers above, where the
	// dataset can grow.
	size() int
	grows() bool
	spaces() []space
	// key appends the key of record i to room; missing one that no record has.
	key(i int, room []byte) (at int, key []byte)
	missing(i int, room []byte) (at int, key []byte)
	// value appends a value of record i to room. Values of different rev differ where the
	// dataset makes them up.
	value(i int, rev uint32, room []byte) ([]byte, error)
	// check returns an error unless value is one of record i; resembles looks at so little of it
	// that it does not disturb a measurement.
	check(i int, value []byte) error
	resembles(i int, value []byte) bool
	// canaries are parts of values, and of nothing else.
	canaries() [][]byte
}

// Values of a synthetic dataset.
const (
	jsonValues   = "json"   // compressible, like a record of an issue tracker
	randomValues = "random" // incompressible
)

// headerLen is the length of what each synthetic value begins with: its number and revision, by
// which it can be checked, and the canary.
const (
	canary    = "plaintext-canary"
	header    = `{"id":"0000000000000000","rev":"00000000","note":"` + canary + `",`
	idAt      = len(`{"id":"`)
	revAt     = len(`{"id":"0000000000000000","rev":"`)
	headerLen = len(header)
	// poolBytes is the memory for bodies of values, which are drawn once and used by many
	// records.
	poolBytes = 4 << 20
)

// A synthetic dataset has n records of one length in one namespace. A value is a header and one
// of a pool of bodies.
type synthetic struct {
	n      int
	bodies [][]byte
}

func newSynthetic(n, length int, values string) (*synthetic, error) {
	if length < leastLen {
		return nil, fmt.Errorf("values have at least %d bytes", leastLen)
	}
	s := &synthetic{n: n}
	var seed [32]byte
	source := rand.NewChaCha8(seed)
	for range max(64, min(n, poolBytes/length)) {
		switch values {
		case jsonValues:
			s.bodies = append(s.bodies, jsonBody(rand.New(source), length-headerLen))
		case randomValues:
			body := make([]byte, length-headerLen)
			source.Read(body)
			s.bodies = append(s.bodies, body)
		default:
			return nil, fmt.Errorf("values are %s or %s, not %q", jsonValues, randomValues, values)
		}
	}
	return s, nil
}

// jsonBody returns the rest of a JSON object, of exactly n bytes.
func jsonBody(r *rand.Rand, n int) []byte {
	var b []byte
	word := func() string { return words[min(r.IntN(len(words)), r.IntN(len(words)), r.IntN(len(words)))] }
	for i := 0; len(b)+maxField+len(last) <= n; i++ {
		b = append(b, '"')
		b = append(b, fields[i%len(fields)]...)
		switch i % 4 {
		case 0:
			b = strconv.AppendInt(append(b, `":`...), r.Int64N(1e9), 10)
			b = append(b, ',')
		case 1:
			b = append(b, `":"`+word()+`",`...)
		default:
			b = append(b, `":"`...)
			for range 4 + r.IntN(24) {
				b = append(append(b, word()...), ' ')
			}
			b = append(b, `",`...)
		}
	}
	b = append(b, last...)
	for len(b) < n {
		b = append(append(b, word()...), ' ')
	}
	return append(b[:n-2], `"}`...)
}

const (
	maxField = 400 // bytes of the longest field
	last     = `"text":"`
	leastLen = headerLen + len(last) + len(`"}`)
)

var fields = []string{
	"number", "status", "summary", "description", "project", "assignee", "comment", "environment",
	"created", "priority", "resolution", "steps",
}

var words = bytesToWords()

// bytesToWords makes up words as long and as varied as those of a text.
func bytesToWords() (out []string) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		word := make([]byte, 2+r.IntN(9))
		for i := range word {
			word[i] = "etaoinshrdlucmfwypvbgkjqxz"[min(r.IntN(26), r.IntN(26))]
		}
		out = append(out, string(word))
	}
	return out
}

func (s *synthetic) size() int          { return s.n }
func (s *synthetic) grows() bool        { return true }
func (s *synthetic) spaces() []space    { return []space{{"acme", "jira/issues"}} }
func (s *synthetic) canaries() [][]byte { return [][]byte{[]byte(canary)} }

// key spreads the records over the order of keys, as YCSB does: they are loaded in another order
// than that of their keys. mix is a permutation, so no two records have one key.
func (s *synthetic) key(i int, room []byte) (int, []byte) { return 0, appendUser(room, mix(uint64(i))) }

// missing has the same form: numbers from 2^40 on are no record's.
func (s *synthetic) missing(i int, room []byte) (int, []byte) {
	return 0, appendUser(room, mix(1<<40+uint64(i)))
}

func appendUser(room []byte, n uint64) []byte {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], n)
	return hex.AppendEncode(append(room, "user"...), raw[:])
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (s *synthetic) value(i int, rev uint32, room []byte) ([]byte, error) {
	at := len(room)
	room = append(append(room, header...), s.body(i, rev)...)
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], uint64(i))
	hex.Encode(room[at+idAt:], raw[:])
	binary.BigEndian.PutUint32(raw[:], rev)
	hex.Encode(room[at+revAt:], raw[:4])
	return room, nil
}

func (s *synthetic) body(i int, rev uint32) []byte {
	return s.bodies[mix(uint64(i)<<32+uint64(rev))%uint64(len(s.bodies))]
}

func (s *synthetic) check(i int, value []byte) error {
	if len(value) < headerLen {
		return errors.New("a value is too short")
	}
	rev, err := strconv.ParseUint(string(value[revAt:revAt+8]), 16, 32)
	if err != nil {
		return errors.New("a value has no revision")
	}
	want, err := s.value(i, uint32(rev), nil)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, value) {
		return fmt.Errorf("the value of record %d is another", i)
	}
	return nil
}

func (s *synthetic) resembles(i int, value []byte) bool {
	if len(value) != headerLen+len(s.bodies[0]) {
		return false
	}
	var raw [8]byte
	_, err := hex.Decode(raw[:], value[idAt:idAt+16])
	return err == nil && binary.BigEndian.Uint64(raw[:]) == uint64(i)
}
