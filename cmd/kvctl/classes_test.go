package main

import (
	"fmt"
	"testing"

	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store"
)

// What an engine says has the class that says most of it.
func TestClassesOfAnEngine(t *testing.T) {
	for err, code := range map[error]string{
		store.ErrUnavailable: "unavailable", store.ErrDiskFull: "disk_full", store.ErrCorrupt: "damaged",
		store.ErrUnknownOutcome: "unknown_outcome", keys.ErrPoisoned: "unknown_outcome",
	} {
		if c := classOf(fmt.Errorf("store: backing up: %w: syncing: input/output error", err)); c == nil || c.code != code || c.hint == "" {
			t.Errorf("%v is %+v, want %s", err, c, code)
		}
	}
}
