package main

import (
	"errors"
	"fmt"

	"github.com/sealkv/sealkv/store"
)

// errNoKey says that a command line names a data key that is none. It is no damage: where a record
// names one, that is store.ErrKeyMismatch.
var errNoKey = errors.New("no such data key")

// notRetired says what to do about a data key that could not be retired.
func notRetired(t *store.Tenant, namespace string, key uint32, err error) error {
	switch {
	case errors.Is(err, store.ErrKeyMismatch):
		return fmt.Errorf("%w: %s has no data key %d in %s", errNoKey, t.ID(), key, namespace)
	case isActive(t, namespace, key):
		return withHint(err, "kvctl keys rotate %s %s makes another key the active one, and kvctl keys sweep %[1]s %[2]s moves what is under this one", t.ID(), namespace)
	case errors.Is(err, store.ErrNeeded):
		return withHint(err, "kvctl keys sweep %s %s moves what it can; kvctl keys coverage %[1]s says what is left", t.ID(), namespace)
	}
	return err
}

func isActive(t *store.Tenant, namespace string, key uint32) bool {
	infos, _ := t.DataKeys()
	for _, info := range infos {
		if info.Number == key && info.Namespace == namespace {
			return info.State == "active"
		}
	}
	return false
}
