package transfer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

// ReadOptions say how files are read. Nil means defaults.
type ReadOptions struct {
	// Stdin is what the path "-" stands for. Nil refuses it.
	Stdin io.Reader
	// ContinueOnError goes on after a line or file that does not work out; the error at the end
	// is a *Failures. Otherwise the first one ends everything, as a *LineError.
	ContinueOnError bool
	// NoAttachments leaves the attachments of folders out.
	NoAttachments bool
	// Attachments is the namespace of attachments that no row of metadata names. Empty means
	// DefaultAttachments.
	Attachments string
	// Progress is told how many of the input's bytes, as they lie on disk, are done; total is 0
	// where it is not known. It is called by one goroutine at a time, often, and must be quick.
	Progress func(done, total int64)
}

// An item is one value on its way from a file to a worker.
type item struct {
	at      place
	to      *target
	key     []byte
	value   []byte
	content *content // where the value is read from, instead of value
	written time.Time
	weight  int64
	outcome outcome
}

// An outcome is what became of an item.
type outcome uint8

const (
	isNew outcome = iota
	isReplaced
	isUnchanged
	isExpired
)

// load reads the item's contents, where it has its value from there.
func (it *item) load() (err error) {
	if it.content != nil {
		it.value, err = it.content.read()
	}
	return err
}

// length is that of the item's value, also before it is loaded.
func (it *item) length() int64 {
	if it.content != nil {
		return it.content.file.size
	}
	return int64(len(it.value))
}

// A target is a namespace of a tenant. There is one of each in a reading.
type target struct {
	tenant, namespace string
	n                 *store.Namespace // nil without a store
}

// A worker takes items, all those of one key in their order. finish is called at the end of all.
type worker interface {
	take(ctx context.Context, it *item) error
	finish(ctx context.Context) error
}

const (
	maxWorkers = 4
	maxQueue   = 256 // items before each worker
	// inFlight is how many bytes of values are on their way at once: two of the longest.
	inFlight = 2 * store.MaxValueLen
	// streamed is what a value weighs that is never in memory as a whole.
	streamed = 4 << 20
)

func workers() int { return min(runtime.GOMAXPROCS(0), maxWorkers) }

// A reading takes everything that paths lead to, line after line, to its workers. Lines are read
// by one goroutine; values are sealed, opened and compared by the others.
type reading struct {
	opts    ReadOptions
	resolve func(ctx context.Context, tenant, namespace string) (*store.Namespace, error) // nil: without a store
	result  Result

	plan     *plan
	failures failures
	targets  map[string]*target
	scratch  []byte
	seed     maphash.Seed
	queues   []chan *item
	budget   *semaphore.Weighted
	done     atomic.Int64 // bytes
}

func newReading(opts *ReadOptions) *reading {
	r := &reading{targets: map[string]*target{}, seed: maphash.MakeSeed(), budget: semaphore.NewWeighted(inFlight)}
	if opts != nil {
		r.opts = *opts
	}
	if r.opts.Attachments == "" {
		r.opts.Attachments = DefaultAttachments
	}
	if r.opts.Progress == nil {
		r.opts.Progress = func(done, total int64) {}
	}
	r.failures.goOn = r.opts.ContinueOnError
	return r
}

