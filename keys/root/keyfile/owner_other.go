//go:build !unix

package keyfile

import (
	"io/fs"
	"os"
)

// copyOwner has nothing to copy: a file without an owner to check was refused when it was read.
func copyOwner(*os.File, fs.FileInfo) error { return nil }
