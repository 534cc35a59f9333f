package keyfile_test

import (
	"crypto/fips140"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/keyfile"
	"github.com/sealkv/sealkv/keys/root/roottest"
)

// enforced is an environment variable with a directory, for a test process with GODEBUG=fips140=only.
const enforced = "SEALKV_TEST_FIPS"

// What a key file wraps with GODEBUG=fips140=only unwraps without it too, but not the other way round;
// with fips140=on it does, and is then wrapped for both.
func TestFIPS(t *testing.T) {
	dir := t.TempDir()
	plain, protected := filepath.Join(dir, "plain.key"), filepath.Join(dir, "protected.key")
	must(t, keyfile.Create(plain, nil))
	must(t, keyfile.Create(protected, &keyfile.CreateOptions{Passphrase: "open sesame"}))
	k := openKey(t, &keyfile.Opener{}, plain)
	w := wrap(t, k)
	if w.Ciphertext[0] != 1 {
		t.Errorf("a wrap of format %d", w.Ciphertext[0])
	}
	for _, mode := range []string{"only", "on"} {
		writeWrap(t, dir, w)
		child := exec.Command(os.Args[0], "-test.run=^TestFIPSProcess$", "-test.v", "-test.timeout=60s")
		child.Env = append(os.Environ(), enforced+"="+dir, "GODEBUG=fips140="+mode)
		out, err := child.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestFIPSProcess") {
			t.Fatalf("%v\n%s", err, out)
		}
		made := readWrap(t, dir)
		if made.Ciphertext[0] != 2 {
			t.Errorf("%s: a wrap of format %d", mode, made.Ciphertext[0])
		}
		unwrap(t, k, made)
	}
}

func TestFIPSProcess(t *testing.T) {
	dir := os.Getenv(enforced)
	if dir == "" {
		t.Skip("runs in a process of its own, of TestFIPS")
	}
	if !fips140.Enabled() {
		t.Fatal("no FIPS 140 here")
	}
	t.Run("Provider", func(t *testing.T) { roottest.Run(t, provider("")) })
	k, was := openKey(t, &keyfile.Opener{}, filepath.Join(dir, "plain.key")), readWrap(t, dir)
	w := wrap(t, k)
	unwrap(t, k, w)
	writeWrap(t, dir, w)
	if !fips140.Enforced() {
		unwrap(t, k, was)
		return
	}
	_, err := k.Unwrap(t.Context(), was, root.Context{Tenant: "acme"})
	wantError(t, err, root.ErrInvalid)

	uri, err := keyfile.URI(filepath.Join(dir, "protected.key"))
	must(t, err)
	_, err = (&keyfile.Opener{Passphrase: answer("open sesame")}).OpenRoot(t.Context(), uri)
	wantError(t, err, root.ErrInvalid)
	if err := keyfile.Create(filepath.Join(dir, "new.key"), &keyfile.CreateOptions{Passphrase: "open sesame"}); err == nil {
		t.Error("a file with a passphrase was created")
	}
}

func writeWrap(t *testing.T, dir string, w root.Wrapped) {
	must(t, os.WriteFile(filepath.Join(dir, "wrap"), []byte(w.KeyVersion+" "+hex.EncodeToString(w.Ciphertext)), 0o600))
}

func readWrap(t *testing.T, dir string) root.Wrapped {
	raw, err := os.ReadFile(filepath.Join(dir, "wrap"))
	must(t, err)
	version, text, _ := strings.Cut(string(raw), " ")
	ciphertext, err := hex.DecodeString(text)
	must(t, err)
	return root.Wrapped{Ciphertext: ciphertext, KeyVersion: version}
}
