package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

func TestImport(t *testing.T) {
	large := `"` + strings.Repeat("0123456789", 40_000) + `"`
	dir := folder(t, map[string]string{
		"jira/comments.jsonl":         record("acme", "jira/comments", "c1", `"one"`) + "\n  \r\n" + record("acme", "jira/comments", "c2", large),
		"jira/issues.jsonl.zst":       record("acme", "jira/issues", "i1", `{"a":1}`) + record("globex", "jira/issues", "i1", "\x00binary"),
		"deep/er/pages.jsonl.gz":      strings.TrimSuffix(record("globex", "confluence/pages", "p1", `[]`), "\n"), // no newline at the end
		"jira/attachment.notes":       "not input",
		"README.md":                   "not input",
		".hidden/x.jsonl":             "not input",
		"jira/.comments.jsonl.swp":    "not input",
		"jira/.hidden.jsonl":          "not input",
		"attachments/audit-log.jsonl": record("acme", "attachments/audit-log", "l1", `1`), // of a product of that name
	})
	st := newStore(t)
	var last, total int64
	r := mustImport(t, st, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{Progress: func(done, of int64) {
		if done < last {
			t.Errorf("progress from %d back to %d", last, done)
		}
		last, total = done, of
	}}}, dir)
	if last != total || total == 0 {
		t.Errorf("progress ends at %d of %d", last, total)
	}
	want := []transfer.Count{
		{Tenant: "acme", Namespace: "attachments/audit-log", Records: 1, Bytes: 1, New: 1},
		{Tenant: "acme", Namespace: "jira/comments", Records: 2, Bytes: 400_007, New: 2},
		{Tenant: "acme", Namespace: "jira/issues", Records: 1, Bytes: 7, New: 1},
		{Tenant: "globex", Namespace: "confluence/pages", Records: 1, Bytes: 2, New: 1},
		{Tenant: "globex", Namespace: "jira/issues", Records: 1, Bytes: 7, New: 1},
	}
	if !reflect.DeepEqual(r.Rows, want) {
		t.Errorf("rows %+v", r.Rows)
	}
	if r.Tenants() != 2 || r.Files != 4 || len(r.Ignored) != 5 || r.Elapsed <= 0 {
		t.Errorf("%+v", r)
	}
	if slices.Sort(r.Created); !slices.Equal(r.Created, []string{"acme", "globex"}) {
		t.Errorf("created %q", r.Created)
	}
	wantValue(t, st, "acme", "jira/comments", "c1", `"one"`)
	wantValue(t, st, "acme", "jira/comments", "c2", large)
	wantValue(t, st, "globex", "jira/issues", "i1", "\x00binary")

	// Again: nothing is written. A value that changed meanwhile is.
	if err := namespace(t, st, "acme", "jira/issues").Put(t.Context(), []byte("i1"), []byte("other")); err != nil {
		t.Fatal(err)
	}
	r = mustImport(t, st, nil, dir)
	if sum := r.Total(); sum.Unchanged != 5 || sum.Replaced != 1 || sum.Records != 6 || len(r.Created) != 0 {
		t.Errorf("again: %+v", r)
	}
	verified, err := transfer.Verify(t.Context(), st, []string{dir}, nil)
	if err != nil || verified.Total().Unchanged != 6 {
		t.Errorf("verified %+v, %v", verified, err)
	}
	survey, err := transfer.Survey(t.Context(), []string{dir}, nil)
	if err != nil || survey.Total().Records != 6 || survey.Total().Bytes != r.Total().Bytes {
		t.Errorf("surveyed %+v, %v", survey, err)
	}
}

// Of a key that comes more than once the last value stays, in whatever batch the others were.
func TestLastOfAKeyStays(t *testing.T) {
	var lines strings.Builder
	for i := range 3000 {
		lines.WriteString(record("acme", "jira/comments", fmt.Sprint("c", i%7), fmt.Sprint(i)))
	}
	lines.WriteString(record("acme", "jira/comments", "c0", strings.Repeat("1", 300_000)))
	lines.WriteString(record("acme", "jira/comments", "c0", "2"))
	st := newStore(t)
	r := mustImport(t, st, nil, filepath.Join(folder(t, map[string]string{"a.jsonl": lines.String()}), "a.jsonl"))
	if sum := r.Total(); sum.New != 7 || sum.Replaced != 2995 {
		t.Errorf("%+v", sum)
	}
	wantValue(t, st, "acme", "jira/comments", "c0", "2")
	for i := 1; i < 7; i++ {
		wantValue(t, st, "acme", "jira/comments", fmt.Sprint("c", i), fmt.Sprint(2999-(2999-i)%7))
	}
}

