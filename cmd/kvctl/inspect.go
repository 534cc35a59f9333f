package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store"
)

func (c *cli) inspectCommand() *cobra.Command {
	var (
		key keyFlag
		dig bool
	)
	cmd := &cobra.Command{
		Use:   "inspect TENANT NAMESPACE KEY",
		Short: "Show the envelope of a record, without any key",
		Long: `Show what can be told of a record without any key: under which data keys it is
sealed, how, and how long it is. Nothing of it is verified.

The envelope is CBOR; --hex prints its bytes (see FORMAT.md).`,
		Example: `  kvctl inspect acme jira/comments c1
  kvctl inspect acme jira/comments c1 --hex`,
		Args:              positional,
		ValidArgsFunction: c.completeNamespace,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := key.key(args[2])
			if err != nil {
				return err
			}
			return c.inspect(cmd.Context(), args[0], args[1], k, dig)
		},
	}
	key.register(cmd)
	cmd.Flags().BoolVar(&dig, "hex", false, "print the bytes of the envelope")
	return cmd
}

// An inspectRow is the JSON of a record's head.
type inspectRow struct {
	keyName
	store.Head
	DataKeys []keys.KeyInfo `json:"data_keys"` // those of Keys that the keyring has for the namespace
	Envelope string         `json:"envelope,omitempty"`
}

func (c *cli) inspect(ctx context.Context, tenant, namespace string, key []byte, dig bool) error {
	c.tenant, c.namespace = tenant, namespace
	return c.with(ctx, looking, func(s *store.Store) error {
		head, err := s.Head(ctx, tenant, namespace, key)
		if errors.Is(err, store.ErrNotFound) {
			err = cmp.Or(checkRule(s, namespace), err)
		}
		if err != nil && len(head.Envelope) == 0 {
			return notFoundIn(tenant, namespace, err)
		}
		row := inspectRow{keyName: nameKey(key), Head: head, DataKeys: []keys.KeyInfo{}}
		if known, keyErr := dataKeysOf(s, head); keyErr != nil {
			return keyErr
		} else if known != nil {
			row.DataKeys = known
		}
		if dig {
			row.Envelope = hex.EncodeToString(head.Envelope)
		}
		if showErr := c.showHead(row, dig); showErr != nil {
			return showErr
		}
		return err // a head of a newer version, or none
	})
}

// checkRule refuses a namespace that the policy has no rule for. Records may lie in one all the
// same, where somebody else put them: commands that look at those ask this only if there are none.
func checkRule(s *store.Store, namespace string) error {
	_, err := s.Policy().Lookup(namespace)
	return err
}

// dataKeysOf returns what the keyring says of the keys that a head names.
func dataKeysOf(s *store.Store, h store.Head) (named []keys.KeyInfo, err error) {
	t, err := s.Tenant(h.Tenant)
	if err != nil {
		return nil, nil // a record without its tenant: the keyring has nothing to say
	}
	all, err := t.DataKeys()
	for _, number := range h.Keys {
		for _, k := range all {
			if k.Number == number && k.Namespace == h.Namespace {
				named = append(named, k)
			}
		}
	}
	return named, err
}

func (c *cli) showHead(row inspectRow, dig bool) error {
	h := row.Head
	err := c.show("sealkv/inspect/1", row,
		[2]string{"tenant", h.Tenant},
		[2]string{"namespace", h.Namespace},
		[2]string{"data keys", describeKeys(row)},
		[2]string{"suite", suiteName(h.Suite)},
		[2]string{"sealed", sealedHow(h)},
		[2]string{"compressed", compressedHow(h)},
		[2]string{"first written", moment(h.Written)},
		[2]string{"value", valueSize(h)},
		[2]string{"stored", storedHow(h)},
	)
	if err == nil && dig && !c.json {
		fmt.Fprintf(c.out, "\n%s", hex.Dump(h.Envelope))
	}
	return err
}

// describeKeys says of each recipient whose key it is and in what state.
func describeKeys(row inspectRow) string {
	var out []string
	for _, number := range row.Keys {
		text := fmt.Sprintf("%d (not a key of this tenant and namespace)", number)
		for _, k := range row.DataKeys {
			if k.Number == number {
				text = fmt.Sprintf("%d (%s, %s)", number, k.Domain, k.State)
			}
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func suiteName(suite uint8) string {
	switch suite {
	case 0:
		return ""
	case 1:
		return "1 (XChaCha20-Poly1305)"
	case 2:
		return "2 (XAES-256-GCM)"
	}
	return fmt.Sprintf("%d (unknown)", suite)
}

func sealedHow(h store.Head) string {
	switch {
	case h.Chunks > 0:
		return fmt.Sprintf("in %s of %s under a content key, blob %s", human.Counted(int(h.Chunks), "chunk"), human.Size(uint64(h.ChunkSize)), h.Blob)
	case h.Content:
		return "under a content key that each data key wraps"
	case len(h.Keys) == 0:
		return ""
	}
	return "directly under the data key"
}

func compressedHow(h store.Head) string {
	switch {
	case h.Dictionary != 0:
		return fmt.Sprintf("by zstd, with dictionary %d", h.Dictionary)
	case h.Flags&1 != 0:
		return "by zstd"
	}
	return ""
}

func storedHow(h store.Head) string {
	text := human.Size(h.Stored) + ", key included"
	if h.Chunks > 0 {
		text += ", chunks not"
	}
	return text
}

// valueSize is the length of a value; of one that is compressed nobody knows it without its key.
func valueSize(h store.Head) string {
	if compressedHow(h) != "" {
		return human.Size(h.Bytes) + " compressed"
	}
	return human.Size(h.Bytes)
}
