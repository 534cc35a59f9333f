package store_test

import (
	"testing"

	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine/mem"
)

// Seals are counted where the suite or the policy says so, once for many writes, and by no read.
func TestSealsAreCounted(t *testing.T) {
	for rule, counted := range map[string]bool{
		"tenant": false, "tenant\n  max-seals: 4294967296": true, ofSuite("tenant", scope.XAES256GCM): true,
	} {
		w := policyWorld(t, rule, store.Options{Engine: mem.New()})
		n := w.ns("acme", "jira/comments")
		wantError(t, n, "k", store.ErrNotFound) // mints
		seals := func() uint64 {
			infos, err := w.tenant("acme").DataKeys()
			if err != nil || len(infos) != 1 {
				t.Fatal(infos, err)
			}
			return infos[0].Seals
		}
		if got := seals(); got != 0 {
			t.Errorf("%q: a read counts %d seals", rule, got)
		}
		mustPut(t, n, "k", "v")
		first := seals()
		fill(t, n, 20)
		if got := seals(); got != first || got > 0 != counted {
			t.Errorf("%q: %d seals are counted after one, %d after twenty", rule, first, got)
		}
	}
}
