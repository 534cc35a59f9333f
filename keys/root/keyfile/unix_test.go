//go:build unix

package keyfile_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/keyfile"
)

// TestNamedPipe tests that a pipe without a writer is refused rather than waited for.
func TestNamedPipe(t *testing.T) {
	path := create(t, "")
	k := openKey(t, &keyfile.Opener{}, path)
	w := wrap(t, k)
	must(t, os.Remove(path))
	must(t, syscall.Mkfifo(path, 0o600))
	wantAllFail(t, path, k, w, root.ErrInvalid, "not a regular file")
}

// TestAccessDenied cannot run as root, whom permissions do not stop.
func TestAccessDenied(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("running as root")
	}
	path := create(t, "")
	k := openKey(t, &keyfile.Opener{}, path)
	w := wrap(t, k)
	must(t, os.Chmod(path, 0))
	wantAllFail(t, path, k, w, root.ErrRevoked, "permission denied")
}

// TestRewriteKeepsOwner tests that root can rotate a service's key file.
func TestRewriteKeepsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	path := create(t, "")
	must(t, os.Chown(path, 1234, 5678))
	_, err := keyfile.Rotate(t.Context(), path, nil)
	must(t, err)
	if uid, gid := owner(t, path); uid != 1234 || gid != 5678 {
		t.Errorf("owner %d:%d, want 1234:5678", uid, gid)
	}
}

func owner(t *testing.T, path string) (uid, gid uint32) {
	file, err := os.Stat(path)
	must(t, err)
	stat := file.Sys().(*syscall.Stat_t)
	return stat.Uid, stat.Gid
}
