package store

import (
	"testing"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// However keys lie, samples are taken from no more than sampleParts ranges, which leave nothing out.
func TestSampleParts(t *testing.T) {
	for _, last := range []string{"k", "k\x00\x00\x00\x00\x00\x00\x00\x02", "k\x00", "z"} {
		e := mem.New()
		n := &Namespace{store: &Store{engine: e}, records: codec.AppendPrefix(nil, codec.KindRecord, "acme", "jira/comments")}
		b := e.NewBatch()
		b.Set(join(n.records, []byte("k")), []byte("v"))
		b.Set(join(n.records, []byte(last)), []byte("v"))
		if err := e.Apply(t.Context(), b, false); err != nil {
			t.Fatal(err)
		}
		parts, err := n.parts(t.Context())
		if err != nil || len(parts) == 0 || len(parts) > sampleParts {
			t.Fatalf("to %q: %d parts, %v", last, len(parts), err)
		}
		for i, part := range parts[1:] {
			if string(part.Start) != string(parts[i].End) {
				t.Errorf("to %q: something lies between %q and %q", last, parts[i].End, part.Start)
			}
		}
	}
}
