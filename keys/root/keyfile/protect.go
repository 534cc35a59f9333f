package keyfile

import (
	"bytes"
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/sealkv/sealkv/keys/root"
)

// scryptWorkFactor is the base-2 logarithm of scrypt's cost: age's own default, about a second
// and 256 MiB of memory for each passphrase tried. Tests lower it.
var scryptWorkFactor = 18

// How a protected file begins. On disk; must not change.
const (
	ageBinary  = "age-encryption.org/v1\n"
	ageArmored = armor.Header
)

func isArmored(raw []byte) bool   { return bytes.HasPrefix(raw, []byte(ageArmored)) }
func isProtected(raw []byte) bool { return isArmored(raw) || bytes.HasPrefix(raw, []byte(ageBinary)) }

// decode reads the bytes of the key file at path, and asks for its passphrase if it has one.
func decode(ctx context.Context, path string, raw []byte, ask PassphraseFunc) (*file, error) {
	text, passphrase := raw, ""
	if isProtected(raw) {
		if fips140.Enforced() {
			return nil, fmt.Errorf("%w: %w", errPassphraseNotApproved, root.ErrInvalid)
		}
		var err error
		if passphrase, err = askFor(ctx, path, ask); err != nil {
			return nil, err
		}
		if text, err = unprotect(raw, passphrase); err != nil {
			return nil, fmt.Errorf("%w: %w", err, root.ErrInvalid)
		}
		defer clear(text)
	}
	f, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, root.ErrInvalid)
	}
	f.passphrase = passphrase
	return f, nil
}

var errPassphraseNotApproved = errors.New("a passphrase takes scrypt and ChaCha20-Poly1305, which GODEBUG=fips140=only does not allow; use a key file without one, or a KMS")

func askFor(ctx context.Context, path string, ask PassphraseFunc) (string, error) {
	if ask == nil {
		return "", fmt.Errorf("protected by a passphrase, but there is no PassphraseFunc to ask for it: %w", root.ErrInvalid)
	}
	passphrase, err := ask(ctx, path)
	if err != nil {
		return "", fmt.Errorf("asking for its passphrase: %w: %w", err, root.ErrUnavailable)
	}
	return passphrase, nil
}

// encode reverses decode: f is protected again by the passphrase that it had.
func (f *file) encode() ([]byte, error) {
	text := f.append(make([]byte, 0, maxLen))
	if f.passphrase == "" {
		return text, nil
	}
	if fips140.Enforced() {
		return nil, errPassphraseNotApproved
	}
	defer clear(text)
	return protect(text, f.passphrase)
}

// protect encrypts text with passphrase into an armored age file.
func protect(text []byte, passphrase string) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(scryptWorkFactor)
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := errors.Join(w.Close(), armored.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// unprotect decrypts an age file, armored or binary. The caller wipes the result.
func unprotect(raw []byte, passphrase string) ([]byte, error) {
	if passphrase == "" {
		return nil, errors.New("protected by a passphrase, and an empty one was given")
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	var in io.Reader = bytes.NewReader(raw)
	if isArmored(raw) {
		in = armor.NewReader(in)
	}
	r, err := age.Decrypt(in, identity)
	if err != nil {
		return nil, translateAge(err)
	}
	// With this capacity the buffer never moves and leaves no copy of the text behind.
	out := bytes.NewBuffer(make([]byte, 0, len(raw)+bytes.MinRead))
	if _, err := out.ReadFrom(r); err != nil {
		clear(out.Bytes())
		return nil, translateAge(err)
	}
	return out.Bytes(), nil
}

func translateAge(err error) error {
	var noMatch *age.NoIdentityMatchError
	switch {
	case !errors.As(err, &noMatch):
		return fmt.Errorf("damaged, or not an age file that can be read here (%w)", err)
	case slices.Contains(noMatch.StanzaTypes, "scrypt"):
		return errors.New("wrong passphrase")
	}
	return errors.New("an age file, but not one that a passphrase opens")
}
