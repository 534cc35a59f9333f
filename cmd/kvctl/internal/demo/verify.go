package demo

import (
	"context"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
)

func (d *demo) verify(ctx context.Context) error {
	d.step("Verify")
	d.command("import %s --verify", quote(d.Data))
	r, err := transfer.Verify(ctx, d.st, []string{d.Data}, nil)
	if err != nil {
		return err
	}
	rows, err := d.st.Usage(ctx, "")
	if err != nil {
		return err
	}
	var stored uint64
	for _, row := range rows {
		stored += row.Records
	}
	d.line("%s of %s values read back identical, byte for byte.", human.Count(r.Total().Unchanged), human.Count(stored))
	d.command("audit verify")
	head, err := d.st.VerifyAudit(ctx, nil)
	if err != nil {
		return err
	}
	d.line("The audit log is whole: %s entries.", human.Count(head.Seq))
	return nil
}
