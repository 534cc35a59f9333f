package transfer_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
	"github.com/sealkv/sealkv/store"
)

// Long attachments, also such as no line and no Get takes, go in and out in a stream, with their
// metadata; what the store has already is not written again.
func TestLongAttachments(t *testing.T) {
	sizes := []int{store.DefaultInline, store.DefaultInline + 1, 3 << 20, store.MaxValueLen + 1}
	if testing.Short() {
		sizes = sizes[:3]
	}
	dir := folder(t, map[string]string{"attachments/acme/none": ""})
	random := rand.NewChaCha8([32]byte{1})
	var rows strings.Builder
	files := map[string][]byte{}
	for i, size := range sizes {
		value := make([]byte, size)
		random.Read(value)
		name := fmt.Sprintf("attachments/acme/f%d", i)
		files[name] = value
		if err := os.WriteFile(filepath.Join(dir, name), value, 0o600); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(value)
		rows.WriteString(record("acme", "jira/attachment-metadata", fmt.Sprint("a", i),
			fmt.Sprintf(`{"contentFile":%q,"size":%d,"sha256":%q}`, name, size, hex.EncodeToString(sum[:]))))
	}
	lines := filepath.Join(dir, "jira/attachment-metadata.jsonl")
	if err := errors.Join(os.MkdirAll(filepath.Dir(lines), 0o700), os.WriteFile(lines, []byte(rows.String()), 0o600)); err != nil {
		t.Fatal(err)
	}
	st := newStore(t)
	again := func(from string, want transfer.Count) {
		t.Helper()
		r, err := transfer.Import(t.Context(), st, []string{from}, nil)
		if got := r.Total(); err != nil || got.New != want.New || got.Replaced != want.Replaced || got.Unchanged != want.Unchanged {
			t.Fatalf("%+v, %v; want %+v", got, err, want)
		}
	}
	all := uint64(2*len(sizes) + 1)
	again(dir, transfer.Count{New: all})
	again(dir, transfer.Count{Unchanged: all})
	out := filepath.Join(t.TempDir(), "out")
	if _, err := transfer.ExportFolder(t.Context(), st, out, nil); err != nil {
		t.Fatal(err)
	}
	for name, value := range files {
		if got, err := os.ReadFile(filepath.Join(out, name)); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	again(out, transfer.Count{Unchanged: all})
	if r, err := transfer.Verify(t.Context(), st, []string{out}, nil); err != nil || r.Total().Unchanged != all {
		t.Fatalf("%+v, %v", r, err)
	}
	if r, err := transfer.Survey(t.Context(), []string{out}, nil); err != nil || r.Total().Records != all {
		t.Fatalf("%+v, %v", r, err)
	}

	// One byte of a long one changes: it is refused, as its metadata says another sum.
	files["attachments/acme/f2"][1<<20]++
	changed := filepath.Join(dir, "attachments/acme/f2")
	if err := os.WriteFile(changed, files["attachments/acme/f2"], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Verify(t.Context(), st, []string{dir}, nil); !errors.Is(err, transfer.ErrDiffers) {
		t.Fatal(err)
	}
	if r, err := transfer.Import(t.Context(), st, []string{dir}, nil); err == nil || !strings.Contains(err.Error(), "another sha256") {
		t.Fatalf("%+v, %v", r, err)
	}
	again(out, transfer.Count{Unchanged: all})
}
