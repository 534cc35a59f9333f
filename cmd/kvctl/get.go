package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/store"
)

func (c *cli) getCommand() *cobra.Command {
	var (
		key keyFlag
		raw bool
	)
	cmd := &cobra.Command{
		Use:   "get TENANT NAMESPACE KEY",
		Short: "Print a value",
		Long: `Print the value under KEY, every byte as it was put and nothing else. On a
terminal a line ends after it, and what is not text is refused: it could do
things to the terminal.

The store is opened for reading only, so a value under an older key stays under
it; a service that reads it brings it under the newest one. For the same reason the
values of a revoked tenant stay dark here also during a transition (domain both),
when a service still opens them under the platform's key, and audits that.`,
		Example: `  kvctl get acme jira/comments c1
  kvctl get acme jira/attachments a7/photo.jpg > photo.jpg`,
		Args:              positional,
		ValidArgsFunction: c.completeNamespace,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := key.key(args[2])
			if err != nil {
				return err
			}
			return c.get(cmd.Context(), args[0], args[1], k, raw)
		},
	}
	key.register(cmd)
	cmd.Flags().BoolVar(&raw, "raw", false, "print to a terminal whatever the value is")
	return cmd
}

func (c *cli) get(ctx context.Context, tenant, namespace string, key []byte, raw bool) error {
	return c.withNamespace(ctx, reading, tenant, namespace, func(n *store.Namespace) error {
		value, err := n.Get(ctx, key)
		if errors.Is(err, store.ErrTooLarge) {
			return withHint(err, "kvctl attach get TENANT NAMESPACE KEY [FILE] reads values of any length")
		}
		if err != nil {
			return notFoundIn(tenant, namespace, err)
		}
		if c.json {
			row := newRecordRow(tenant, namespace, key)
			row.setValue(value)
			return c.show("sealkv/get/1", row)
		}
		return c.printValue(value, raw)
	})
}

func (c *cli) printValue(value []byte, raw bool) error {
	if isTerminal(c.out) && !raw {
		if !isText(value) {
			return withHint(fmt.Errorf("the value is not text (%s)", human.Size(uint64(len(value)))), "redirect it: kvctl get … > FILE; or print it all the same with --raw")
		}
		if !bytes.HasSuffix(value, []byte("\n")) {
			value = append(value, '\n')
		}
	}
	_, err := c.out.Write(value)
	return err
}

// notFoundIn says where a record is missing. It does not repeat the key, which is data.
func notFoundIn(tenant, namespace string, err error) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return missing{tenant, namespace}
}

// existsIn says where a record is already, like notFoundIn.
func existsIn(tenant, namespace string, err error) error {
	if !errors.Is(err, store.ErrExists) {
		return err
	}
	return withHint(fmt.Errorf("%s has a record of that key in %s: %w", tenant, namespace, err), "without --if-absent it is replaced")
}

// missing is an ErrNotFound.
type missing struct{ tenant, namespace string }

func (m missing) Error() string {
	return fmt.Sprintf("%s has no record of that key in %s", m.tenant, m.namespace)
}

func (m missing) Is(target error) bool { return target == store.ErrNotFound }
