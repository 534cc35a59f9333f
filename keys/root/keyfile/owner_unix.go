//go:build unix

package keyfile

import (
	"io/fs"
	"os"
	"syscall"
)

// copyOwner gives f the owner and group that info shows: after root has rotated a key file the
// service that owns it must still be able to read it.
func copyOwner(f *os.File, info fs.FileInfo) error {
	now, err := f.Stat()
	if err != nil {
		return err
	}
	want, have := info.Sys().(*syscall.Stat_t), now.Sys().(*syscall.Stat_t)
	if want.Uid == have.Uid && want.Gid == have.Gid {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}
