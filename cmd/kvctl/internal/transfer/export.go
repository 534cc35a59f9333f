package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sealkv/sealkv/store"
)

// ExportOptions say what is exported. Nil means everything.
type ExportOptions struct {
	// Tenants and Namespaces are what is exported; empty means all of them.
	Tenants, Namespaces []string
	// Compress is how ExportFolder compresses: zst, gz or none. Empty means zst.
	Compress string
	// Progress is told, often, how many values and bytes of values are done.
	Progress func(records, bytes uint64)
}

// An ExportCount is what was exported of one namespace of one tenant.
type ExportCount struct {
	Tenant    string `json:"tenant"`
	Namespace string `json:"namespace"`
	Records   uint64 `json:"records"`
	Bytes     uint64 `json:"bytes"`   // of values
	Skipped   uint64 `json:"skipped"` // records that did not open, or are too long
	Reason    string `json:"reason,omitempty"`

	err error // of the first that was skipped
}

// Exported is what an export did.
type Exported struct {
	Rows    []ExportCount `json:"rows"`  // by tenant and namespace
	Files   int           `json:"files"` // written
	Elapsed time.Duration `json:"elapsed_ns"`
}

// Total is the sum of all rows.
func (e *Exported) Total() (total ExportCount) {
	for _, row := range e.Rows {
		total.Records += row.Records
		total.Bytes += row.Bytes
		total.Skipped += row.Skipped
	}
	return total
}

// err is the *SkippedError, or nil if everything opened.
func (e *Exported) err() error {
	var skipped []ExportCount
	for _, row := range e.Rows {
		if row.Skipped > 0 {
			skipped = append(skipped, row)
		}
	}
	if len(skipped) == 0 {
		return nil
	}
	return &SkippedError{Rows: skipped}
}

// A SkippedError says which records were left out, because they did not open or are too long. The
// others were exported.
type SkippedError struct{ Rows []ExportCount }

// Error has a line for each namespace.
func (e *SkippedError) Error() string {
	var b strings.Builder
	var total uint64
	for _, row := range e.Rows {
		fmt.Fprintf(&b, "\n  %s %s: %d: %s", row.Tenant, row.Namespace, row.Skipped, row.Reason)
		total += row.Skipped
	}
	noun := "records were"
	if total == 1 {
		noun = "record was"
	}
	return fmt.Sprintf("transfer: %d %s left out:%s", total, noun, b.String())
}

// Unwrap returns the first reason.
func (e *SkippedError) Unwrap() error { return e.Rows[0].err }

// ErrTooLong is why a value longer than store.MaxValueLen is left out of what is exported as lines.
var ErrTooLong = errors.New("longer than 64 MiB, which makes no line")

// Export writes values as JSON lines to w, by tenant, namespace and key, attachments among them.
// It exports one state of the store, whatever is written meanwhile. Records that do not open are
// left out; the error then is a *SkippedError.
func Export(ctx context.Context, st *store.Store, w io.Writer, opts *ExportOptions) (*Exported, error) {
	buffered := bufio.NewWriterSize(w, 256<<10)
	lines := &lineWriter{to: buffered}
	out, err := export(ctx, st, opts, func(e *exporter) error {
		slices.SortStableFunc(e.spaces, byTenant)
		for _, n := range e.spaces {
			if err := e.lines(ctx, n, lines); err != nil {
				return err
			}
		}
		return buffered.Flush()
	})
	return out, err
}

// ExportFile is Export to a new file, which is compressed if its name ends in .zst or .gz, and
// there only when it is whole. Only its owner can read it: it holds values in the clear.
func ExportFile(ctx context.Context, st *store.Store, name string, opts *ExportOptions) (out *Exported, err error) {
	if _, err := os.Lstat(name); err == nil {
		return &Exported{}, fmt.Errorf("%s: %w", name, os.ErrExist)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return &Exported{}, err
	}
	defer os.Remove(f.Name()) // in vain where it was renamed
	defer f.Close()
	w, err := compress(f, name)
	if err != nil {
		return &Exported{}, err
	}
	out, err = Export(ctx, st, w, opts)
	var skipped *SkippedError
	if err != nil && !errors.As(err, &skipped) {
		return out, err
	}
	if failed := errors.Join(w.Close(), f.Sync(), f.Close()); failed != nil {
		return out, failed
	}
	if failed := os.Rename(f.Name(), name); failed != nil {
		return out, failed
	}
	out.Files = 1
	return out, err
}
