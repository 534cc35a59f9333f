package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/store"
)

func (c *cli) attachCommand() *cobra.Command {
	return family("attach", "Work on attachments: values of any length", `Work on attachments: values of any length, which are read and written in a stream.
A value longer than 256 KiB is stored in chunks of 64 KiB, each sealed by itself, so
that a part of it can be read alone and no length needs more memory. Any value can
be read this way, and any namespace holds such values.`,
		c.attachPutCommand(), c.attachGetCommand(), c.attachCatCommand(), c.attachLsCommand(), c.attachStatCommand(), c.attachRmCommand())
}

func (c *cli) attachPutCommand() *cobra.Command {
	var (
		key  keyFlag
		opts store.CreateOptions
	)
	cmd := &cobra.Command{
		Use:   "put TENANT NAMESPACE KEY [FILE]",
		Short: "Store a file, or standard input, of any length",
		Long: `Store what FILE holds, or standard input, under KEY. What was there before stays
there, whole, until all of it is stored and durable; when the command is
interrupted nothing has changed.`,
		Example: `  kvctl attach put acme jira/attachments a7/film.mp4 film.mp4
  tar c docs | kvctl attach put acme jira/attachments docs.tar`,
		Args:              positional,
		ValidArgsFunction: c.completePut,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := key.key(args[2])
			if err != nil {
				return err
			}
			return c.attachPut(cmd.Context(), args[0], args[1], k, args[3:], &opts)
		},
	}
	key.register(cmd)
	cmd.Flags().BoolVar(&opts.IfAbsent, "if-absent", false, "fail with exit code 9 where there is a value")
	return cmd
}

// An attachmentRow is an attachment in JSON.
type attachmentRow struct {
	recordRow
	Length    int64     `json:"length"` // in bytes
	Written   time.Time `json:"written,omitzero"`
	Modified  time.Time `json:"modified,omitzero"`
	Chunks    uint64    `json:"chunks,omitempty"`
	ChunkSize uint32    `json:"chunk_size,omitempty"`
}

func (c *cli) attachPut(ctx context.Context, tenant, namespace string, key []byte, file []string, opts *store.CreateOptions) error {
	in, total, err := c.attachment(ctx, file)
	if err != nil {
		return err
	}
	defer in.Close()
	var length int64
	err = c.withNamespace(ctx, writing, tenant, namespace, func(n *store.Namespace) error {
		bar := c.progress("storing")
		defer bar.end()
		length, err = create(ctx, n, key, &counting{Reader: in, tell: func(done int64) { bar.bytes(done, total) }}, opts)
		return existsIn(tenant, namespace, err)
	})
	if err != nil || !c.json {
		return err // as cp does
	}
	return c.show("sealkv/attach-put/1", attachmentRow{recordRow: newRecordRow(tenant, namespace, key), Length: length})
}

// create stores all that in has.
func create(ctx context.Context, n *store.Namespace, key []byte, in io.Reader, opts *store.CreateOptions) (int64, error) {
	w, err := n.Create(ctx, key, opts)
	if err != nil {
		return 0, err
	}
	defer w.Abort()
	length, err := w.ReadFrom(in)
	if err != nil {
		return 0, err
	}
	return length, w.Close()
}

// attachment is the file that the arguments name, or standard input, and its length, 0 if that is
// not known.
func (c *cli) attachment(ctx context.Context, file []string) (in io.ReadCloser, length int64, err error) {
	if len(file) == 0 || file[0] == "-" {
		if isTerminal(c.in) {
			c.note("Reading the value from the terminal; end it with Ctrl-D on a line of its own.")
		}
		return io.NopCloser(c.stdin(ctx)), 0, nil
	}
	f, err := os.Open(file[0])
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, withHint(fmt.Errorf("the value's file: %w", fs.ErrNotExist), "a value comes from a file or from standard input: tar c FOLDER | kvctl attach put TENANT NAMESPACE KEY")
	} else if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = usagef("%s is a folder; pack it: tar c FOLDER | kvctl attach put TENANT NAMESPACE KEY", file[0])
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// counting tells how much was read.
type counting struct {
	io.Reader
	done int64
	tell func(done int64)
}

func (r *counting) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.done += int64(n)
	r.tell(r.done)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("reading the value: %w", err)
	}
	return n, err
}

func (c *cli) attachRmCommand() *cobra.Command {
	cmd := c.rmCommand()
	cmd.Short = "Delete attachments"
	cmd.Example = `  kvctl attach rm acme jira/attachments a7/film.mp4`
	return cmd
}
