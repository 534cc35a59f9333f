package pebble

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sealkv/sealkv/store/engine"
)

// translate gives an error of Pebble, met while doing something, the meaning that package engine
// defines. Its text is kept without arguments that may be user keys; the error itself is not.
func translate(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pebble.ErrNotFound):
		return engine.ErrNotFound
	case errors.Is(err, pebble.ErrReadOnly), errors.Is(err, engine.ErrReadOnly):
		return engine.ErrReadOnly
	case errors.Is(err, engine.ErrCorrupt):
		return err
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("%w: %s: %s", engine.ErrCorrupt, doing, redacted(err))
	case isNoSpace(err):
		return engine.ErrDiskFull
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("engine: %s: %w", doing, fs.ErrExist)
	}
	return fmt.Errorf("%w: %s: %s", engine.ErrUnavailable, doing, redacted(err))
}
