package main

import (
	"encoding/base64"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// keyFlag is how a command line names keys that are no text.
type keyFlag struct{ base64 bool }

func (k *keyFlag) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&k.base64, "base64", false, "keys in the arguments are base64, as --json prints those that are not UTF-8")
}

// key is the key that an argument names.
func (k *keyFlag) key(arg string) ([]byte, error) {
	if !k.base64 {
		return []byte(arg), nil
	}
	key, err := base64.StdEncoding.DecodeString(arg)
	if err != nil {
		return nil, usagef("--base64: a key is not padded base64: %w", err)
	}
	return key, nil
}

// A keyName is a record's key in JSON: text where it is UTF-8, else base64.
type keyName struct {
	Text   *string `json:"key,omitempty"`
	Base64 []byte  `json:"key_base64,omitempty"`
}

func nameKey(key []byte) keyName {
	if !utf8.Valid(key) {
		return keyName{Base64: key}
	}
	text := string(key)
	return keyName{Text: &text}
}

// A recordRow is a record in JSON.
type recordRow struct {
	Tenant    string `json:"tenant"`
	Namespace string `json:"namespace"`
	keyName
	Value       *string  `json:"value,omitempty"`
	ValueBase64 []byte   `json:"value_base64,omitempty"` // where it is not UTF-8
	Bytes       *int     `json:"bytes,omitempty"`
	Error       *failure `json:"error,omitempty"` // why it does not open
}

func newRecordRow(tenant, namespace string, key []byte) recordRow {
	return recordRow{Tenant: tenant, Namespace: namespace, keyName: nameKey(key)}
}

func (r *recordRow) setValue(value []byte) {
	length := len(value)
	r.Bytes = &length
	if utf8.Valid(value) {
		text := string(value)
		r.Value = &text
	} else {
		r.ValueBase64 = value
	}
}
