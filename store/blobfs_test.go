package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"testing"
	"testing/fstest"

	"github.com/sealkv/sealkv/store"
)

// The view of a namespace keeps to what package fs asks of a file system.
func TestNamespaceFS(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 1000}, "acme")
	n := w.ns("acme", "jira/attachments")
	if err := fstest.TestFS(n.FS(t.Context())); err != nil {
		t.Fatalf("an empty namespace: %v", err)
	}
	files := map[string][]byte{
		"top": []byte("x"), "empty": nil, "a/b": content(10, 1), "a/c/d/e": content(1500, 2), "a-b": content(1001, 3),
		"a/c/0": content(5, 4), "a0": []byte("y"), "z/ä ö": content(2000, 5), "both/in": []byte("in"),
	}
	var names []string
	for name, value := range files {
		mustCreate(t, n, name, value)
		names = append(names, name)
	}
	for _, name := range []string{"both", "/rooted", "dots/../x", "slash/", ".", "..", "x//y", "not\xff utf8/x", "a/../../b"} {
		mustPut(t, n, name, "not to be seen")
	}
	f := n.FS(t.Context())
	if err := fstest.TestFS(f, names...); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err := fs.WalkDir(f, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		seen++
		got, err := fs.ReadFile(f, name)
		if want, there := files[name]; !there || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes", name, len(got))
		}
		return err
	})
	if err != nil || seen != len(files) {
		t.Fatalf("%d files, %v", seen, err)
	}
	for name, want := range map[string]error{"none": fs.ErrNotExist, "a/none": fs.ErrNotExist, "/rooted": fs.ErrInvalid, "../x": fs.ErrInvalid} {
		if _, err := f.Open(name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A large folder is one scan, whatever lies deeper in it.
func TestNamespaceFSFolders(t *testing.T) {
	n := newWorld(t, store.Options{NoSync: true}, "acme").ns("acme", "jira/attachments")
	for i := range 300 {
		mustPut(t, n, fmt.Sprintf("f/%03d", i), "v")
		mustPut(t, n, fmt.Sprintf("f/%03d.d/x", i), "v")
		mustPut(t, n, fmt.Sprintf("f/%03d.d/y", i), "v")
	}
	entries, err := n.FS(t.Context()).ReadDir("f")
	if err != nil || len(entries) != 600 || !entries[1].IsDir() || entries[1].Name() != "000.d" {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
}

// An attachment is served with ranges, conditions and its length, in constant memory.
func ExampleReader() {
	ctx := context.Background()
	s, done := openExample(ctx)
	defer done()
	n := namespace(s, "jira/attachments")
	w, err := n.Create(ctx, []byte("a7/film.mp4"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Abort()
	for range 1000 { // or io.Copy(w, request.Body)
		fmt.Fprintf(w, "%0999d\n", 7)
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}

	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, request *http.Request) {
		r, err := n.Open(request.Context(), []byte(request.URL.Path[1:]))
		if errors.Is(err, store.ErrNotFound) {
			http.NotFound(out, request)
			return
		} else if err != nil {
			http.Error(out, "the attachment cannot be read", http.StatusInternalServerError)
			return
		}
		defer r.Close()
		http.ServeContent(out, request, path.Base(request.URL.Path), r.ModTime(), r)
	}))
	defer server.Close()

	request, _ := http.NewRequest("GET", server.URL+"/a7/film.mp4", nil)
	request.Header.Set("Range", "bytes=999990-")
	response, err := server.Client().Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Println(response.StatusCode, response.Header.Get("Content-Range"), response.Header.Get("Content-Type"))
	fmt.Printf("%q\n", body)
	// Output:
	// 206 bytes 999990-999999/1000000 video/mp4
	// "000000007\n"
}
