package keyfile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/keyfile"
)

func TestCreate(t *testing.T) {
	path := create(t, "")
	file, err := os.Lstat(path)
	must(t, err)
	if file.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", file.Mode())
	}
	info, err := keyfile.Inspect(t.Context(), path, nil)
	must(t, err)
	if len(info.Versions) != 1 || info.Protected || info.Disabled || info.Versions[0].Disabled {
		t.Errorf("a new file is %+v", info)
	}
	wantAlone(t, path)
}

func TestCreateNeverOverwrites(t *testing.T) {
	path := create(t, "")
	before := readKey(t, path)
	link := filepath.Join(t.TempDir(), "link.key")
	must(t, os.Symlink("nowhere", link))
	for _, path := range []string{path, link, filepath.Dir(path)} {
		if err := keyfile.Create(path, nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Create of what exists: %v", err)
		}
	}
	if readKey(t, path) != before {
		t.Error("Create changed a file that existed")
	}
	if err := keyfile.Create(filepath.Join(path, "nowhere", "platform.key"), nil); err == nil {
		t.Error("Create in a folder that is none succeeded")
	}
}

// TestRewriteKeeps tests that a rewrite changes no line but the one that it is about.
func TestRewriteKeeps(t *testing.T) {
	path := fromTestdata(t, "v1.key")
	before := readKey(t, path)
	if err := keyfile.SetDisabled(t.Context(), path, true, nil); err != nil {
		t.Fatal(err)
	}
	if got := readKey(t, path); got != "disabled\n"+before {
		t.Errorf("disabled, the file is\n%s", got)
	}
	if err := keyfile.SetDisabled(t.Context(), path, false, nil); err != nil {
		t.Fatal(err)
	}
	if got := readKey(t, path); got != before {
		t.Errorf("enabled again, the file is\n%s", got)
	}
	added, err := keyfile.Rotate(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	rest, ok := strings.CutPrefix(readKey(t, path), before)
	if !ok || !strings.HasPrefix(rest, "SEALKV-ROOT-KEY-1 "+added.ID+" ") || strings.Count(rest, "\n") != 1 {
		t.Errorf("rotation added\n%s", rest)
	}
}

func TestRewriteKeepsModeAndLink(t *testing.T) {
	path := create(t, "")
	link := filepath.Join(t.TempDir(), "link.key")
	must(t, os.Symlink(path, link))
	must(t, os.Chmod(path, 0o400))
	_, err := keyfile.Rotate(t.Context(), link, nil)
	must(t, err)
	if at, err := os.Readlink(link); err != nil || at != path {
		t.Errorf("the link leads to %q, %v, want %q", at, err, path)
	}
	file, err := os.Stat(path)
	must(t, err)
	if file.Mode() != 0o400 {
		t.Errorf("mode %v, want 0400", file.Mode())
	}
	wantAlone(t, path)
}

// TestRotateTogether tests that of rotations at once each adds its key or fails: a key that was
// added and lost would take what it wrapped with it.
func TestRotateTogether(t *testing.T) {
	path := create(t, "")
	var mu sync.Mutex
	var added []string
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 8 {
				v, err := keyfile.Rotate(t.Context(), path, nil)
				if errors.Is(err, root.ErrUnavailable) {
					continue
				}
				if err != nil {
					t.Errorf("Rotate: %v", err)
					return
				}
				mu.Lock()
				added = append(added, v.ID)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	text := readKey(t, path)
	for _, id := range added {
		if !strings.Contains(text, id) {
			t.Errorf("key %s was added and is lost", id)
		}
	}
	if n := strings.Count(text, "\nSEALKV-ROOT-KEY-1 "); n != 1+len(added) {
		t.Errorf("the file has %d keys, want the first and %d", n, len(added))
	}
	wantAlone(t, path)
}

// TestRewriteCutShort tests what a crash half-way leaves for the next change, and for a service.
func TestRewriteCutShort(t *testing.T) {
	path := create(t, "")
	k := openKey(t, &keyfile.Opener{}, path)
	w := wrap(t, k)
	must(t, os.WriteFile(path+".lock", []byte("half a key fi"), 0o600))
	err := keyfile.SetDisabled(t.Context(), path, true, nil)
	wantError(t, err, root.ErrUnavailable)
	if !strings.Contains(err.Error(), path+".lock") {
		t.Errorf("error %q does not name the file that is in the way", err)
	}
	unwrap(t, k, w)
	must(t, os.Remove(path+".lock"))
	must(t, keyfile.SetDisabled(t.Context(), path, true, nil))
	wantRevoked(t, k, w, "disabled")
}

// TestRewriteTooLong tests that no rewrite makes a file that could not be read again. There is
// room for one more key, not for two.
func TestRewriteTooLong(t *testing.T) {
	path := create(t, "")
	text := readKey(t, path)
	text = strings.Repeat("#\n", (64<<10-200-len(text))/2) + text
	must(t, os.WriteFile(path, []byte(text), 0o600))
	_, err := keyfile.Rotate(t.Context(), path, nil)
	must(t, err)
	_, err = keyfile.Rotate(t.Context(), path, nil)
	wantError(t, err, root.ErrInvalid)
	info, err := keyfile.Inspect(t.Context(), path, nil)
	if err != nil || len(info.Versions) != 2 {
		t.Errorf("%d versions, %v, want 2", len(info.Versions), err)
	}
	wantAlone(t, path)
}

func TestSetDisabledTwice(t *testing.T) {
	path := create(t, "")
	for _, disabled := range []bool{false, true, true, false, false} {
		must(t, keyfile.SetDisabled(t.Context(), path, disabled, nil))
		info, err := keyfile.Inspect(t.Context(), path, nil)
		if err != nil || info.Disabled != disabled {
			t.Errorf("Inspect = %+v, %v, want Disabled = %v", info, err, disabled)
		}
	}
	wantAlone(t, path)
}

// TestSetDisabledUnchanged tests that a file which has what is asked for is left alone.
func TestSetDisabledUnchanged(t *testing.T) {
	path := create(t, "")
	before, err := os.Stat(path)
	must(t, err)
	must(t, keyfile.SetDisabled(t.Context(), path, false, nil))
	after, err := os.Stat(path)
	must(t, err)
	if !os.SameFile(before, after) {
		t.Error("the file was rewritten")
	}
}

func TestInspect(t *testing.T) {
	info, err := keyfile.Inspect(t.Context(), fromTestdata(t, "v1.key"), nil)
	must(t, err)
	var got []string
	for _, v := range info.Versions {
		got = append(got, fmt.Sprint(v.ID[:4], " ", v.Created.Format(time.DateTime), " ", v.Disabled))
	}
	want := []string{"c3f3 2026-03-01 09:00:00 false", "19de 2026-06-15 23:59:59 true", "d4ad 2026-11-22 10:30:00 false"}
	if !slices.Equal(got, want) {
		t.Errorf("versions %q, want %q", got, want)
	}
}

// wantAlone checks that nothing lies beside the key file.
func wantAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v, want the key file alone", entries, err)
	}
}

func readKey(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	must(t, err)
	return string(raw)
}

func writeKey(t *testing.T, raw []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "platform.key")
	must(t, os.WriteFile(path, raw, 0o600))
	return path
}
