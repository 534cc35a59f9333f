package keyfile_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/keyfile"
	"github.com/sealkv/sealkv/keys/root/roottest"
)

// TestProvider runs the suite on files with and without a passphrase.
func TestProvider(t *testing.T) {
	t.Run("Plain", func(t *testing.T) { roottest.Run(t, provider("")) })
	t.Run("Protected", func(t *testing.T) { roottest.Run(t, provider("open sesame")) })
}

func provider(passphrase string) roottest.Provider {
	return func(t *testing.T) roottest.Subject {
		path := create(t, passphrase)
		ask := answer(passphrase)
		reopen := func(t *testing.T) root.Key {
			return openKey(t, &keyfile.Opener{Passphrase: ask}, path)
		}
		setDisabled := func(disabled bool) func(*testing.T) {
			return func(t *testing.T) { must(t, keyfile.SetDisabled(t.Context(), path, disabled, ask)) }
		}
		return roottest.Subject{
			Key:    reopen(t),
			Reopen: reopen,
			Rotate: func(t *testing.T) {
				_, err := keyfile.Rotate(t.Context(), path, ask)
				must(t, err)
			},
			Disable: setDisabled(true),
			Enable:  setDisabled(false),
			Break:   func(t *testing.T) { must(t, os.Rename(path, path+".away")) },
			Heal:    func(t *testing.T) { must(t, os.Rename(path+".away", path)) },
		}
	}
}

func TestURI(t *testing.T) {
	working, err := os.Getwd()
	must(t, err)
	for path, want := range map[string]string{
		"/etc/sealkv/platform.key":  "file:///etc/sealkv/platform.key",
		"/etc/../srv//platform.key": "file:///srv/platform.key",
		"/srv/with space/a?b#c%d":   "file:///srv/with%20space/a%3Fb%23c%25d",
		"platform.key":              "file://" + working + "/platform.key",
	} {
		if got, err := keyfile.URI(path); err != nil || got != want {
			t.Errorf("URI(%q) = %q, %v, want %q", path, got, err, want)
		}
	}
	for _, path := range []string{"", "/srv/a\x00b"} {
		if got, err := keyfile.URI(path); got != "" || !errors.Is(err, root.ErrInvalid) {
			t.Errorf("URI(%q) = %q, %v, want invalid", path, got, err)
		}
	}
}

// TestOpenRootURI uses a file whose name needs escapes, and every other way to spell its URI.
func TestOpenRootURI(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a key?")
	must(t, keyfile.Create(path, nil))
	openKey(t, &keyfile.Opener{}, path)

	dir := filepath.Dir(path)
	for _, uri := range []string{
		"",
		"file:",
		"file://",
		path,
		"file:" + dir + "/a%20key%3F",
		"file://localhost" + dir + "/a%20key%3F",
		"file://user:password@" + dir + "/a%20key%3F",
		"FILE://" + dir + "/a%20key%3F",
		"file://" + dir + "/a key%3F",
		"file://" + dir + "/a%20key%3f",
		"file://" + dir + "/%61%20key%3F",
		"file://" + dir + "/a%20key%3F/",
		"file://" + dir + "//a%20key%3F",
		"file://" + dir + "/./a%20key%3F",
		"file://" + dir + "/x/../a%20key%3F",
		"file://" + dir + "/a%20key%3F?x",
		"file://" + dir + "/a%20key%3F#x",
		"file://" + dir + "/a%20key%3F#",
		"file://" + dir + "/a%20key%3F%00",
		"file://platform.key",
		"file:platform.key",
		"file:///%zz",
		"awskms:///alias/acme",
	} {
		k, err := new(keyfile.Opener).OpenRoot(t.Context(), uri)
		if k != nil || !errors.Is(err, root.ErrInvalid) {
			t.Errorf("OpenRoot(%q) = %v, want invalid", uri, err)
		}
	}
}

// TestOpenRootOnce tests that a protected file shared by many tenants costs one scrypt.
func TestOpenRootOnce(t *testing.T) {
	asked := 0
	opener := &keyfile.Opener{Passphrase: func(context.Context, string) (string, error) {
		asked++
		return "open sesame", nil
	}}
	path := create(t, "open sesame")
	for range 3 {
		k := openKey(t, opener, path)
		unwrap(t, k, wrap(t, k))
	}
	if asked != 1 {
		t.Errorf("asked for the passphrase %d times, want once", asked)
	}
	_, err := keyfile.Rotate(t.Context(), path, answer("open sesame"))
	must(t, err)
	k := openKey(t, opener, path)
	unwrap(t, k, wrap(t, k))
	if asked != 2 {
		t.Errorf("asked for the passphrase %d times, want once more for the changed file", asked)
	}
}

// create makes a key file in a folder of its own.
func create(t *testing.T, passphrase string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "platform.key")
	must(t, keyfile.Create(path, &keyfile.CreateOptions{Passphrase: passphrase}))
	return path
}

func openKey(t *testing.T, opener *keyfile.Opener, path string) root.Key {
	t.Helper()
	uri, err := keyfile.URI(path)
	must(t, err)
	k, err := opener.OpenRoot(t.Context(), uri)
	must(t, err)
	return k
}

func answer(passphrase string) keyfile.PassphraseFunc {
	return func(context.Context, string) (string, error) { return passphrase, nil }
}

func wrap(t *testing.T, k root.Key) root.Wrapped {
	t.Helper()
	w, err := k.Wrap(t.Context(), []byte("secret"), root.Context{Tenant: "acme"})
	must(t, err)
	return w
}

func unwrap(t *testing.T, k root.Key, w root.Wrapped) {
	t.Helper()
	got, err := k.Unwrap(t.Context(), w, root.Context{Tenant: "acme"})
	if err != nil || string(got) != "secret" {
		t.Errorf("Unwrap = %q, %v", got, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError checks that err is want and none of the others that decide about open keys.
func wantError(t *testing.T, err, want error) {
	t.Helper()
	for _, class := range []error{root.ErrRevoked, root.ErrUnavailable, root.ErrInvalid} {
		if errors.Is(err, class) != (class == want) {
			t.Errorf("error %v, want %v only", err, want)
			return
		}
	}
}
