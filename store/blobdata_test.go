package store_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/sealkv/sealkv/store"
)

const realData = "../../shared/data"

// realSums are the SHA-256 that the real metadata says of each attachment.
func realSums(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open(realData + "/jira/attachment-metadata.jsonl.zst")
	if err != nil {
		t.Skip("the real data is not beside this repository")
	}
	defer f.Close()
	lines, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	sums := map[string]string{}
	for in := json.NewDecoder(lines); ; {
		var row struct {
			Value struct{ ContentFile, SHA256 string }
		}
		if err := in.Decode(&row); err == io.EOF {
			return sums
		} else if err != nil {
			t.Fatal(err)
		}
		if row.Value.ContentFile != "" {
			sums[row.Value.ContentFile] = row.Value.SHA256
		}
	}
}

// Every real attachment goes in and out the same, by the sum that its metadata says: streamed in
// chunks and, the short ones, in their records; seen as a file system too.
func TestRealAttachments(t *testing.T) {
	sums := realSums(t)
	for _, inline := range []int{-1, 0} {
		w := newWorld(t, store.Options{Inline: inline, NoSync: true}, "acme")
		n := w.ns("acme", "jira/attachments")
		data, seen := os.DirFS(realData), 0
		err := fs.WalkDir(data, "attachments", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			f, err := data.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			out, err := n.Create(t.Context(), []byte(name), nil)
			if err != nil {
				return err
			}
			defer out.Abort()
			if _, err := out.ReadFrom(f); err != nil {
				return err
			}
			return out.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		view := n.FS(t.Context())
		err = fs.WalkDir(view, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			f, err := view.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			sum := sha256.New()
			if _, err := io.Copy(sum, f); err != nil {
				return err
			}
			if got, want := hex.EncodeToString(sum.Sum(nil)), sums[name]; got != want {
				t.Errorf("an attachment has another sum than its metadata says: %s, %q", got, want)
			}
			seen++
			return nil
		})
		if err != nil || seen != len(sums) || seen == 0 {
			t.Fatalf("%d attachments of %d, %v", seen, len(sums), err)
		}
	}
}