func TestStdin(t *testing.T) {
	text := record("acme", "jira/comments", "c1", `1`)
	for _, name := range []string{"plain", "x.zst", "x.gz"} {
		st := newStore(t)
		in := iotest.OneByteReader(bytes.NewReader(packed(t, name, text)))
		var total int64
		r := mustImport(t, st, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{
			Stdin: in, Progress: func(_, of int64) { total = max(total, of) },
		}}, "-")
		if r.Total().New != 1 || total != 0 {
			t.Errorf("%s: %+v, total %d", name, r, total)
		}
	}
	if _, err := transfer.Survey(t.Context(), []string{"-"}, nil); err == nil {
		t.Error("standard input that there is not was read")
	}
	for _, bad := range []string{record("../up", "jira/comments", "c1", `1`), record("acme", "jira/../x", "c1", `1`), record("acme", "all/comments", "c1", `1`)} {
		if _, err := transfer.Survey(t.Context(), []string{"-"}, &transfer.ReadOptions{Stdin: strings.NewReader(bad)}); !errors.Is(err, store.ErrInvalidName) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := transfer.Survey(t.Context(), []string{"-", "-"}, &transfer.ReadOptions{Stdin: strings.NewReader("")}); err == nil {
		t.Error("standard input was read twice")
	}
}

func TestImportErrors(t *testing.T) {
	good := record("acme", "jira/comments", "c1", `1`)
	for name, c := range map[string]struct {
		line, want string
		class      error
	}{
		"syntax":            {"{", "not valid JSON at column 1", nil},
		"field":             {strings.Replace(good, "key", "Key", 1), `unknown field "Key"`, nil},
		"unknown namespace": {record("newcomer", "jira/nothing", "k", `1`), "jira/nothing", store.ErrNamespaceUnknown},
		"bad namespace":     {record("newcomer", "jira/a/b", "k", `1`), "jira/a/b", scope.ErrInvalidNamespace},
		"bad tenant":        {record("new comer", "jira/comments", "k", `1`), "new comer", store.ErrInvalidName},
		"no tenant":         {record("", "jira/comments", "k", `1`), "", store.ErrInvalidName},
		"empty key":         {record("acme", "jira/comments", "", `1`), "", store.ErrInvalidName},
		"long key":          {record("acme", "jira/comments", strings.Repeat("k", 1025), `1`), "", store.ErrTooLarge},
		"contents":          {strings.Replace(good, `"value"`, `"contents":false,"value"`, 1), "only for rows of attachment-metadata", nil},
	} {
		t.Run(name, func(t *testing.T) {
			text := good + "\n" + strings.TrimSpace(c.line) + "\n" + record("acme", "jira/comments", "c2", `2`)
			file := filepath.Join(folder(t, map[string]string{"x.jsonl.gz": text}), "x.jsonl.gz")
			st := newStore(t)
			r, err := transfer.Import(t.Context(), st, []string{file}, nil)
			var at *transfer.LineError
			if !errors.As(err, &at) || at.File != file || at.Line != 3 || !strings.Contains(err.Error(), c.want) || c.class != nil && !errors.Is(err, c.class) {
				t.Fatalf("%+v, %v", r, err)
			}
			r, err = transfer.Import(t.Context(), st, []string{file}, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{ContinueOnError: true}})
			var all *transfer.Failures
			if !errors.As(err, &all) || all.Count != 1 || r.Failed != 1 || r.Total().Records != 2 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("going on: %+v, %v", r, err)
			}
			wantValue(t, st, "acme", "jira/comments", "c2", "2")
			if _, err := st.Tenant("newcomer"); !errors.Is(err, store.ErrTenantUnknown) {
				t.Error("a refused line made a tenant")
			}
		})
	}
}

