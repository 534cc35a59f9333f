package roottest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/sealkv/sealkv/keys/root"
)

// A Key is a root key in memory, for the tests of other packages. It wraps with AES-256-GCM, and
// can be told to fail and to be slow. It protects nothing: its bytes follow from its name.
type Key struct {
	root.Redacted
	name string

	mu             sync.Mutex
	versions       int
	err            error
	delay          time.Duration
	wraps, unwraps int
}

var _ root.Key = (*Key)(nil)

// NewKey returns the key called name, at its first version. Two keys of one name unwrap each
// other's wraps, as a key does that is opened again after a restart.
func NewKey(name string) *Key { return &Key{name: name, versions: 1} }

// SetError makes each Wrap and Unwrap return err; nil heals.
func (k *Key) SetError(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

// Delay makes each Wrap and Unwrap wait for d first, or until its context ends.
func (k *Key) Delay(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.delay = d
}

// Rotate adds a version, under which Wrap wraps from then on.
func (k *Key) Rotate() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.versions++
}

// Calls returns how often Wrap and Unwrap were called, failures included.
func (k *Key) Calls() (wraps, unwraps int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wraps, k.unwraps
}

// Wrap implements root.Key.
func (k *Key) Wrap(ctx context.Context, plaintext []byte, bound root.Context) (root.Wrapped, error) {
	newest, err := k.begin(ctx, &k.wraps)
	if err != nil {
		return root.Wrapped{}, err
	}
	if n := len(plaintext); n == 0 || n > root.MaxPlaintext {
		return root.Wrapped{}, fmt.Errorf("roottest: %d bytes to wrap: %w", n, root.ErrInvalid)
	}
	id := k.versionID(newest)
	sealed := aead(id).Seal(nil, nil, plaintext, bound.AppendAAD(nil))
	return root.Wrapped{Ciphertext: sealed, KeyVersion: id}, nil
}

// Unwrap implements root.Key.
func (k *Key) Unwrap(ctx context.Context, w root.Wrapped, bound root.Context) ([]byte, error) {
	newest, err := k.begin(ctx, &k.unwraps)
	if err != nil {
		return nil, err
	}
	if !k.has(w.KeyVersion, newest) {
		return nil, fmt.Errorf("roottest: not a version of this key: %w", root.ErrInvalid)
	}
	plaintext, err := aead(w.KeyVersion).Open(nil, nil, w.Ciphertext, bound.AppendAAD(nil))
	if err != nil {
		return nil, fmt.Errorf("roottest: not a wrap of this key with this context: %w", root.ErrInvalid)
	}
	return plaintext, nil
}

// begin counts a call, lets it wait, and returns the newest version.
func (k *Key) begin(ctx context.Context, calls *int) (newest int, err error) {
	k.mu.Lock()
	*calls++
	delay := k.delay
	k.mu.Unlock()
	if err := wait(ctx, delay); err != nil {
		return 0, fmt.Errorf("roottest: %w: %w", err, root.ErrUnavailable)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.versions, k.err
}

func wait(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k *Key) versionID(n int) string { return fmt.Sprintf("%s/%d", k.name, n) }

func (k *Key) has(id string, newest int) bool {
	for n := 1; n <= newest; n++ {
		if k.versionID(n) == id {
			return true
		}
	}
	return false
}

// aead returns what wraps under the version with this id. It chooses and carries its own nonces.
func aead(id string) cipher.AEAD {
	secret := sha256.Sum256([]byte("sealkv roottest " + id))
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		panic("roottest: " + err.Error())
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("roottest: " + err.Error())
	}
	return gcm
}
