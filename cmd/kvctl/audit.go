package main

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store"
)

func (c *cli) auditCommand() *cobra.Command {
	return family("audit", "List and verify the audit log",
		`The audit log has an entry for each key that was made, rotated or revoked, and for
each tenant. Each entry has a MAC over the one before it, so that none can be
changed, removed or put in between.`,
		c.auditLsCommand(), c.auditVerifyCommand())
}

func (c *cli) auditLsCommand() *cobra.Command {
	var (
		tenant string
		after  uint64
	)
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the entries of the audit log",
		Long:  "List the entries of the audit log, oldest first. It needs no root key and\nverifies nothing.",
		Example: `  kvctl audit ls --tenant acme
  kvctl audit ls --after 120 --json`,
		Args: positional,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.auditLs(cmd.Context(), tenant, after) },
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only entries of `TENANT`")
	cmd.Flags().Uint64Var(&after, "after", 0, "only entries after number `SEQ`")
	cmd.RegisterFlagCompletionFunc("tenant", c.completeTenantFlag)
	return cmd
}

func (c *cli) auditLs(ctx context.Context, tenant string, after uint64) error {
	return c.with(ctx, looking, func(s *store.Store) error {
		l := c.list("sealkv/audit/1", []string{">seq", "time", "act", "tenant", "namespace", "domain", ">key", "detail"})
		for e, err := range s.Audit(after) {
			if err != nil {
				return l.fail(err)
			}
			if tenant != "" && e.Tenant != tenant {
				continue
			}
			key := ""
			if e.Number != 0 {
				key = number(e.Number)
			}
			l.row(e, human.Count(e.Seq), moment(e.Time), e.Act, e.Tenant, e.Namespace, e.Domain, key, printable([]byte(e.Detail)))
		}
		return l.end("No entries.")
	})
}

func (c *cli) auditVerifyCommand() *cobra.Command {
	var kept string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify the audit log",
		Long: `Verify the MAC of every entry, and print the head: the last number and its MAC.
Keep it elsewhere. Given to a later run with --head it proves that the log was
not rewritten up to there, as those who hold the platform's root otherwise could.`,
		Example: `  kvctl audit verify
  kvctl audit verify --head 120:5f0c…e1`,
		Args: positional,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.auditVerify(cmd.Context(), kept) },
	}
	cmd.Flags().StringVar(&kept, "head", "", "`SEQ:MAC` that an earlier run printed")
	return cmd
}

// An auditHeadRow is the JSON of the log's end.
type auditHeadRow struct {
	Entries uint64         `json:"entries"`
	Head    keys.AuditHead `json:"head"`
}

func (c *cli) auditVerify(ctx context.Context, kept string) error {
	want, err := parseHead(kept)
	if err != nil {
		return err
	}
	return c.with(ctx, reading, func(s *store.Store) error {
		head, err := s.VerifyAudit(ctx, want)
		if err != nil {
			return withHint(err, "the log was changed, or is not the one that the head was kept of: compare it with a backup")
		}
		return c.report("sealkv/audit-verify/1", auditHeadRow{head.Seq, head}, "The audit log is whole: %s.\nhead  %s\nKeep the head elsewhere, for kvctl audit verify --head.",
			entries(head.Seq), head)
	})
}

func entries(n uint64) string {
	if n == 1 {
		return "1 entry"
	}
	return human.Count(n) + " entries"
}

func parseHead(text string) (*keys.AuditHead, error) {
	if text == "" {
		return nil, nil
	}
	number, digits, _ := strings.Cut(text, ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	mac, hexErr := hex.DecodeString(digits)
	if err != nil || hexErr != nil || len(mac) == 0 {
		return nil, usagef("--head: not the SEQ:MAC that kvctl audit verify prints")
	}
	return &keys.AuditHead{Seq: seq, MAC: mac}, nil
}
