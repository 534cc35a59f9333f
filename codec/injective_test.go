package codec_test

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sealkv/sealkv/codec"
)

// facets are what each purpose binds: two subjects that differ in one of them must not have the
// same input, and two that agree in all must.
var facets = map[codec.Label]func(s *subject) []any{
	codec.LabelValue: func(s *subject) []any {
		e := s.envelope
		return []any{s.store, s.key, e.Suite, e.Number, e.Flags, e.Written, specDictionary(e)}
	},
	codec.LabelPayload: func(s *subject) []any {
		e := s.envelope
		return []any{s.store, s.key, e.Suite, e.Flags, e.Written, specDictionary(e), specBlob(e)}
	},
	codec.LabelDictionary: func(s *subject) []any {
		e := s.envelope
		if !hasContentKey(s) {
			return []any{s.store, s.key, e.Suite, e.Number, e.Flags, e.Written, specDictionary(e)}
		}
		return []any{s.store, s.key, e.Suite, e.Flags, e.Written, specDictionary(e), specBlob(e), "content"}
	},
	codec.LabelWrap: func(s *subject) []any {
		e := s.envelope
		return []any{s.store, s.key, e.Suite, s.number, e.Flags, e.Written}
	},
	codec.LabelHead: func(s *subject) []any {
		e := s.envelope
		return []any{s.store, s.key, e.Suite, e.Recipients, e.Flags, e.Written, specDictionary(e), specBlob(e)}
	},
	codec.LabelChunks:   func(s *subject) []any { return []any{s.store, s.key, s.envelope.Blob.ID, s.index} },
	codec.LabelDataKey:  func(s *subject) []any { return []any{s.store, s.row, s.dataKey.Suite, s.dataKey.Parent} },
	codec.LabelCommit:   func(s *subject) []any { return []any{s.store, s.row} },
	codec.LabelRootWrap: func(s *subject) []any { return []any{s.store, s.row} },
	codec.LabelTenant:   signedFacets,
	codec.LabelControl:  signedFacets,
	codec.LabelPolicy:   signedFacets,
	codec.LabelBackups:  signedFacets,
	codec.LabelMirror:   signedFacets,
	codec.LabelAudit:    signedFacets,
	codec.LabelSweep:    signedFacets,
}

func signedFacets(s *subject) []any {
	return []any{s.store, string(s.about), s.signed.Version, string(s.signed.Body)}
}

// Inputs are injective: over any two subjects, of which the second is the first with some
// parts changed, and over any two purposes.
func TestInputsAreInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := subjects().Draw(t, "a")
		b := a.vary(t)
		inputsOfB := b.inputs()
		for label, input := range a.inputs() {
			for other, inputOfB := range inputsOfB {
				want := label == other && reflect.DeepEqual(facets[label](a), facets[label](b))
				if got := string(input) == string(inputOfB); got != want {
					t.Fatalf("%s and %s: equal is %v\n%s\n%s", label, other, got, notation(input), notation(inputOfB))
				}
			}
		}
	})
}

// vary returns a copy with parts from elsewhere, and lengths moved from one part to the next,
// which is what a missing length would not notice.
func (s *subject) vary(t *rapid.T) *subject {
	other := subjects().Draw(t, "b")
	e := *s.envelope
	e.Recipients = slices.Clone(e.Recipients)
	out := *s
	out.envelope = &e
	for _, change := range []struct {
		name  string
		apply func()
	}{
		{"store", func() { out.store = other.store }},
		{"engine key", func() { out.key = other.key }},
		{"engine key's end", func() { out.key = append(slices.Clone(s.key), 0) }},
		{"recipient", func() { out.number = other.number }},
		{"index", func() { out.index++ }},
		{"suite", func() { e.Suite++; out.dataKey.Suite++ }},
		{"number", func() { e.Number = other.number }},
		{"flags", func() { e.Flags ^= 1 }},
		{"dictionary", func() { e.Flags, e.Dictionary = 3, other.number }},
		{"no dictionary", func() { e.Flags, e.Dictionary = e.Flags&^2, 0 }},
		{"written", func() { e.Written = other.envelope.Written }},
		{"blob id", func() { e.Blob.ID[15]++ }},
		{"blob", func() { e.Chunked, e.Blob = !e.Chunked, other.envelope.Blob }},
		{"size", func() { e.Blob.Size++ }},
		{"chunk size", func() { e.Blob.ChunkSize ^= 4096 }},
		{"recipients", func() { e.Recipients = other.envelope.Recipients }},
		{"fewer recipients", func() { e.Recipients = e.Recipients[:min(len(e.Recipients), 1)] }},
		{"row", func() { out.row = other.row }},
		{"tenant's end", func() { out.row.Namespace, out.row.Tenant = out.row.Tenant, out.row.Namespace }},
		{"domain", func() { out.row.Domain ^= 3 }},
		{"row's number", func() { out.row.Number++ }},
		{"parent", func() { out.dataKey.Parent++ }},
		{"version", func() { out.signed.Version++ }},
		{"body", func() { out.signed.Body = other.signed.Body }},
		{"about's end", func() { out.about, out.signed.Body = nil, slices.Concat(s.about, s.signed.Body) }},
	} {
		if rapid.IntRange(0, 7).Draw(t, change.name) == 7 {
			change.apply()
		}
	}
	return &out
}
