package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// encoding/json decides what is valid. What follows reads text that it found valid, because
// encoding/json itself takes the last of two equal fields, fields in another case and unknown
// ones, and because a value's own bytes are wanted, not what they decode to.

// eachField calls fn with the name and the raw value of each field of the object that line is.
func eachField(line []byte, fn func(name, raw []byte) error) error {
	i := skipSpace(line, 0)
	if line[i] != '{' {
		return errors.New("not a JSON object")
	}
	for i = skipSpace(line, i+1); line[i] != '}'; {
		if line[i] == ',' {
			i = skipSpace(line, i+1)
		}
		end := skipValue(line, i)
		name, err := unquote(line[i:end])
		if err != nil {
			return err
		}
		i = skipSpace(line, skipSpace(line, end)+1) // over the colon
		end = skipValue(line, i)
		if err := fn(name, line[i:end:end]); err != nil {
			return err
		}
		i = skipSpace(line, end)
	}
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// skipValue returns the end of the value that begins at i.
func skipValue(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default:
			if depth > 0 {
				continue
			}
			for i+1 < len(b) && !isSpace(b[i+1]) && b[i+1] != ',' && b[i+1] != '}' && b[i+1] != ']' {
				i++ // a number or a word
			}
		}
		if depth == 0 {
			return i + 1
		}
	}
	return i
}

// stringEnd returns the end of the string that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// hasSpace reports whether there is white space between the tokens of a value.
func hasSpace(b []byte) bool {
	for i := 0; i < len(b); i++ {
		if b[i] == '"' {
			i = stringEnd(b, i) - 1
		} else if isSpace(b[i]) {
			return true
		}
	}
	return false
}

// compact returns a value without white space between its tokens, and nothing else changed.
func compact(raw []byte) ([]byte, error) {
	if !hasSpace(raw) {
		return raw, nil
	}
	var out bytes.Buffer
	err := json.Compact(&out, raw)
	return out.Bytes(), err
}

// isCompact reports whether p can stand in a line as it is: whatever compact leaves alone.
func isCompact(p []byte) bool { return utf8.Valid(p) && json.Valid(p) && !hasSpace(p) }

// unquote decodes a JSON string. Half a surrogate pair is refused: it decodes to a replacement
// character, and two keys would become one.
func unquote(raw []byte) ([]byte, error) {
	if raw[0] != '"' {
		return nil, errors.New("not a string")
	}
	text := raw[1 : len(raw)-1]
	if bytes.IndexByte(text, '\\') < 0 {
		return text, nil
	}
	if halfSurrogate(text) {
		return nil, errors.New(`half of a surrogate pair (\ud800 to \udfff)`)
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return []byte(s), err
}

func halfSurrogate(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		i++
		if text[i] != 'u' {
			continue
		}
		first := hex4(text[i+1:])
		i += 4
		if !utf16.IsSurrogate(first) {
			continue
		}
		if first >= 0xdc00 || !bytes.HasPrefix(text[i+1:], []byte(`\u`)) {
			return true
		}
		if second := hex4(text[i+3:]); second < 0xdc00 || second > 0xdfff {
			return true
		}
		i += 6
	}
	return false
}

// hex4 decodes the four hex digits that text begins with.
func hex4(text []byte) rune {
	u, _ := strconv.ParseUint(string(text[:4]), 16, 16)
	return rune(u)
}