// run reads all of paths. It returns after every worker has finished.
func (r *reading) run(ctx context.Context, paths []string, ws []worker) (err error) {
	start := time.Now()
	defer func() { r.result.Elapsed, r.result.Failed = time.Since(start), r.failures.all.Count }()
	r.plan, err = survey(paths, r.opts.Stdin)
	defer r.plan.close()
	if err != nil {
		return err
	}
	r.result.Ignored = r.plan.ignored
	if r.opts.NoAttachments {
		r.plan.total = r.plan.lines
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, w := range ws {
		queue := make(chan *item, maxQueue)
		r.queues = append(r.queues, queue)
		g.Go(func() error { return r.work(ctx, w, queue) })
	}
	g.Go(func() error {
		defer func() {
			for _, queue := range r.queues {
				close(queue)
			}
		}()
		return r.read(ctx)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	r.progress(0)
	return r.failures.err()
}

func (r *reading) work(ctx context.Context, w worker, queue <-chan *item) error {
	for it := range queue {
		err := ctx.Err()
		if err == nil {
			err = w.take(ctx, it)
		}
		r.budget.Release(it.weight)
		if err := r.failures.add(it.at, err); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.finish(ctx)
}

func (r *reading) read(ctx context.Context) error {
	for i := range r.plan.sources {
		if err := r.file(ctx, &r.plan.sources[i]); err != nil {
			return err
		}
	}
	for _, f := range r.plan.folders {
		if err := r.unnamed(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) progress(n int64) {
	done, total := r.done.Add(n), r.plan.total
	if total > 0 {
		done = min(done, total)
	}
	r.opts.Progress(done, total)
}

// progressed tells the progress of what is read from a file.
type progressed struct {
	io.Reader
	r *reading
}

func (p progressed) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.r.progress(int64(n))
	return n, err
}

// file reads one source to its end.
func (r *reading) file(ctx context.Context, s *source) error {
	r.result.Files++
	raw, err := s.open()
	if err != nil {
		return r.failures.add(place{file: s.name}, unwrapPath(err))
	}
	defer raw.Close()
	in, err := decompress(progressed{raw, r})
	if err != nil {
		return r.failures.add(place{file: s.name}, err)
	}
	defer in.Close()
	lines := newLineReader(in)
	for {
		line, err := lines.next()
		at := place{s.name, lines.line}
		switch {
		case err == io.EOF:
			return nil
		case err == nil:
			err = r.line(ctx, s, at, line)
		case !errors.Is(err, errLongLine):
			at.line++ // the one that could not be read
			return r.failures.add(at, unwrapPath(err))
		}
		if err := r.failures.add(at, err); err != nil {
			return err
		}
	}
}

// line sends one line's value, and the contents that it names, on their way.
func (r *reading) line(ctx context.Context, s *source, at place, line []byte) error {
	record, err := Parse(line)
	if err != nil {
		return err
	}
	namespace := record.Namespace()
	to, err := r.target(ctx, record.Tenant, namespace)
	if err != nil {
		return err
	}
	it := &item{at: at, to: to, key: record.Key, value: record.Value, written: record.Written}
	var contents *item
	if record.Type == metadataType {
		if contents, err = r.contents(ctx, s, at, &record); err != nil {
			return err
		}
	} else if record.Apart {
		return errors.New("the field contents is only for rows of " + metadataType)
	}
	if err := r.send(ctx, it); err != nil {
		return err
	}
	if contents != nil {
		return r.send(ctx, contents)
	}
	return nil
}

// contents returns the item for the attachment that a row of metadata names, if it names one.
func (r *reading) contents(ctx context.Context, s *source, at place, record *Record) (*item, error) {
	says, err := parseMetadata(record.Value)
	if s.folder == nil || r.opts.NoAttachments || record.Apart {
		if says.ContentFile != nil {
			r.result.Apart++
		}
		return nil, nil
	}
	if err != nil || says.ContentFile == nil {
		return nil, err
	}
	found, err := s.folder.find(says, record.Tenant)
	if err != nil {
		return nil, err
	}
	to, err := r.target(ctx, record.Tenant, record.Product+"/"+attachmentsType)
	return &item{at: at, to: to, key: record.Key, content: found}, err
}

// unnamed sends the attachments of a folder that no row named. Where a line could not be read,
// it may have been the one that names a file, so none of them is taken.
func (r *reading) unnamed(ctx context.Context, f *folder) error {
	names, hidden := f.unnamed()
	r.result.Ignored = append(r.result.Ignored, hidden...)
	if r.opts.NoAttachments {
		return nil
	}
	doubtful := r.failures.any()
	for _, name := range names {
		err := errors.New("no line names it, and there are lines that failed: mend them first")
		if !doubtful {
			err = r.unnamedFile(ctx, f, name)
		}
		if err := r.failures.add(place{file: f.display(f.contents[name].path)}, err); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) unnamedFile(ctx context.Context, f *folder, name string) error {
	tenant, key, _ := strings.Cut(strings.TrimPrefix(name, contentsDir+"/"), "/")
	to, err := r.target(ctx, tenant, r.opts.Attachments)
	if err != nil {
		return err
	}
	found, err := f.find(metadata{ContentFile: &name}, tenant)
	if err != nil {
		return err
	}
	return r.send(ctx, &item{at: place{file: f.display(found.file.path)}, to: to, key: []byte(key), content: found})
}

// send hands an item to the worker of its key. What it refers to is copied, once there is room.
func (r *reading) send(ctx context.Context, it *item) error {
	it.weight = int64(len(it.key)) + it.length()
	if it.content != nil {
		r.progress(it.content.file.size)
	}
	if it.content.long() {
		it.weight = streamed
	}
	it.weight = min(it.weight, inFlight)
	if err := r.budget.Acquire(ctx, it.weight); err != nil {
		return err
	}
	it.key, it.value = bytes.Clone(it.key), bytes.Clone(it.value)
	var h maphash.Hash
	h.SetSeed(r.seed)
	maphash.WriteComparable(&h, it.to)
	h.Write(it.key)
	select {
	case r.queues[h.Sum64()%uint64(len(r.queues))] <- it:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// target returns the one target of a tenant and a namespace.
func (r *reading) target(ctx context.Context, tenant, namespace string) (*target, error) {
	r.scratch = append(append(append(r.scratch[:0], tenant...), 0), namespace...)
	if to := r.targets[string(r.scratch)]; to != nil {
		return to, nil
	}
	to := &target{tenant: tenant, namespace: namespace}
	err := cmp.Or(store.CheckTenant(tenant), scope.CheckNamespace(namespace))
	if err != nil {
		err = fmt.Errorf("%w: %w", store.ErrInvalidName, err)
	} else if r.resolve != nil {
		to.n, err = r.resolve(ctx, tenant, namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("%.80q: %w", tenant+" "+namespace, err)
	}
	r.targets[string(r.scratch)] = to
	return to, nil
}
