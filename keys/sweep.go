package keys

import (
	"context"

	"github.com/sealkv/sealkv/codec"
)

// SignSweep returns body with a MAC under the platform key, for what a sweep keeps in the store's
// engine under a key, and must be able to trust.
func (k *Keyring) SignSweep(ctx context.Context, engineKey, body []byte) (codec.Signed, error) {
	platform, err := k.platformKey(ctx)
	if err != nil {
		return codec.Signed{}, err
	}
	defer platform.release()
	return platform.sign(codec.LabelSweep, engineKey, body), nil
}

// VerifySweep checks what SignSweep signed, or returns ErrAuthentication.
func (k *Keyring) VerifySweep(ctx context.Context, engineKey []byte, s *codec.Signed) error {
	platform, err := k.platformKey(ctx)
	if err != nil {
		return err
	}
	defer platform.release()
	signer, err := k.platformVersion(ctx, platform, s.Version)
	if err != nil {
		return err
	}
	defer signer.release()
	return signer.verify(codec.LabelSweep, engineKey, s)
}
