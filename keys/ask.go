package keys

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/root"
)

// askRoots unwraps a tenant key. Every active root is asked: one that says revoked revokes the
// key whatever the others say; only an unavailable one is passed over for the next.
func (k *Keyring) askRoots(ctx context.Context, row *tenantKeyRow) (*secret, error) {
	var (
		key         *secret
		unavailable error
	)
	for i := range row.rec.Wraps {
		wrap := &row.rec.Wraps[i]
		if wrap.Role != codec.RoleActive {
			continue
		}
		got, err := k.unwrapTenantKey(ctx, row, wrap)
		switch {
		case err == nil && key == nil:
			key = got
		case err == nil:
			got.wipe()
		case errors.Is(err, ErrUnavailable):
			unavailable = err
		default:
			if key != nil {
				key.wipe()
			}
			return nil, err
		}
	}
	switch {
	case key != nil:
		return key, nil
	case unavailable != nil:
		return nil, unavailable
	}
	return nil, fmt.Errorf("%w: version %d of the key of %s has no active wrap", ErrDestroyed, row.Number, holder(row.Tenant))
}

// unwrapTenantKey asks one root and checks that what it returns is this tenant key: by the
// digest that was wrapped with it, and by its commitment.
func (k *Keyring) unwrapTenantKey(ctx context.Context, row *tenantKeyRow, wrap *codec.RootWrap) (*secret, error) {
	began := time.Now()
	raw, err := k.callUnwrap(ctx, row.KeyRow, wrap)
	k.stats.unwraps.count(began, err)
	if err != nil {
		return nil, rootError(row.KeyRow, err)
	}
	defer clear(raw)
	digest := k.rootDigest(row.KeyRow)
	if len(raw) != codec.KeyLen+len(digest) || !hmac.Equal(raw[codec.KeyLen:], digest) {
		return nil, fmt.Errorf("keys: the root's wrap of the key of %s is another key's: %w", holder(row.Tenant), ErrAuthentication)
	}
	key := new(secret)
	copy(key[:], raw)
	if !hmac.Equal(key.commitment(&k.identity.Store, row.KeyRow), row.rec.Commit) {
		key.wipe()
		return nil, fmt.Errorf("keys: the root unwrapped another key than that of %s: %w", holder(row.Tenant), ErrAuthentication)
	}
	return key, nil
}

func (k *Keyring) callUnwrap(ctx context.Context, row codec.KeyRow, wrap *codec.RootWrap) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, k.opts.RootTimeout)
	defer cancel()
	rk, err := k.roots.OpenRoot(ctx, wrap.URI)
	if err != nil {
		return nil, err
	}
	return rk.Unwrap(ctx, root.Wrapped{Ciphertext: wrap.Ciphertext, KeyVersion: wrap.KeyVersion}, k.bound(row))
}

func (k *Keyring) callWrap(ctx context.Context, row codec.KeyRow, uri string, plaintext []byte) (root.Wrapped, error) {
	ctx, cancel := context.WithTimeout(ctx, k.opts.RootTimeout)
	defer cancel()
	rk, err := k.roots.OpenRoot(ctx, uri)
	if err != nil {
		return root.Wrapped{}, err
	}
	return rk.Wrap(ctx, plaintext, k.bound(row))
}

// wrapTenantKey has the root that uri names wrap key, and proves that it unwraps.
func (k *Keyring) wrapTenantKey(ctx context.Context, row *tenantKeyRow, uri string, key *secret) (codec.RootWrap, error) {
	if k.roots == nil {
		return codec.RootWrap{}, ErrLocked
	}
	plaintext := append(append(make([]byte, 0, root.MaxPlaintext), key[:]...), k.rootDigest(row.KeyRow)...)
	defer clear(plaintext)
	began := time.Now()
	wrapped, err := k.callWrap(ctx, row.KeyRow, uri, plaintext)
	k.stats.wraps.count(began, err)
	if err != nil {
		return codec.RootWrap{}, rootError(row.KeyRow, err)
	}
	if !utf8.ValidString(uri) || !utf8.ValidString(wrapped.KeyVersion) {
		return codec.RootWrap{}, fmt.Errorf("keys: root of %s: %w: its URI or the version of its key is not UTF-8", holder(row.Tenant), root.ErrInvalid)
	}
	if len(wrapped.Ciphertext) > root.MaxCiphertext {
		return codec.RootWrap{}, fmt.Errorf("keys: the root's wrap has %d bytes, at most %d fit", len(wrapped.Ciphertext), root.MaxCiphertext)
	}
	wrap := codec.RootWrap{Role: codec.RoleActive, URI: uri, KeyVersion: wrapped.KeyVersion, Ciphertext: wrapped.Ciphertext}
	proof, err := k.unwrapTenantKey(ctx, row, &wrap)
	if err != nil {
		return codec.RootWrap{}, fmt.Errorf("keys: proving that the root unwraps what it wrapped: %w", err)
	}
	proof.wipe()
	return wrap, nil
}

// mintTenantKey draws a tenant key and wraps it under the root that uri names.
func (k *Keyring) mintTenantKey(ctx context.Context, id codec.KeyRow, uri string) (*codec.TenantKey, *secret, error) {
	key := newSecret()
	row := tenantKeyRow{KeyRow: id, rec: codec.TenantKey{
		State:   codec.StateActive,
		Created: uint64(k.opts.Now().Unix()),
		Commit:  key.commitment(&k.identity.Store, id),
	}}
	wrap, err := k.wrapTenantKey(ctx, &row, uri, key)
	if err != nil {
		key.wipe()
		return nil, nil, err
	}
	row.rec.Wraps = []codec.RootWrap{wrap}
	return &row.rec, key, nil
}

func (k *Keyring) bound(row codec.KeyRow) root.Context {
	return root.Context{Store: k.identity.Store, Tenant: row.Tenant, Domain: row.Domain.String(), Version: row.Number}
}

// rootDigest stands beside a tenant key in every root's wrap, so that a provider without an
// encryption context cannot be made to return one tenant's key for another's.
func (k *Keyring) rootDigest(row codec.KeyRow) []byte {
	sum := sha256.Sum256(codec.AppendRootDigest(nil, &k.identity.Store, row))
	return sum[:]
}

// rootError translates a provider's error.
func rootError(row codec.KeyRow, err error) error {
	switch {
	case errors.Is(err, root.ErrRevoked):
		return fmt.Errorf("%w: root of %s: %w", ErrRevoked, holder(row.Tenant), err)
	case errors.Is(err, root.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: root of %s: %w", ErrUnavailable, holder(row.Tenant), err)
	}
	return fmt.Errorf("keys: root of %s: %w", holder(row.Tenant), err)
}

func holder(tenant string) string {
	if tenant == "" {
		return "the platform"
	}
	return "tenant " + tenant
}
