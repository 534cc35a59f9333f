package keyfile

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync/atomic"

	"github.com/sealkv/sealkv/keys/root"
)

// A key is the root key in the file at path.
type key struct {
	root.Redacted
	path    string
	ask     PassphraseFunc
	opened  atomic.Pointer[opened]
	loading chan struct{} // holds a token while a call decodes the file
}

var _ root.Key = (*key)(nil)

func newKey(path string, ask PassphraseFunc) *key {
	return &key{path: path, ask: ask, loading: make(chan struct{}, 1)}
}

// Wrap implements root.Key.
func (k *key) Wrap(ctx context.Context, plaintext []byte, bound root.Context) (root.Wrapped, error) {
	w, err := k.wrap(ctx, plaintext, bound)
	if err != nil {
		return root.Wrapped{}, k.failed(err)
	}
	return w, nil
}

// Unwrap implements root.Key.
func (k *key) Unwrap(ctx context.Context, w root.Wrapped, bound root.Context) ([]byte, error) {
	plaintext, err := k.unwrap(ctx, w, bound)
	if err != nil {
		return nil, k.failed(err)
	}
	return plaintext, nil
}

func (k *key) failed(err error) error { return fmt.Errorf("keyfile: %s: %w", k.path, err) }

func (k *key) wrap(ctx context.Context, plaintext []byte, bound root.Context) (root.Wrapped, error) {
	if n := len(plaintext); n == 0 || n > root.MaxPlaintext {
		return root.Wrapped{}, fmt.Errorf("%d bytes to wrap, not 1 to %d: %w", n, root.MaxPlaintext, root.ErrInvalid)
	}
	o, err := k.load(ctx)
	if err != nil {
		return root.Wrapped{}, err
	}
	w, err := o.wrapper(o.newest)
	if err != nil {
		return root.Wrapped{}, err
	}
	return root.Wrapped{Ciphertext: w.wrap(plaintext, bound), KeyVersion: o.newest}, nil
}

func (k *key) unwrap(ctx context.Context, w root.Wrapped, bound root.Context) ([]byte, error) {
	o, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	of, err := o.wrapper(w.KeyVersion)
	if err != nil {
		return nil, err
	}
	return of.unwrap(w.Ciphertext, bound)
}

// load returns the key as the file has it now. A key file is short, so it is read each time,
// which no coarse modification time can deceive, but decoded only when its bytes are new: scrypt
// takes a second.
func (k *key) load(ctx context.Context) (*opened, error) {
	if err := ctx.Err(); err != nil {
		return nil, translateContext(err)
	}
	raw, err := readFile(k.path)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	digest := sha256.Sum256(raw)
	if o := k.cached(digest); o != nil {
		return o, nil
	}
	select {
	case k.loading <- struct{}{}:
		defer func() { <-k.loading }()
	case <-ctx.Done():
		return nil, translateContext(ctx.Err())
	}
	if o := k.cached(digest); o != nil {
		return o, nil // another call decoded it while this one waited
	}
	f, err := decode(ctx, k.path, raw, k.ask)
	if err != nil {
		return nil, err
	}
	defer f.wipe()
	o := open(f, digest)
	k.opened.Store(o)
	return o, nil
}

// cached returns what the file with this digest was decoded to, or nil.
func (k *key) cached(digest [sha256.Size]byte) *opened {
	if o := k.opened.Load(); o != nil && o.digest == digest {
		return o
	}
	return nil
}
