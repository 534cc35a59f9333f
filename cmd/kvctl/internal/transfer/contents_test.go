package transfer_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
	"github.com/sealkv/sealkv/store"
)

// metadata is the value of a row that names contents.
func metadata(contentFile, contents string) string {
	sum := sha256.Sum256([]byte(contents))
	return fmt.Sprintf(`{"filename":"a.png","size":%d,"sha256":%q,"contentFile":%q}`, len(contents), hex.EncodeToString(sum[:]), contentFile)
}

func TestAttachments(t *testing.T) {
	long := strings.Repeat("contents ", 100_000)
	files := map[string]string{
		"jira/attachment-metadata.jsonl": record("acme", "jira/attachment-metadata", "i1/a1", metadata("attachments/acme/a.png", "PNG")) +
			record("acme", "jira/attachment-metadata", "i1/a2", `{"contentFile":null,"size":7}`) +
			record("acme", "jira/attachment-metadata", "i1/a3", `{"contentFile":"attachments/acme/.dot/c.png"}`) +
			record("acme", "jira/attachment-metadata", "i1/a4", metadata("attachments/acme/a.png", "PNG")) + // the same file again
			record("acme", "jira/attachment-metadata", "i1/a5", `[]`),
		"confluence/attachment-metadata.jsonl": "",
		"attachments/acme/a.png":               "PNG",
		"attachments/acme/.dot/c.png":          "dotted",
		"attachments/acme/.unnamed":            "ignored",
		"attachments/acme/sub/b.jsonl":         long, // contents, whatever its name
		"attachments/globex/d.txt":             "",
		"attachments/stray.txt":                "of no tenant",
	}
	dir := folder(t, files)
	st := newStore(t)
	r := mustImport(t, st, nil, dir)
	if r.Total().Records != 10 || len(r.Ignored) != 2 || r.Apart != 0 {
		t.Errorf("%+v", r)
	}
	wantValue(t, st, "acme", "jira/attachments", "i1/a1", "PNG")
	wantValue(t, st, "acme", "jira/attachments", "i1/a4", "PNG")
	wantValue(t, st, "acme", "jira/attachments", "i1/a3", "dotted")
	wantValue(t, st, "acme", "jira/attachments", "sub/b.jsonl", long)
	wantValue(t, st, "globex", "jira/attachments", "d.txt", "")
	wantNone(t, st, "acme", "jira/attachments", "a.png")
	if r := mustImport(t, st, nil, dir); r.Total().Unchanged != 10 {
		t.Errorf("again: %+v", r)
	}

	// The rows alone.
	for _, paths := range [][]string{{filepath.Join(dir, "jira", "attachment-metadata.jsonl")}, {dir}} {
		st := newStore(t)
		r := mustImport(t, st, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{NoAttachments: true}}, paths...)
		if r.Total().Records != 5 || r.Apart != 3 {
			t.Errorf("%q without attachments: %+v", paths, r)
		}
	}
	// The attachments alone.
	st = newStore(t)
	r = mustImport(t, st, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{Attachments: "confluence/attachments"}}, filepath.Join(dir, "attachments"))
	if r.Total().Records != 3 || len(r.Ignored) != 3 {
		t.Errorf("attachments alone: %+v", r)
	}
	wantValue(t, st, "acme", "confluence/attachments", "a.png", "PNG")
}

func TestAttachmentErrors(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		value, want string
		prepare     func(t *testing.T, dir string)
	}{
		"size":           {metadata("attachments/acme/a.png", "longer than it"), "7 bytes, and the metadata says 14", nil},
		"sha256":         {metadata("attachments/acme/a.png", "another"), "another sha256", nil},
		"missing":        {metadata("attachments/acme/none.png", ""), "is not in", nil},
		"up":             {metadata("attachments/acme/../../../secret", ""), "is not a path beneath attachments/acme", nil},
		"absolute":       {metadata(secret, ""), "is not a path beneath", nil},
		"another tenant": {metadata("attachments/globex/b.png", "globex"), "is not a path beneath attachments/acme", nil},
		"lines":          {metadata("jira/attachment-metadata.jsonl", ""), "is not a path beneath", nil},
		"the folder":     {metadata("attachments/acme/", ""), "is not a path beneath", nil},
		"sub folder":     {metadata("attachments/acme/sub", ""), "is not in", nil},
		"other type":     {`{"contentFile":{}}`, "are not text, a number and text", nil},
		"link out": {metadata("attachments/acme/link", "secret"), "escapes", func(t *testing.T, dir string) {
			symlink(t, secret, filepath.Join(dir, "attachments/acme/link"))
		}},
		"pipe": {metadata("attachments/acme/pipe", ""), "is not in", func(t *testing.T, dir string) {
			if err := syscall.Mkfifo(filepath.Join(dir, "attachments/acme/pipe"), 0o600); err != nil {
				t.Skip(err)
			}
		}},
		"large and wrong": {metadata("attachments/acme/large", ""), "and the metadata says 0", func(t *testing.T, dir string) {
			name := filepath.Join(dir, "attachments/acme/large")
			if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, store.DefaultInline+1)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{
				"jira/attachment-metadata.jsonl": record("acme", "jira/attachment-metadata", "a1", c.value),
				"attachments/acme/a.png":         "content",
				"attachments/acme/sub/x.png":     "content",
				"attachments/globex/b.png":       "globex",
			})
			if c.prepare != nil {
				c.prepare(t, dir)
			}
			st := newStore(t)
			r, err := transfer.Import(t.Context(), st, []string{dir}, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%+v, %v; want %q", r, err, c.want)
			}
			for at, value := range dump(t, st) {
				if strings.Contains(value, "secret") && !strings.Contains(at, "metadata") {
					t.Errorf("%s is %q", at, value)
				}
			}
		})
	}
}

// Where a line failed, a file that no line names may be the one that it would have named.
func TestDoubtfulAttachments(t *testing.T) {
	dir := folder(t, map[string]string{
		"x.jsonl":                "{\n" + record("acme", "jira/attachment-metadata", "a1", metadata("attachments/acme/a.png", "PNG")),
		"attachments/acme/a.png": "PNG",
		"attachments/acme/b.png": "PNG",
	})
	st := newStore(t)
	r, err := transfer.Import(t.Context(), st, []string{dir}, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{ContinueOnError: true}})
	var all *transfer.Failures
	if !errors.As(err, &all) || all.Count != 2 || r.Total().Records != 2 || !strings.Contains(err.Error(), "no line names it") {
		t.Errorf("%+v, %v", r, err)
	}
	wantValue(t, st, "acme", "jira/attachments", "a1", "PNG")
	wantNone(t, st, "acme", "jira/attachments", "b.png")
}

func TestLinksInsideAFolder(t *testing.T) {
	dir := folder(t, map[string]string{"data/x.jsonl": record("acme", "jira/comments", "c1", `1`)})
	symlink(t, "data/x.jsonl", filepath.Join(dir, "y.jsonl"))
	symlink(t, ".", filepath.Join(dir, "data", "loop"))
	symlink(t, "/etc/passwd", filepath.Join(dir, "notes"))
	r, err := transfer.Survey(t.Context(), []string{dir}, nil)
	if err != nil || r.Total().Records != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	symlink(t, "/etc/passwd", filepath.Join(dir, "z.jsonl"))
	if _, err := transfer.Survey(t.Context(), []string{dir}, nil); err == nil || !strings.Contains(err.Error(), "z.jsonl: path escapes") {
		t.Error(err)
	}
}

func symlink(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Skip(err)
	}
}
