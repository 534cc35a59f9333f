package keyfile

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"time"

	"github.com/sealkv/sealkv/keys/root"
)

// On disk; must not change.
const (
	lineFormat   = "SEALKV-ROOT-KEY-1"
	disabledWord = "disabled"
	timeFormat   = "2006-01-02T15:04:05Z" // RFC 3339, UTC, whole seconds
	secretLen    = 32
	idLen        = 16 // before hex
	labelID      = "sealkv/1 keyfile id"
	labelWrap    = "sealkv/1 keyfile wrap"
	labelWrapGCM = "sealkv/1 keyfile wrap 2"
)

var encoding = base64.StdEncoding.Strict()

// A Version is what may be shown of one version of a root key.
type Version struct {
	ID       string    // derived from the key; the KeyVersion of wraps made under it
	Created  time.Time // UTC, whole seconds
	Disabled bool      // on its own line; the whole file may be disabled besides
}

// A keyLine is a Version with its key.
type keyLine struct {
	root.Redacted
	Version
	secret [secretLen]byte
}

func newKeyLine(now time.Time) *keyLine {
	k := &keyLine{Version: Version{Created: now.UTC().Truncate(time.Second)}}
	rand.Read(k.secret[:]) // never fails
	k.ID = k.deriveID()
	return k
}

// parseKeyLine reads a line without its newline. Its errors quote none of it.
func parseKeyLine(line []byte) (*keyLine, error) {
	words := bytes.Split(line, []byte(" "))
	if len(words) != 4 && len(words) != 5 {
		return nil, errors.New("not four words, or five, with single spaces between")
	}
	k := &keyLine{Version: Version{ID: string(words[1]), Disabled: len(words) == 5}}
	if k.Disabled && string(words[4]) != disabledWord {
		return nil, errors.New("only the word disabled may follow the key")
	}
	if !isID(k.ID) {
		return nil, errors.New("the id is not 32 lower-case hex digits")
	}
	var err error
	if k.Created, err = parseTime(string(words[2])); err != nil {
		return nil, err
	}
	if err := k.parseSecret(words[3]); err != nil {
		return nil, err
	}
	if k.ID != k.deriveID() {
		return nil, errors.New("id and key do not belong together; one has a typo")
	}
	return k, nil
}

func parseTime(word string) (time.Time, error) {
	created, err := time.Parse(timeFormat, word)
	if err != nil || created.Format(timeFormat) != word {
		return time.Time{}, errors.New("the time is not of the form " + timeFormat)
	}
	return created, nil
}

func (k *keyLine) parseSecret(word []byte) error {
	if len(word) != encoding.EncodedLen(secretLen) {
		return errors.New("the key is not 44 characters of base64")
	}
	var secret [secretLen + 1]byte // 44 characters may hold 33 bytes
	defer clear(secret[:])
	if n, err := encoding.Decode(secret[:], word); err != nil || n != secretLen {
		return errors.New("the key is not 32 bytes in base64")
	}
	copy(k.secret[:], secret[:])
	return nil
}

// append appends the line and its newline.
func (k *keyLine) append(b []byte) []byte {
	b = append(b, lineFormat+" "+k.ID+" "...)
	b = k.Created.AppendFormat(b, timeFormat)
	b = append(b, ' ')
	b = encoding.AppendEncode(b, k.secret[:])
	if k.Disabled {
		b = append(b, " "+disabledWord...)
	}
	return append(b, '\n')
}

func (k *keyLine) deriveID() string { return hex.EncodeToString(k.derive(labelID, idLen)) }

// derive returns n bytes of the key's, for one purpose.
func (k *keyLine) derive(label string, n int) []byte {
	b, err := hkdf.Key(sha256.New, k.secret[:], nil, label, n)
	if err != nil {
		panic("keyfile: " + err.Error())
	}
	return b
}

// isID tells whether s is written as an id is.
func isID(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == idLen && hex.EncodeToString(b) == s
}
