package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/store"
)

func (c *cli) attachLsCommand() *cobra.Command {
	var (
		key    keyFlag
		prefix string
		limit  int
	)
	cmd := &cobra.Command{
		Use:   "ls TENANT NAMESPACE",
		Short: "List attachments with their lengths and times",
		Long: `List the attachments of a namespace in the order of their keys, with their
lengths, the number of their chunks, and when they were stored where that is
known. It needs no root key, so those of a revoked tenant are listed too; for
the same reason nothing of it is verified.`,
		Example: `  kvctl attach ls acme jira/attachments --prefix a7/
  kvctl attach ls acme jira/attachments --json | jq '[.rows[].length] | add'`,
		Args:              positional,
		ValidArgsFunction: c.completeNamespace,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usagef("--limit: %d is less than 0", limit)
			}
			k, err := key.key(prefix)
			if err != nil {
				return err
			}
			return c.attachLs(cmd.Context(), args[0], args[1], &store.ScanOptions{KeysOnly: true, Prefix: k, Limit: limit})
		},
	}
	key.register(cmd)
	cmd.Flags().StringVar(&prefix, "prefix", "", "only keys that begin with `KEY`")
	cmd.Flags().IntVar(&limit, "limit", 0, "at most `N` attachments; 0 for all")
	return cmd
}

func (c *cli) attachLs(ctx context.Context, tenant, namespace string, opts *store.ScanOptions) error {
	c.namespace = namespace
	return c.withTenant(ctx, looking, tenant, func(s *store.Store, t *store.Tenant) error {
		n, err := t.Namespace(namespace)
		if err != nil {
			return err
		}
		var unopened unopenedRecords
		l := c.list("sealkv/attach-ls/1", []string{"key", ">length", ">chunks", "stored"})
		for e, err := range n.Scan(ctx, opts) {
			if err != nil {
				return l.fail(err)
			}
			head, err := s.Head(ctx, tenant, namespace, e.Key)
			if errors.Is(err, store.ErrNotFound) {
				continue // deleted meanwhile
			}
			if unopened.add(err) {
				f := c.explain(nil, err)
				row := attachmentRow{recordRow: newRecordRow(tenant, namespace, e.Key)}
				row.Error = &f
				l.row(row, printable(e.Key), "-", "-", whyNot(err))
				continue
			}
			stored := head.Modified
			if stored.IsZero() {
				stored = head.Written
			}
			l.row(newAttachmentRow(e.Key, &head), printable(e.Key), human.Size(head.Bytes), human.Count(head.Chunks), moment(stored))
		}
		if err := l.end(fmt.Sprintf("%s has no attachments in %s.", tenant, namespace)); err != nil {
			return err
		}
		return unopened.err()
	})
}

func (c *cli) attachStatCommand() *cobra.Command {
	var key keyFlag
	cmd := &cobra.Command{
		Use:   "stat TENANT NAMESPACE KEY",
		Short: "Show the length and the times of an attachment",
		Long: `Show the length of an attachment, its chunks, and when it was stored where that is
known. It needs no root key, and nothing of it is verified; kvctl inspect shows its
keys.`,
		Example:           `  kvctl attach stat acme jira/attachments a7/film.mp4`,
		Args:              positional,
		ValidArgsFunction: c.completeNamespace,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := key.key(args[2])
			if err != nil {
				return err
			}
			return c.attachStat(cmd.Context(), args[0], args[1], k)
		},
	}
	key.register(cmd)
	return cmd
}

func (c *cli) attachStat(ctx context.Context, tenant, namespace string, key []byte) error {
	c.namespace = namespace
	return c.withTenant(ctx, looking, tenant, func(s *store.Store, t *store.Tenant) error {
		if _, err := t.Namespace(namespace); err != nil {
			return err
		}
		head, err := s.Head(ctx, tenant, namespace, key)
		if err != nil {
			return notFoundIn(tenant, namespace, err)
		}
		chunks := ""
		if head.Chunks > 0 {
			chunks = fmt.Sprintf("%s of %s", human.Count(head.Chunks), human.Size(uint64(head.ChunkSize)))
		}
		return c.show("sealkv/attach-stat/1", newAttachmentRow(key, &head),
			[2]string{"tenant", tenant},
			[2]string{"namespace", namespace},
			[2]string{"length", fmt.Sprintf("%s (%s)", human.Counted(int(head.Bytes), "byte"), human.Size(head.Bytes))},
			[2]string{"chunks", chunks},
			[2]string{"stored", moment(head.Modified)},
			[2]string{"first written", moment(head.Written)})
	})
}

func newAttachmentRow(key []byte, h *store.Head) attachmentRow {
	return attachmentRow{
		recordRow: newRecordRow(h.Tenant, h.Namespace, key), Length: int64(h.Bytes),
		Written: h.Written, Modified: h.Modified, Chunks: h.Chunks, ChunkSize: h.ChunkSize,
	}
}