// A key is the user's data and in no error, nor is a value.
func TestErrorsAreDiscreet(t *testing.T) {
	for _, text := range []string{
		record("acme", "jira/nothing", "canary", `"canary"`), record("acme", "jira/comments", strings.Repeat("canary", 200), `"canary"`),
		`{"key":"canary"`, `{"key":"canary","value":"canary"}`, line("key", `"canary\ud800"`), line("value_base64", `"canary!"`),
		line("written", `"canary"`),
	} {
		_, err := transfer.Import(t.Context(), newStore(t), []string{"-"}, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{Stdin: strings.NewReader(text)}})
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

func TestRevokedTenant(t *testing.T) {
	st := newStore(t)
	dir := folder(t, map[string]string{"a.jsonl": record("acme", "jira/comments", "c1", `1`) + record("globex", "jira/comments", "c1", `1`)})
	mustImport(t, st, nil, dir)
	acme, err := st.Tenant("acme")
	if err != nil {
		t.Fatal(err)
	}
	if err := acme.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	more := folder(t, map[string]string{"b.jsonl": record("globex", "jira/comments", "c2", `1`) + record("acme", "jira/comments", "c2", `1`) + record("globex", "jira/comments", "c3", `1`)})
	if _, err := transfer.Import(t.Context(), st, []string{more}, nil); !errors.Is(err, store.ErrKeyRevoked) || !strings.Contains(err.Error(), "b.jsonl:2:") {
		t.Errorf("for a revoked tenant: %v", err)
	}
	r, err := transfer.Import(t.Context(), st, []string{dir, more}, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{ContinueOnError: true}})
	var all *transfer.Failures
	if !errors.As(err, &all) || all.Count != 2 || r.Total().Records != 3 {
		t.Errorf("going on: %+v, %v", r, err)
	}
	wantValue(t, st, "globex", "jira/comments", "c3", "1")
}

func TestFilesThatAreNoInput(t *testing.T) {
	whole := packed(t, ".zst", strings.Repeat(record("acme", "jira/comments", "c1", `"some text"`), 50_000))
	bomb := bytes.Repeat(packed(t, ".zst", strings.Repeat(" ", 1<<20)), 80)
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"truncated": {whole[:len(whole)/2], "unexpected EOF"},
		"damaged":   {append(bytes.Clone(whole[:60]), whole[80:]...), ""},
		"bomb":      {bomb, "more than 2,000 times"},
		"gzip":      {[]byte("\x1f\x8b\x08rubbish"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(folder(t, map[string]string{"x": string(c.text)}), "x")
			_, err := transfer.Survey(t.Context(), []string{file}, nil)
			var at *transfer.LineError
			if !errors.As(err, &at) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestVerify(t *testing.T) {
	st := newStore(t)
	mustImport(t, st, nil, folder(t, map[string]string{"a.jsonl": record("acme", "jira/comments", "c1", `1`)}))
	for text, class := range map[string]error{
		record("acme", "jira/comments", "c1", `2`):   transfer.ErrDiffers,
		record("acme", "jira/comments", "c2", `1`):   transfer.ErrMissing,
		record("globex", "jira/comments", "c1", `1`): store.ErrTenantUnknown,
	} {
		if _, err := transfer.Verify(t.Context(), st, []string{"-"}, &transfer.ReadOptions{Stdin: strings.NewReader(text)}); !errors.Is(err, class) {
			t.Errorf("%s: %v, want %v", text, err, class)
		}
	}
	if _, err := st.Tenant("globex"); err == nil {
		t.Error("Verify made a tenant")
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	lines := strings.Repeat(record("acme", "jira/comments", "c1", `1`)+record("acme", "jira/comments", "c1", `2`), 5000)
	in := &cancelingReader{strings.NewReader(lines), cancel}
	_, err := transfer.Import(ctx, newStore(t), []string{"-"}, &transfer.ImportOptions{ReadOptions: transfer.ReadOptions{Stdin: in, ContinueOnError: true}})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

type cancelingReader struct {
	*strings.Reader
	cancel func()
}

func (r *cancelingReader) Read(p []byte) (int, error) {
	if r.Len() < 200_000 {
		r.cancel()
	}
	return r.Reader.Read(p)
}

func TestNoSuchFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(folder(t, map[string]string{"x.jsonl": record("acme", "jira/comments", "c1", `1`)}), "x.jsonl")
	if _, err := transfer.Import(t.Context(), newStore(t), []string{file, filepath.Join(dir, "none.jsonl")}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
