package main

import (
	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/store"
)

func (c *cli) collectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "collect",
		Short: "Delete what has expired and what is left over",
		Long: `Delete records that have reached their max-age, and chunks that no value needs: of
values that were replaced or deleted, and of writers that never finished. Nothing
that can be read goes: records that have expired read as not there.

A service that has the store open does this by itself, every hour unless it says
otherwise. It is for stores that only kvctl writes. It needs no tenant's root key.`,
		Example: "  kvctl collect",
		Args:    positional,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), writing, func(s *store.Store) error {
				if err := s.Collect(cmd.Context()); err != nil {
					return err
				}
				row := collectedRow{s.Stats().Expired, s.Stats().Chunks}
				return c.report("sealkv/collect/1", row, "Collected %s that had expired, and %s that nothing needed.",
					human.Counted(int(row.Expired), "record"), human.Counted(int(row.Chunks), "chunk"))
			})
		},
	}
}

// A collectedRow is the JSON of a collection.
type collectedRow struct {
	Expired uint64 `json:"expired"` // records
	Chunks  uint64 `json:"chunks"`
}
