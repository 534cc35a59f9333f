package transfer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// A Record is one value as a line has it.
type Record struct {
	Tenant  string
	Product string
	Type    string
	Key     []byte
	Value   []byte    // the bytes that a store keeps
	Written time.Time // of the value's first write; zero where the line has none
	// Apart says that a row of attachment metadata names a file that is not beside it.
	Apart bool
}

// Namespace is product/type.
func (r *Record) Namespace() string { return r.Product + "/" + r.Type }

// splitNamespace reverses Namespace.
func splitNamespace(name string) (product, typ string) {
	product, typ, _ = strings.Cut(name, "/")
	return product, typ
}

// Parse reads one line. Key and Value may share memory with it.
func Parse(line []byte) (Record, error) {
	if !utf8.Valid(line) {
		return Record{}, errors.New("not valid UTF-8")
	}
	if !json.Valid(line) {
		return Record{}, syntaxError(line)
	}
	var p parser
	if err := eachField(line, p.field); err != nil {
		return Record{}, err
	}
	return p.record, p.missing()
}

// syntaxError says where JSON breaks off, without quoting it.
func syntaxError(line []byte) error {
	var discard json.RawMessage
	var syntax *json.SyntaxError
	if err := json.Unmarshal(line, &discard); errors.As(err, &syntax) {
		return fmt.Errorf("not valid JSON at column %d", syntax.Offset)
	}
	return errors.New("not valid JSON")
}

// A parser collects the fields of a line.
type parser struct {
	record Record
	seen   seen
}

type seen uint8

const (
	seenTenant seen = 1 << iota
	seenProduct
	seenType
	seenKey
	seenValue
	seenWritten
	seenContents
)

func (p *parser) field(name, raw []byte) (err error) {
	r := &p.record
	switch string(name) {
	case "tenant":
		r.Tenant, err = p.text(seenTenant, raw)
	case "product":
		r.Product, err = p.text(seenProduct, raw)
	case "type":
		r.Type, err = p.text(seenType, raw)
	case "key":
		if err = p.once(seenKey); err == nil {
			r.Key, err = unquote(raw)
		}
	case "key_base64":
		r.Key, err = p.base64(seenKey, raw)
	case "value":
		if err = p.once(seenValue); err == nil {
			r.Value, err = compact(raw)
		}
	case "value_base64":
		r.Value, err = p.base64(seenValue, raw)
	case "written":
		r.Written, err = p.time(raw)
	case "contents":
		if err = p.once(seenContents); err == nil && string(raw) != "false" {
			err = errors.New("can only be false")
		}
		r.Apart = true
	default:
		return fmt.Errorf("unknown field %.40q", name)
	}
	if err != nil {
		return fmt.Errorf("field %s: %w", name, err)
	}
	return nil
}

func (p *parser) once(field seen) error {
	if p.seen&field != 0 {
		return errors.New("given twice")
	}
	p.seen |= field
	return nil
}

func (p *parser) text(field seen, raw []byte) (string, error) {
	if err := p.once(field); err != nil {
		return "", err
	}
	text, err := unquote(raw)
	return string(text), err
}

func (p *parser) base64(field seen, raw []byte) ([]byte, error) {
	if err := p.once(field); err != nil {
		return nil, err
	}
	text, err := unquote(raw)
	if err != nil {
		return nil, err
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(out, text)
	if err != nil || bytes.ContainsAny(text, "\r\n") { // which the decoder passes over
		return nil, errors.New("not base64")
	}
	return out[:n], nil
}

func (p *parser) time(raw []byte) (time.Time, error) {
	text, err := p.text(seenWritten, raw)
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Nanosecond() != 0 || t.Unix() <= 0 {
		return time.Time{}, errors.New("not a time such as 2026-11-22T10:30:00Z")
	}
	return t.UTC(), nil
}

func (p *parser) missing() error {
	for _, f := range []struct {
		field seen
		name  string
	}{{seenTenant, "tenant"}, {seenProduct, "product"}, {seenType, "type"}, {seenKey, "key"}, {seenValue, "value"}} {
		if p.seen&f.field == 0 {
			return fmt.Errorf("no field %s", f.name)
		}
	}
	return nil
}

// Append appends the line of r, with its newline, to dst. Parse reads the same record from it.
func (r *Record) Append(dst []byte) []byte {
	dst = appendString(append(dst, `{"tenant":`...), r.Tenant)
	dst = appendString(append(dst, `,"product":`...), r.Product)
	dst = appendString(append(dst, `,"type":`...), r.Type)
	if utf8.Valid(r.Key) {
		dst = appendString(append(dst, `,"key":`...), string(r.Key))
	} else {
		dst = appendBase64(append(dst, `,"key_base64":`...), r.Key)
	}
	if !r.Written.IsZero() {
		dst = append(dst, `,"written":"`...)
		dst = append(r.Written.UTC().AppendFormat(dst, time.RFC3339), '"')
	}
	if r.Apart {
		dst = append(dst, `,"contents":false`...)
	}
	if isCompact(r.Value) {
		dst = append(append(dst, `,"value":`...), r.Value...)
	} else {
		dst = appendBase64(append(dst, `,"value_base64":`...), r.Value)
	}
	return append(dst, "}\n"...)
}

func appendBase64(dst, p []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), p), '"')
}

// appendString appends s, which is valid UTF-8, as a JSON string.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"', c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ', c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
