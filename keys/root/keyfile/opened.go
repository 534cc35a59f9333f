package keyfile

import (
	"crypto/sha256"
	"fmt"

	"github.com/sealkv/sealkv/keys/root"
)

// An opened is a key file ready for use. It is never changed.
type opened struct {
	root.Redacted
	digest   [sha256.Size]byte // of the bytes on disk
	disabled bool
	newest   string              // id of the newest key, disabled or not
	wrappers map[string]*wrapper // by id; nil for a key that is disabled
}

// open derives what f's keys wrap with. Of those that are disabled it keeps nothing.
func open(f *file, digest [sha256.Size]byte) *opened {
	o := &opened{digest: digest, disabled: f.disabled(), wrappers: make(map[string]*wrapper)}
	for _, k := range f.keys() {
		o.newest = k.ID
		o.wrappers[k.ID] = nil
		if !o.disabled && !k.Disabled {
			o.wrappers[k.ID] = k.wrapper()
		}
	}
	return o
}

// wrapper returns what wraps under the key with this id. An id that the file does not have is taken
// for a key that was removed from it, thus revoked; one of another file looks the same.
func (o *opened) wrapper(id string) (*wrapper, error) {
	w, known := o.wrappers[id]
	switch {
	case o.disabled:
		return nil, fmt.Errorf("disabled by a line of its own: %w", root.ErrRevoked)
	case w != nil:
		return w, nil
	case known:
		return nil, fmt.Errorf("key %s is disabled: %w", id, root.ErrRevoked)
	case isID(id):
		return nil, fmt.Errorf("key %s is not, or no longer, in the file: %w", id, root.ErrRevoked)
	}
	return nil, errNotOurs
}
