// Package enginetest is the suite that every engine passes. An engine's own tests call Run, or
// RunDurable if it keeps its bytes; what only one engine promises it tests itself.
package enginetest

import (
	"testing"

	"github.com/sealkv/sealkv/store/engine"
)

// Options say how to come by an engine.
type Options struct {
	// Open returns a new, empty engine. The suite closes it.
	Open func(t *testing.T) engine.Engine
	// Reopen closes e and opens again what it kept. Nil for an engine that keeps nothing.
	Reopen func(t *testing.T, e engine.Engine) engine.Engine
}

// Run tests the engines that open returns. open may register clean-ups with t.
func Run(t *testing.T, open func(t *testing.T) engine.Engine) {
	RunDurable(t, Options{Open: open})
}

// RunDurable tests an engine that keeps its bytes when it is closed.
func RunDurable(t *testing.T, o Options) {
	tests := []struct {
		name string
		run  func(rig)
	}{
		{"Get", testGet},
		{"Batch", testBatch},
		{"BatchMisuse", testBatchMisuse},
		{"SetDeferred", testSetDeferred},
		{"DeleteRange", testDeleteRange},
		{"Conditions", testConditions},
		{"ConditionsAreAll", testConditionsAreAll},
		{"Limits", testLimits},
		{"Empty", testEmpty},
		{"Page", testPage},
		{"PageEnds", testPageEnds},
		{"PageIsOneView", testPageIsOneView},
		{"Snapshot", testSnapshot},
		{"SnapshotClosed", testSnapshotClosed},
		{"Closed", testClosed},
		{"CloseWaits", testCloseWaits},
		{"Cancelled", testCancelled},
		{"Increments", testIncrements},
		{"RewriteAgainstDelete", testRewriteAgainstDelete},
		{"RewriteAgainstDeleteRange", testRewriteAgainstDeleteRange},
		{"RewriteAgainstPut", testRewriteAgainstPut},
		{"GuardAgainstChange", testGuardAgainstChange},
		{"BatchIsAtomic", testBatchIsAtomic},
		{"Model", testModel},
	}
	if o.Reopen != nil {
		tests = append(tests, struct {
			name string
			run  func(rig)
		}{"Durable", testDurable})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := o.Open(t)
			t.Cleanup(func() { e.Close() })
			test.run(rig{T: t, Engine: e, options: o})
		})
	}
}
