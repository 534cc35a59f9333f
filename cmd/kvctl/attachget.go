package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/store"
)

func (c *cli) attachGetCommand() *cobra.Command {
	var (
		key   keyFlag
		force bool
	)
	cmd := &cobra.Command{
		Use:   "get TENANT NAMESPACE KEY [FILE]",
		Short: "Write an attachment to a file",
		Long: `Write the value under KEY to FILE, or - for standard output. Without FILE it is a
file of the current folder, with the name that KEY has after its last slash. The
file is there only once all of it has opened; one that is there already stays, and
the exit code is 9, unless --force says to replace it.`,
		Example: `  kvctl attach get acme jira/attachments a7/film.mp4            # ./film.mp4
  kvctl attach get acme jira/attachments a7/film.mp4 /tmp/film`,
		Args:              positional,
		ValidArgsFunction: c.completePut,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := key.key(args[2])
			if err != nil {
				return err
			}
			return c.attachGet(cmd.Context(), args[0], args[1], k, args[3:], force)
		},
	}
	key.register(cmd)
	cmd.Flags().BoolVarP(&force, "force", "f", false, "replace FILE")
	return cmd
}

func (c *cli) attachGet(ctx context.Context, tenant, namespace string, key []byte, file []string, force bool) error {
	name, err := fileFor(key, file)
	if err != nil {
		return err
	}
	if name == "-" && c.json {
		return errCatJSON
	}
	if name == "-" {
		return c.attachCat(ctx, tenant, namespace, key, byteRange{length: -1})
	}
	switch info, err := os.Stat(name); {
	case err == nil && info.IsDir():
		return usagef("%s is a folder; name a file in it", name)
	case err == nil && !info.Mode().IsRegular(): // which a new file must not take the place of
		return usagef("%s is no file; for standard output it is -, and kvctl attach cat", name)
	}
	if _, err := os.Lstat(name); err == nil && !force {
		return withHint(fmt.Errorf("%s: %w", name, fs.ErrExist), "name another file, or replace it with --force")
	}
	var row attachmentRow
	err = c.withReader(ctx, tenant, namespace, key, func(r *store.Reader) error {
		row = attachmentRow{recordRow: newRecordRow(tenant, namespace, key), Length: r.Size(), Written: r.Written(), Modified: r.ModTime()}
		return c.writeFile(name, r)
	})
	if err != nil || !c.json {
		return err
	}
	return c.show("sealkv/attach-get/1", row)
}

// fileFor is the file that the arguments name, or the one that a key's last part does.
func fileFor(key []byte, file []string) (string, error) {
	if len(file) == 1 {
		return file[0], nil
	}
	name := path.Base(string(key))
	if !isText(key) || !filepath.IsLocal(name) || name == "." || filepath.Base(name) != name {
		return "", usagef("the key names no file; name FILE, or - for standard output")
	}
	return name, nil
}

// writeFile writes a value into a file that appears when it is whole. Only its owner can read it.
func (c *cli) writeFile(name string, r *store.Reader) (err error) {
	folder := filepath.Dir(name)
	out, err := os.CreateTemp(folder, ".kvctl-*")
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = fmt.Errorf("%s: %w", folder, path.Err)
		}
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(out.Name())
		}
	}()
	err = c.copyOut("writing", out, r, r.Size())
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), name)
}

// copyOut copies what in has, which is length bytes, and shows how far it is.
func (c *cli) copyOut(doing string, out io.Writer, in io.Reader, length int64) error {
	bar := &progress{}
	if !isTerminal(out) { // where the value and a bar would mix
		bar = c.progress(doing)
	}
	defer bar.end()
	_, err := io.Copy(&countingWriter{Writer: out, tell: func(done int64) { bar.bytes(done, length) }}, in)
	return err
}

// countingWriter tells how much was written.
type countingWriter struct {
	io.Writer
	done int64
	tell func(done int64)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.done += int64(n)
	w.tell(w.done)
	return n, err
}

// withReader opens the store and a value of it for fn.
func (c *cli) withReader(ctx context.Context, tenant, namespace string, key []byte, fn func(r *store.Reader) error) error {
	return c.withNamespace(ctx, reading, tenant, namespace, func(n *store.Namespace) error {
		r, err := n.Open(ctx, key)
		if err != nil {
			return notFoundIn(tenant, namespace, err)
		}
		defer r.Close()
		return fn(r)
	})
}

var errCatJSON = usagef("the value itself goes to standard output; there is no --json of it")

// A byteRange is a part of a value; length is below 0 for all of the rest.
type byteRange struct{ offset, length int64 }

func (c *cli) attachCatCommand() *cobra.Command {
	var (
		key  keyFlag
		part byteRange
	)
	cmd := &cobra.Command{
		Use:   "cat TENANT NAMESPACE KEY",
		Short: "Print an attachment, or a part of it",
		Long: `Print the value under KEY, or a part of it, to standard output. Of a value in
chunks only those that the part lies in are read. What was printed before an
error has opened and is right as far as it goes; the exit code says that it is
not all.`,
		Example: `  kvctl attach cat acme jira/attachments docs.tar | tar t
  kvctl attach cat acme jira/attachments a7/film.mp4 --offset 1000000 --length 4096 | xxd`,
		Args:              positional,
		ValidArgsFunction: c.completeNamespace,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := key.key(args[2])
			if err != nil {
				return err
			}
			if part.offset < 0 {
				return usagef("--offset: %d is less than 0", part.offset)
			}
			if c.json {
				return errCatJSON
			}
			return c.attachCat(cmd.Context(), args[0], args[1], k, part)
		},
	}
	key.register(cmd)
	cmd.Flags().Int64Var(&part.offset, "offset", 0, "begin at byte `N`")
	cmd.Flags().Int64Var(&part.length, "length", -1, "at most `N` bytes; below 0 for all of them")
	return cmd
}

func (c *cli) attachCat(ctx context.Context, tenant, namespace string, key []byte, part byteRange) error {
	return c.withReader(ctx, tenant, namespace, key, func(r *store.Reader) error {
		if _, err := r.Seek(part.offset, io.SeekStart); err != nil {
			return err
		}
		length := max(0, r.Size()-part.offset)
		if part.length < 0 || part.length >= length {
			return c.copyOut("reading", c.out, r, length)
		}
		return c.copyOut("reading", c.out, io.LimitReader(r, part.length), part.length)
	})
}
