package keyfile_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/keyfile"
)

func ExampleCreate() {
	path, remove := temporary()
	defer remove()

	if err := keyfile.Create(path, nil); err != nil {
		log.Fatal(err)
	}
	info, err := keyfile.Inspect(context.Background(), path, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("versions:", len(info.Versions), "protected:", info.Protected, "disabled:", info.Disabled)

	err = keyfile.Create(path, nil)
	fmt.Println("created over it:", err == nil)
	// Output:
	// versions: 1 protected: false disabled: false
	// created over it: false
}

func ExampleOpener() {
	path, remove := temporary()
	defer remove()
	if err := keyfile.Create(path, &keyfile.CreateOptions{Passphrase: "correct horse"}); err != nil {
		log.Fatal(err)
	}

	opener := &keyfile.Opener{
		Passphrase: func(ctx context.Context, path string) (string, error) {
			return "correct horse", nil // or ask a person, or read a systemd credential
		},
	}
	uri, err := keyfile.URI(path)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	key, err := opener.OpenRoot(ctx, uri)
	if err != nil {
		log.Fatal(err)
	}

	bound := root.Context{Tenant: "acme", Domain: "tenant", Version: 1}
	wrapped, err := key.Wrap(ctx, []byte("a tenant key"), bound)
	if err != nil {
		log.Fatal(err)
	}
	plaintext, err := key.Unwrap(ctx, wrapped, bound)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", plaintext)

	bound.Tenant = "initech"
	_, err = key.Unwrap(ctx, wrapped, bound)
	fmt.Println("for another tenant invalid:", errors.Is(err, root.ErrInvalid))
	fmt.Println("the key itself prints as:", key)
	// Output:
	// a tenant key
	// for another tenant invalid: true
	// the key itself prints as: REDACTED
}

func ExampleRotate() {
	path, remove := temporary()
	defer remove()
	if err := keyfile.Create(path, nil); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	added, err := keyfile.Rotate(ctx, path, nil)
	if err != nil {
		log.Fatal(err)
	}
	info, err := keyfile.Inspect(ctx, path, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("versions:", len(info.Versions))
	fmt.Println("the new one is last:", info.Versions[1] == added)
	// Output:
	// versions: 2
	// the new one is last: true
}

func ExampleSetDisabled() {
	path, remove := temporary()
	defer remove()
	if err := keyfile.Create(path, nil); err != nil {
		log.Fatal(err)
	}
	uri, err := keyfile.URI(path)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	key, err := new(keyfile.Opener).OpenRoot(ctx, uri)
	if err != nil {
		log.Fatal(err)
	}
	for _, disabled := range []bool{true, false} {
		if err := keyfile.SetDisabled(ctx, path, disabled, nil); err != nil {
			log.Fatal(err)
		}
		_, err := key.Wrap(ctx, []byte("a tenant key"), root.Context{})
		fmt.Println("disabled:", disabled, "revoked:", errors.Is(err, root.ErrRevoked))
	}
	// Output:
	// disabled: true revoked: true
	// disabled: false revoked: false
}

// temporary returns where an example may put a key file.
func temporary() (path string, remove func()) {
	dir, err := os.MkdirTemp("", "keyfile")
	if err != nil {
		log.Fatal(err)
	}
	return filepath.Join(dir, "platform.key"), func() { os.RemoveAll(dir) }
}
