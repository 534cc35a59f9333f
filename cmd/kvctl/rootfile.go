package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/keyfile"
)

// A rootFlags is how init and tenant add name a root key.
type rootFlags struct {
	name    string // a path or a URI
	protect bool
}

// A rootFile is a root key in a file.
type rootFile struct {
	path, uri string
	created   bool
}

// find turns what --root was given into a key file, which must lie outside of the store.
func (r *rootFlags) find(storeDir string) (rootFile, error) {
	path, err := keyPath(r.name)
	if err != nil {
		return rootFile{}, err
	}
	inside, err := isInside(storeDir, path)
	if err != nil {
		return rootFile{}, err
	}
	if inside {
		return rootFile{}, withHint(usagef("--root: the key file would lie inside the store, and a key beside its data protects nothing"),
			"name a file elsewhere, better still on another disk that only this user can read")
	}
	uri, err := keyfile.URI(path)
	return rootFile{path: path, uri: uri}, err
}

// keyPath is the absolute path of the key file that a path or a file:// URI names.
func keyPath(name string) (string, error) {
	scheme, _, isURI := strings.Cut(name, "://")
	switch {
	case name == "":
		return "", usagef("--root: the name of a key file is empty")
	case !isURI:
		return filepath.Abs(name)
	case scheme != "file":
		return "", withHint(usagef("--root: there is no root key provider for %s:// in this kvctl", scheme), "name a key file: a path, or file:///absolute/path")
	}
	u, err := url.Parse(name)
	if err != nil || u.Host != "" || !filepath.IsAbs(u.Path) {
		return "", usagef("--root: not a URI of the form file:///absolute/path")
	}
	return filepath.Clean(u.Path), nil
}

// create makes the key file if it does not exist.
func (c *cli) create(ctx context.Context, f *rootFile, protect bool) error {
	_, err := os.Lstat(f.path)
	switch {
	case err == nil && protect:
		return withHint(usagef("--protect is for a key file that is made, and %s exists", f.path), "leave --protect out, or name a new file")
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := c.newKeyFile(ctx, f.path, protect); err != nil {
		return err
	}
	f.created = true
	return nil
}

func (c *cli) newKeyFile(ctx context.Context, path string, protect bool) error {
	if _, err := os.Lstat(path); err == nil { // before a passphrase is asked for
		return withHint(fmt.Errorf("%s: %w", path, fs.ErrExist), "a key file is never overwritten: name another, or see kvctl root rotate")
	}
	var opts keyfile.CreateOptions
	if protect {
		var err error
		if opts.Passphrase, err = c.passphrases.choose(ctx, path); err != nil {
			return err
		}
	}
	err := keyfile.Create(path, &opts)
	if errors.Is(err, fs.ErrNotExist) {
		return withHint(err, "make its directory first: mkdir -p -m 700 %s", filepath.Dir(path))
	}
	return err
}

// describe says where a root key is and whether this command made it.
func (f rootFile) describe() string {
	if !f.created {
		return f.uri
	}
	return f.uri + " (new)"
}

// warnNewRoot is said last, of a key file that was made for an act that ended with err.
func (c *cli) warnNewRoot(f *rootFile, err error) {
	switch {
	case !f.created:
	case err != nil:
		c.note("The key file %s was made and stays: try again with it as it is, without --protect.", f.path)
	default:
		c.note("Keep a copy of %s elsewhere: without it nothing that it protects opens again.", f.path)
	}
}

// isInside reports whether path lies in dir, by whatever links.
func isInside(dir, path string) (bool, error) {
	dir, err := resolve(dir)
	if err != nil {
		return false, err
	}
	if path, err = resolve(path); err != nil {
		return false, err
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)), nil
}

// resolve follows the links of the part of path that exists.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	var rest []string
	for at := path; ; at = filepath.Dir(at) {
		found, err := filepath.EvalSymlinks(at)
		if err == nil {
			return filepath.Join(append([]string{found}, rest...)...), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return "", fmt.Errorf("%w: %w", root.ErrInvalid, err)
		}
		rest = append([]string{filepath.Base(at)}, rest...)
	}
}
