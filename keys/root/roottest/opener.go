package roottest

import (
	"context"
	"fmt"

	"github.com/sealkv/sealkv/keys/root"
)

// An Opener holds keys by URI, such as test://acme. It is safe for concurrent use as long as
// nobody changes the map.
type Opener map[string]*Key

var _ root.Opener = Opener(nil)

// OpenRoot returns the key at uri, or root.ErrUnavailable if there is none.
func (o Opener) OpenRoot(ctx context.Context, uri string) (root.Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("roottest: %w: %w", err, root.ErrUnavailable)
	}
	key, ok := o[uri]
	if !ok {
		return nil, fmt.Errorf("roottest: no key at %q: %w", uri, root.ErrUnavailable)
	}
	return key, nil
}
