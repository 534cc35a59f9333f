package keyfile_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"filippo.io/age"
	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/keyfile"
)

func TestPassphraseErrors(t *testing.T) {
	path := create(t, "open sesame")
	raw := readKey(t, path)
	damaged := func(at int) string { return raw[:at] + "!" + raw[at+1:] }
	noPerson := errors.New("nobody at the terminal")
	for name, test := range map[string]struct {
		raw  string
		ask  keyfile.PassphraseFunc
		want error
		says string
	}{
		"Nobody":   {raw, nil, root.ErrInvalid, "no PassphraseFunc"},
		"Wrong":    {raw, answer("open barley"), root.ErrInvalid, "wrong passphrase"},
		"Empty":    {raw, answer(""), root.ErrInvalid, "empty"},
		"NoAnswer": {raw, func(context.Context, string) (string, error) { return "", noPerson }, root.ErrUnavailable, noPerson.Error()},
		"Header":   {damaged(60), answer("open sesame"), root.ErrInvalid, "damaged"},
		"Payload":  {damaged(len(raw) - 60), answer("open sesame"), root.ErrInvalid, "damaged"},
		"Cut":      {raw[:len(raw)-100], answer("open sesame"), root.ErrInvalid, "damaged"},
		"OneKind":  {encryptedToKey(t), answer("open sesame"), root.ErrInvalid, "not one that a passphrase opens"},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeKey(t, []byte(test.raw))
			uri, err := keyfile.URI(path)
			must(t, err)
			opener := &keyfile.Opener{Passphrase: test.ask}
			_, openErr := opener.OpenRoot(t.Context(), uri)
			_, inspectErr := keyfile.Inspect(t.Context(), path, test.ask)
			_, rotateErr := keyfile.Rotate(t.Context(), path, test.ask)
			for _, err := range []error{openErr, inspectErr, rotateErr} {
				wantError(t, err, test.want)
				if err != nil && !strings.Contains(err.Error(), test.says) {
					t.Errorf("error %q does not say %q", err, test.says)
				}
			}
			if readKey(t, path) != test.raw {
				t.Error("the file has changed")
			}
		})
	}
}

// encryptedToKey returns an age file that has a recipient of another kind.
func encryptedToKey(t *testing.T) string {
	identity, err := age.GenerateX25519Identity()
	must(t, err)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, identity.Recipient())
	must(t, err)
	must(t, w.Close())
	return out.String()
}

// TestProtected tests that no rewrite leaves the keys in the clear.
func TestProtected(t *testing.T) {
	path := create(t, "open sesame")
	ask := answer("open sesame")
	wantProtected := func() {
		t.Helper()
		if raw := readKey(t, path); !strings.HasPrefix(raw, "-----BEGIN AGE ENCRYPTED FILE-----\n") || strings.Contains(raw, "SEALKV") {
			t.Errorf("the file is not protected:\n%s", raw)
		}
		info, err := keyfile.Inspect(t.Context(), path, ask)
		if err != nil || !info.Protected {
			t.Errorf("Inspect = %+v, %v, want a protected file", info, err)
		}
	}
	wantProtected()
	_, err := keyfile.Rotate(t.Context(), path, ask)
	must(t, err)
	wantProtected()
	must(t, keyfile.SetDisabled(t.Context(), path, true, ask))
	wantProtected()
	must(t, keyfile.SetDisabled(t.Context(), path, false, ask))
	wantProtected()
}

// TestAskedOnce tests that concurrent calls on a file that has changed cost one scrypt.
func TestAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		answered := make(chan struct{})
		opener := &keyfile.Opener{Passphrase: func(context.Context, string) (string, error) {
			if asked.Add(1) == 2 {
				<-answered
			}
			return "open sesame", nil
		}}
		path := create(t, "open sesame")
		k := openKey(t, opener, path)
		w := wrap(t, k)
		_, err := keyfile.Rotate(t.Context(), path, answer("open sesame"))
		must(t, err)

		for range 8 {
			go unwrap(t, k, w)
		}
		synctest.Wait() // one call asks, seven wait for it

		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := k.Wrap(ctx, []byte("secret"), root.Context{})
			gone <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) || !errors.Is(err, root.ErrUnavailable) {
			t.Errorf("Wrap cancelled while it waited: %v", err)
		}

		close(answered)
		synctest.Wait()
		if n := asked.Load(); n != 2 {
			t.Errorf("asked for the passphrase %d times, want 2", n)
		}
	})
}
