package keyfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/sealkv/sealkv/keys/root"
)

// readFile returns the bytes of the key file at path. The caller wipes them.
func readFile(path string) ([]byte, error) {
	// O_NONBLOCK: opening a named pipe would wait for a writer before it can be refused.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, translateRead(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, translateRead(err)
	}
	if err := check(path, info); err != nil {
		return nil, fmt.Errorf("%w: %w", err, root.ErrInvalid)
	}
	raw := make([]byte, info.Size())
	if _, err := io.ReadFull(f, raw); err != nil {
		clear(raw)
		return nil, translateRead(err)
	}
	return raw, nil
}

// check refuses what cannot be a key file or is open to others than its owner.
func check(path string, info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case !mode.IsRegular():
		return errors.New("not a regular file")
	case mode.Perm()&0o077 != 0:
		return fmt.Errorf("open to others (mode %04o); run chmod 600 %s", mode.Perm(), path)
	case info.Size() > maxLen:
		return fmt.Errorf("longer than %d bytes", maxLen)
	}
	return nil
}

// translateRead puts an error of the file system into the words of package root. The path is
// left out, for the caller adds it.
func translateRead(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w (is its disk mounted?): %w", err, root.ErrUnavailable)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", err, root.ErrRevoked)
	}
	return fmt.Errorf("reading: %w: %w", err, root.ErrUnavailable)
}

// translateContext does so with the error of a context that has ended.
func translateContext(err error) error { return fmt.Errorf("%w: %w", err, root.ErrUnavailable) }
