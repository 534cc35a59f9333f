package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/store"
)

func (c *cli) putCommand() *cobra.Command {
	var (
		key      keyFlag
		ifAbsent bool
	)
	cmd := &cobra.Command{
		Use:   "put TENANT NAMESPACE KEY [FILE]",
		Short: "Store a value",
		Long: `Store a value under KEY, replacing any earlier one. The value is what FILE holds,
or standard input: every byte of it, a newline at the end too. It is never an
argument, which other users of the machine can read. At most 64 MiB; kvctl attach put
takes any length.`,
		Example: `  printf hello | kvctl put acme jira/comments c1
  kvctl put acme jira/attachments a7/photo.jpg photo.jpg`,
		Args:              positional,
		ValidArgsFunction: c.completePut,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := key.key(args[2])
			if err != nil {
				return err
			}
			return c.put(cmd.Context(), args[0], args[1], k, args[3:], ifAbsent)
		},
	}
	key.register(cmd)
	cmd.Flags().BoolVar(&ifAbsent, "if-absent", false, "fail with exit code 9 where there is a value")
	return cmd
}

func (c *cli) put(ctx context.Context, tenant, namespace string, key []byte, file []string, ifAbsent bool) error {
	value, err := c.readValue(ctx, file)
	if err != nil {
		return err
	}
	defer clear(value)
	return c.withNamespace(ctx, writing, tenant, namespace, func(n *store.Namespace) error {
		put := n.Put
		if ifAbsent {
			put = n.PutIfAbsent
		}
		if err := put(ctx, key, value); err != nil {
			return existsIn(tenant, namespace, err)
		}
		if !c.json {
			return nil // as cp does
		}
		row, length := newRecordRow(tenant, namespace, key), len(value)
		row.Bytes = &length
		return c.show("sealkv/put/1", row)
	})
}

func (c *cli) readValue(ctx context.Context, file []string) ([]byte, error) {
	from := c.stdin(ctx)
	switch {
	case len(file) == 1 && file[0] != "-":
		f, err := os.Open(file[0])
		if errors.Is(err, fs.ErrNotExist) {
			return nil, withHint(fmt.Errorf("the value's file: %w", fs.ErrNotExist), "a value comes from a file or from standard input: printf TEXT | kvctl put TENANT NAMESPACE KEY")
		} else if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	case isTerminal(c.in):
		c.note("Reading the value from the terminal; end it with Ctrl-D on a line of its own.")
	}
	var value bytes.Buffer
	if _, err := value.ReadFrom(io.LimitReader(from, store.MaxValueLen+1)); err != nil {
		return nil, fmt.Errorf("reading the value: %w", err)
	}
	if value.Len() > store.MaxValueLen {
		return nil, fmt.Errorf("%w: a value has at most 64 MiB", store.ErrTooLarge)
	}
	return value.Bytes(), nil
}
