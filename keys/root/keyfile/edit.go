package keyfile

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// CreateOptions are what a new key file may have besides a key.
type CreateOptions struct {
	// Passphrase protects the file. Empty leaves it to its permissions.
	Passphrase string
}

// notes is what a new key file says of itself.
var notes = []string{
	"# sealkv root key. Who reads this file can open every key that it wraps. Without it they are",
	"# lost, and the data with them: keep a copy apart from the store and from its backups.",
	"# To revoke the key, reversibly, add a line with the one word: disabled",
}

// Create writes a new key file with one random key, mode 0600, durable on return. opts may be
// nil. It never overwrites: if path exists, its error is fs.ErrExist. Its other errors are the
// file system's too.
func Create(path string, opts *CreateOptions) error {
	if opts == nil {
		opts = &CreateOptions{}
	}
	if err := create(path, opts); err != nil {
		return fmt.Errorf("keyfile: creating: %w", err)
	}
	return nil
}

func create(path string, opts *CreateOptions) error {
	f := &file{passphrase: opts.Passphrase}
	defer f.wipe()
	for _, note := range notes {
		f.lines = append(f.lines, line{text: note})
	}
	f.add(newKeyLine(time.Now()))
	raw, err := f.encode()
	if err != nil {
		return err
	}
	defer clear(raw)
	return createFile(path, raw)
}

// Rotate adds a version to the key file at path and returns it. Earlier versions stay, and what
// they wrapped unwraps. The change is atomic, and durable on return; a running service wraps
// under the new version from its next Wrap on.
//
// ask is called if the file is protected, and the file stays so; nil will do for one that is
// not. Errors are those of Opener.OpenRoot, root.ErrUnavailable also if another Rotate or
// SetDisabled is under way, and the file system's.
func Rotate(ctx context.Context, path string, ask PassphraseFunc) (Version, error) {
	k := newKeyLine(time.Now())
	defer clear(k.secret[:])
	err := edit(ctx, path, ask, func(f *file) (changed bool) {
		f.add(k)
		return true
	})
	if err != nil {
		return Version{}, fmt.Errorf("keyfile: %s: %w", path, err)
	}
	return k.Version, nil
}

// SetDisabled revokes the key in the file at path, with all its versions, or makes it usable
// again. A version that is disabled on its own line stays so. Setting what is set already does
// nothing. For the rest it is like Rotate.
func SetDisabled(ctx context.Context, path string, disabled bool, ask PassphraseFunc) error {
	err := edit(ctx, path, ask, func(f *file) (changed bool) { return f.setDisabled(disabled) })
	if err != nil {
		return fmt.Errorf("keyfile: %s: %w", path, err)
	}
	return nil
}

// edit rewrites the key file at path as change leaves it.
func edit(ctx context.Context, path string, ask PassphraseFunc, change func(*file) (changed bool)) error {
	path, err := filepath.EvalSymlinks(path) // replace the file, not a link to it
	if err != nil {
		return translateRead(err)
	}
	r, err := beginRewrite(path)
	if err != nil {
		return err
	}
	defer r.end()
	f, err := read(ctx, path, ask)
	if err != nil {
		return err
	}
	defer f.wipe()
	if !change(f) {
		return nil
	}
	raw, err := f.encode()
	if err != nil {
		return err
	}
	defer clear(raw)
	return r.commit(raw)
}

// Info is what may be shown of a key file.
type Info struct {
	Protected bool      // by a passphrase
	Disabled  bool      // as a whole
	Versions  []Version // the newest last, at least one
}

// Inspect tells what the key file at path holds, without its keys. ask and the errors are as
// for Rotate.
func Inspect(ctx context.Context, path string, ask PassphraseFunc) (Info, error) {
	f, err := read(ctx, path, ask)
	if err != nil {
		return Info{}, fmt.Errorf("keyfile: %s: %w", path, err)
	}
	defer f.wipe()
	info := Info{Protected: f.passphrase != "", Disabled: f.disabled()}
	for _, k := range f.keys() {
		info.Versions = append(info.Versions, k.Version)
	}
	return info, nil
}

func read(ctx context.Context, path string, ask PassphraseFunc) (*file, error) {
	if err := ctx.Err(); err != nil {
		return nil, translateContext(err)
	}
	raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	return decode(ctx, path, raw, ask)
}
