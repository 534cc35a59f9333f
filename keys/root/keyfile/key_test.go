package keyfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/keyfile"
)

// TestModeRefused tests each bit that lets in another than the owner.
func TestModeRefused(t *testing.T) {
	path := create(t, "")
	k := openKey(t, &keyfile.Opener{}, path)
	w := wrap(t, k)
	for bit := os.FileMode(1); bit < 0o100; bit <<= 1 {
		must(t, os.Chmod(path, 0o600|bit))
		wantAllFail(t, path, k, w, root.ErrInvalid, fmt.Sprintf("(mode %04o); run chmod 600 %s", 0o600|bit, path))
	}
	for _, mode := range []os.FileMode{0o600, 0o400} {
		must(t, os.Chmod(path, mode))
		unwrap(t, k, w)
	}
}

// TestFileRefused tests what may stand in the place of a key file.
func TestFileRefused(t *testing.T) {
	for name, test := range map[string]struct {
		put  func(path string) error
		want error
		says string
	}{
		"Nothing":      {func(string) error { return nil }, root.ErrUnavailable, "is its disk mounted?"},
		"DanglingLink": {func(path string) error { return os.Symlink("nowhere", path) }, root.ErrUnavailable, "is its disk mounted?"},
		"Directory":    {func(path string) error { return os.Mkdir(path, 0o700) }, root.ErrInvalid, "not a regular file"},
		"Empty":        {content(""), root.ErrInvalid, "no line with a key"},
		"Typo":         {content("# one\ndisable\n"), root.ErrInvalid, "line 2: neither"},
		"TooLong":      {content(strings.Repeat("#\n", 32<<10) + "#"), root.ErrInvalid, "longer than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			path := create(t, "")
			k := openKey(t, &keyfile.Opener{}, path)
			w := wrap(t, k)
			must(t, os.Remove(path))
			must(t, test.put(path))
			wantAllFail(t, path, k, w, test.want, test.says)
		})
	}
}

func content(text string) func(path string) error {
	return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
}

// TestLink tests that a link to a key file is followed, and that what counts is its target.
func TestLink(t *testing.T) {
	path := create(t, "")
	link := filepath.Join(t.TempDir(), "link.key")
	must(t, os.Symlink(path, link))
	k := openKey(t, &keyfile.Opener{}, link)
	w := wrap(t, k)
	must(t, os.Chmod(path, 0o644))
	wantAllFail(t, link, k, w, root.ErrInvalid, "(mode 0644)")
}

// TestEditedByHand takes an open key through what an operator may do to its file.
func TestEditedByHand(t *testing.T) {
	path := create(t, "")
	k := openKey(t, &keyfile.Opener{}, path)
	old := wrap(t, k)
	_, err := keyfile.Rotate(t.Context(), path, nil)
	must(t, err)
	w := wrap(t, k)
	whole := readKey(t, path)
	edit := func(text string) { must(t, os.WriteFile(path, []byte(text), 0o600)) }

	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	first, last := lines[len(lines)-2], lines[len(lines)-1]
	edit(strings.Replace(whole, first, strings.TrimSuffix(first, "\n")+" disabled\n", 1))
	wantRevoked(t, k, old, "key "+old.KeyVersion+" is disabled")
	unwrap(t, k, w)
	unwrap(t, k, wrap(t, k))

	edit(strings.Replace(whole, last, last+" disabled", 1))
	wantRevoked(t, k, w, "key "+w.KeyVersion+" is disabled")
	unwrap(t, k, old)
	if _, err := k.Wrap(t.Context(), []byte("secret"), root.Context{}); !errors.Is(err, root.ErrRevoked) {
		t.Errorf("Wrap under a disabled newest version: %v, want revoked and no older one", err)
	}

	edit(strings.Replace(whole, first, "#"+first, 1))
	wantRevoked(t, k, old, "key "+old.KeyVersion+" is not, or no longer, in the file")
	unwrap(t, k, w)

	edit(whole + "disabled\n")
	wantAllRevoked(t, k, w, "disabled by a line of its own")

	edit(whole)
	unwrap(t, k, old)
	unwrap(t, k, w)
}

func wantRevoked(t *testing.T, k root.Key, w root.Wrapped, says string) {
	t.Helper()
	_, err := k.Unwrap(t.Context(), w, root.Context{Tenant: "acme"})
	wantError(t, err, root.ErrRevoked)
	if !strings.Contains(err.Error(), says) {
		t.Errorf("error %q does not say %q", err, says)
	}
}

func wantAllRevoked(t *testing.T, k root.Key, w root.Wrapped, says string) {
	t.Helper()
	wantRevoked(t, k, w, says)
	_, err := k.Wrap(t.Context(), []byte("secret"), root.Context{})
	wantError(t, err, root.ErrRevoked)
}

// wantAllFail checks that opening path and using k, which is open on it, give one error.
func wantAllFail(t *testing.T, path string, k root.Key, w root.Wrapped, want error, says string) {
	t.Helper()
	uri, err := keyfile.URI(path)
	must(t, err)
	_, openErr := new(keyfile.Opener).OpenRoot(t.Context(), uri)
	_, wrapErr := k.Wrap(t.Context(), []byte("secret"), root.Context{})
	_, unwrapErr := k.Unwrap(t.Context(), w, root.Context{Tenant: "acme"})
	for _, err := range []error{openErr, wrapErr, unwrapErr} {
		wantError(t, err, want)
		if err != nil && (!strings.HasPrefix(err.Error(), "keyfile: "+path+": ") || !strings.Contains(err.Error(), says)) {
			t.Errorf("error %q does not say %q of %s", err, says, path)
		}
	}
}
