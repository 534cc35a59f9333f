package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/sealkv/sealkv/store"
)

// Long contents of attachments go from their files to the store, and back, in a stream: none is
// in memory as a whole, whatever its length.

// stream writes an item's contents, unless the store has the same.
func (w *importer) stream(ctx context.Context, it *item) (err error) {
	if age := it.to.n.MaxAge(); age > 0 && !it.written.IsZero() && time.Since(it.written) >= age {
		it.outcome = isExpired
		w.count(it)
		return nil
	}
	switch same, err := it.sameAs(ctx); {
	case errors.Is(err, store.ErrNotFound):
		it.outcome = isNew
	case err != nil:
		return err
	case same:
		it.outcome = isUnchanged
		w.count(it)
		return nil
	default:
		it.outcome = isReplaced
	}
	if err := it.create(ctx); err != nil {
		return err
	}
	w.count(it)
	return nil
}

// create stores the contents, if they are what the metadata says.
func (it *item) create(ctx context.Context) error {
	in, err := it.content.open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := it.to.n.Create(ctx, it.key, &store.CreateOptions{Written: it.written})
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := out.ReadFrom(in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	return out.Close()
}

// sameAs reports whether the store has the item's contents, which are checked if it has; or why
// what it has does not open.
func (it *item) sameAs(ctx context.Context) (bool, error) {
	have, err := it.to.n.Open(ctx, it.key)
	if err != nil {
		return false, err
	}
	defer have.Close()
	if have.Size() != it.content.file.size {
		return false, nil
	}
	in, err := it.content.open()
	if err != nil {
		return false, err
	}
	defer in.Close()
	if same, err := equal(in, have); err != nil || !same {
		return false, err
	}
	return true, in.check()
}

// equal compares two streams to their ends.
func equal(a, b io.Reader) (bool, error) {
	buffers := [2][]byte{make([]byte, 64<<10), make([]byte, 64<<10)}
	for {
		n, err := io.ReadFull(a, buffers[0])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return false, err
		}
		m, err2 := io.ReadFull(b, buffers[1])
		if err2 != nil && err2 != io.EOF && err2 != io.ErrUnexpectedEOF {
			return false, err2
		}
		if !bytes.Equal(buffers[0][:n], buffers[1][:m]) {
			return false, nil
		}
		if n < len(buffers[0]) {
			return true, nil
		}
	}
}

// survey reads contents to check them.
func (c *content) survey() error {
	in, err := c.open()
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	return in.check()
}

// stream compares an item's contents with what the store has.
func (w *verifier) stream(ctx context.Context, it *item) error {
	same, err := it.sameAs(ctx)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return errors.Join(it.content.survey(), ErrMissing)
	case err != nil:
		return err
	case !same:
		return errors.Join(it.content.survey(), ErrDiffers)
	}
	w.same(it)
	return nil
}

// An attachment is one on its way out.
type attachment struct {
	Record // Value is there for the shorter ones
	n      *store.Namespace
	long   *store.Reader // of the longer ones, until the next is taken
}

func (a *attachment) size() int64 {
	if a.long != nil {
		return a.long.Size()
	}
	return int64(len(a.Value))
}

// reader reads the contents from the beginning.
func (a *attachment) reader() (io.Reader, error) {
	if a.long == nil {
		return bytes.NewReader(a.Value), nil
	}
	_, err := a.long.Seek(0, io.SeekStart)
	return a.long, err
}

// are reports whether the contents are what a row says.
func (a *attachment) are(says *metadata) (bool, error) {
	if says.Size != nil && *says.Size != a.size() {
		return false, nil
	}
	if says.SHA256 == nil {
		return true, nil
	}
	from, err := a.reader()
	if err != nil {
		return false, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, from); err != nil {
		return false, err
	}
	return says.checkSum(a.size(), [sha256.Size]byte(sum.Sum(nil))) == nil, nil
}

// load reads all of the contents, for a line.
func (a *attachment) load() (err error) {
	if a.long == nil {
		return nil
	}
	if a.long.Size() > store.MaxValueLen {
		return fmt.Errorf("%w: %d bytes, and a line takes %d", store.ErrTooLarge, a.long.Size(), store.MaxValueLen)
	}
	from, err := a.reader()
	if err == nil {
		a.Value, err = io.ReadAll(from)
	}
	return err
}

// contents yields the attachments of a namespace that open, by key, and counts those that do not.
func (e *exporter) contents(ctx context.Context, n *store.Namespace) iter.Seq2[*attachment, error] {
	return func(yield func(*attachment, error) bool) {
		for entry, err := range e.snap.Scan(ctx, n, &store.ScanOptions{KeysOnly: true}) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			a, err := e.attachment(ctx, n, entry.Key)
			if errors.Is(err, store.ErrNotFound) {
				continue // it has expired meanwhile
			} else if err != nil {
				e.skipped(n, err)
				continue
			}
			more := yield(a, nil)
			if a.long != nil {
				a.long.Close()
			}
			if !more {
				return
			}
		}
	}
}

func (e *exporter) attachment(ctx context.Context, n *store.Namespace, key []byte) (*attachment, error) {
	r, err := e.snap.Open(ctx, n, key)
	if err != nil {
		return nil, err
	}
	product, typ := splitNamespace(n.Name())
	a := &attachment{Record: Record{Tenant: n.Tenant(), Product: product, Type: typ, Key: key, Written: r.Written()}, n: n}
	if r.Size() > store.DefaultInline {
		a.long = r
		return a, nil
	}
	defer r.Close()
	a.Value, err = io.ReadAll(r)
	return a, err
}
