package store_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// go test ./store -run TestBigBlob -biggib 8 -v -timeout 30m [-apart]
var (
	bigGiB   = flag.Int("biggib", 0, "write and read a value of `N` GiB, beside what it is measured against (needs 6 times the space)")
	bigDir   = flag.String("bigdir", os.TempDir(), "where TestBigBlob keeps its files")
	bigApart = flag.Bool("apart", false, "keep chunks in files of their own in TestBigBlob")
)

// endless is a stream that can be read from anywhere: its bytes follow from their offset.
type endless struct{ at, size int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.at >= e.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), e.size-e.at)]
	fillAt(p, e.at)
	e.at += int64(len(p))
	return len(p), nil
}

func fillAt(p []byte, at int64) {
	for len(p) > 0 && at%8 != 0 {
		p[0] = byte(mix(uint64(at/8)) >> (8 * (at % 8)))
		p, at = p[1:], at+1
	}
	word := uint64(at / 8)
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, mix(word))
		word++
	}
	for i := range p {
		p[i] = byte(mix(word) >> (8 * i))
	}
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x = (x + 1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// comparing is a writer of which every byte must be endless's.
type comparing struct {
	at   int64
	want []byte
}

func (c *comparing) Write(p []byte) (int, error) {
	c.want = slices.Grow(c.want[:0], len(p))[:len(p)]
	fillAt(c.want, c.at)
	if !bytes.Equal(p, c.want) {
		return 0, fmt.Errorf("another byte from %d on", c.at)
	}
	c.at += int64(len(p))
	return len(p), nil
}

// big is a run of TestBigBlob.
type big struct {
	t    *testing.T
	size int64
	dir  string
}

func (b *big) rate(what string, size int64, fn func()) time.Duration {
	before, start := procBytes("wchar"), time.Now()
	fn()
	took := time.Since(start)
	b.t.Logf("%-46s %7.0f MB/s   %.2f bytes written for each", what, float64(size)/1e6/took.Seconds(), float64(procBytes("wchar")-before)/float64(size))
	return took
}

// procBytes is a line of /proc/self/io.
func procBytes(name string) (n int64) {
	text, _ := os.ReadFile("/proc/self/io")
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, name+": "); found {
			fmt.Sscan(value, &n)
		}
	}
	return n
}

func peakRSS() string {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			return strings.TrimSpace(value)
		}
	}
	return "?"
}

func (b *big) engine(name string) *pebble.Engine {
	opts := &pebble.Options{}
	if *bigApart {
		opts.Apart = engine.Range{Start: []byte{byte(codec.KindChunk)}, End: []byte{byte(codec.KindChunk) + 1}}
	}
	e, err := pebble.Create(filepath.Join(b.dir, name), opts)
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

// A value of many gigabytes goes in and out in constant memory, and any range of it agrees. What
// it costs is printed beside what raw Pebble and the AEAD alone cost in the same process.
func TestBigBlob(t *testing.T) {
	if *bigGiB == 0 {
		t.Skip("takes minutes and much space: -biggib 8")
	}
	dir, err := os.MkdirTemp(*bigDir, "sealkv-big-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	b := &big{t: t, size: int64(*bigGiB) << 30, dir: dir}
	t.Logf("%d GiB, GOMAXPROCS %d, chunks apart: %v", *bigGiB, runtime.GOMAXPROCS(0), *bigApart)
	e := b.engine("records")
	w := newWorld(t, store.Options{Engine: e}, "acme")
	n := w.ns("acme", "jira/attachments")
	b.plant(w.Store, w.ns("acme", "jira/comments"))
	b.rate("generating", b.size/8, func() { io.Copy(io.Discard, struct{ io.Reader }{&endless{size: b.size / 8}}) })
	b.rate("sealkv: write", b.size, func() { b.write(n) })
	t.Logf("peak RSS %s", peakRSS())
	b.rate("sealkv: read", b.size, func() { b.read(n, &discarding{}) })
	b.rate("sealkv: read and compare", b.size, func() { b.read(n, &comparing{}) })
	t.Logf("peak RSS %s", peakRSS())
	b.ranges(n)
	b.beside(w.ns("acme", "jira/comments"), n)
	b.rate("sealkv: what compactions still had to do", b.size, func() {
		if err := e.Compact(t.Context(), engine.Range{Start: []byte{1}, End: []byte{0xf0}}); err != nil {
			t.Fatal(err)
		}
	})
	m := e.Metrics()
	t.Logf("on disk %.2f of the value, tables %.2f", float64(m.DiskBytes)/float64(b.size), float64(m.TableBytes)/float64(b.size))
	b.rate("sealkv: delete and collect", b.size, func() { b.deleteAll(w, n, e) })
	for start := time.Now(); time.Since(start) < 2*time.Minute && e.Metrics().DiskBytes > b.size/2; {
		time.Sleep(time.Second) // files are unlinked soon after
	}
	t.Logf("on disk %.3f of the value", float64(e.Metrics().DiskBytes)/float64(b.size))
	t.Logf("peak RSS %s", peakRSS())
	w.Store.Close()
	b.against()
}

type discarding struct{}

func (*discarding) Write(p []byte) (int, error) { return len(p), nil }

func (b *big) write(n *store.Namespace) {
	w, err := n.Create(b.t.Context(), []byte("big"), nil)
	if err == nil {
		_, err = w.ReadFrom(&endless{size: b.size})
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *big) read(n *store.Namespace, to io.Writer) {
	r := mustOpen(b.t, n, "big")
	defer r.Close()
	if k, err := r.WriteTo(to); err != nil || k != b.size {
		b.t.Fatalf("%d bytes, %v", k, err)
	}
}

// ranges reads at random, from opening the value to the first byte and to 1 MiB.
func (b *big) ranges(n *store.Namespace) {
	var first, whole []time.Duration
	buf, want := make([]byte, 1<<20), make([]byte, 1<<20)
	for range 500 {
		at := rand.Int64N(b.size - int64(len(buf)))
		start := time.Now()
		r := mustOpen(b.t, n, "big")
		r.Seek(at, io.SeekStart)
		if _, err := io.ReadFull(r, buf[:1]); err != nil {
			b.t.Fatal(err)
		}
		first = append(first, time.Since(start))
		if _, err := io.ReadFull(r, buf[1:]); err != nil {
			b.t.Fatal(err)
		}
		whole = append(whole, time.Since(start))
		fillAt(want, at)
		if !bytes.Equal(buf, want) {
			b.t.Fatalf("another range at %d", at)
		}
		if _, err := r.ReadAt(buf, at); err != nil || !bytes.Equal(buf, want) {
			b.t.Fatalf("ReadAt(%d): %v", at, err)
		}
		r.Close()
	}
	b.t.Logf("range: first byte %s, 1 MiB %s", percentiles(first), percentiles(whole))
}

func percentiles(d []time.Duration) string {
	slices.Sort(d)
	at := func(p float64) time.Duration { return d[int(p*float64(len(d)-1))].Round(100 * time.Nanosecond) }
	return fmt.Sprintf("p50 %v p99 %v p99.9 %v", at(.5), at(.99), at(.999))
}

const smallValues = 50_000

func (b *big) plant(s *store.Store, n *store.Namespace) {
	value := content(1024, 1)
	for i := 0; i < smallValues; {
		batch := s.NewBatch()
		for range 100 {
			if err := batch.Put(n, fmt.Appendf(nil, "small/%06d", i), value); err != nil {
				b.t.Fatal(err)
			}
			i++
		}
		if err := batch.Commit(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
	}
}

// beside measures small gets alone and beside a stream.
func (b *big) beside(small, large *store.Namespace) {
	b.t.Logf("small zipfian gets alone:      %s", percentiles(b.gets(small, nil)))
	var done atomic.Bool
	var streams sync.WaitGroup
	streams.Go(func() { b.read(large, &discarding{}); done.Store(true) })
	b.t.Logf("small zipfian gets beside it:  %s", percentiles(b.gets(small, &done)))
	streams.Wait()
}

func (b *big) gets(n *store.Namespace, done *atomic.Bool) (took []time.Duration) {
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, smallValues-1)
	var dst []byte
	for i := 0; done == nil && i < 300_000 || done != nil && !done.Load(); i++ {
		key := fmt.Appendf(nil, "small/%06d", mix(zipf.Uint64())%smallValues)
		start := time.Now()
		var err error
		if dst, err = n.GetInto(b.t.Context(), key, dst[:0]); err != nil {
			b.t.Error(err)
			return took
		}
		took = append(took, time.Since(start))
	}
	return took
}

func (b *big) deleteAll(w *world, n *store.Namespace, e *pebble.Engine) {
	err := n.Delete(b.t.Context(), []byte("big"))
	if err == nil {
		err = w.Collect(b.t.Context())
	}
	if err == nil {
		err = e.Compact(b.t.Context(), engine.Range{Start: []byte{1}, End: []byte{0xf0}})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// against does the same with raw Pebble and with the AEAD alone, on a part of the bytes.
func (b *big) against() {
	size := min(b.size, 4<<30)
	e := b.engine("raw")
	b.rate("raw Pebble: write", size, func() { b.rawWrite(e, size) })
	b.rate("raw Pebble: read", size, func() { b.rawRead(e, size) })
	if err := e.Close(); err != nil {
		b.t.Fatal(err)
	}
	for _, workers := range []int{1, runtime.GOMAXPROCS(0)} {
		b.rate(fmt.Sprintf("AEAD alone: seal on %d", workers), size, func() { aeadAlone(size, workers, false) })
		b.rate(fmt.Sprintf("AEAD alone: open on %d", workers), size, func() { aeadAlone(size, workers, true) })
	}
}

func rawKey(index int64) []byte {
	key := codec.AppendPrefix(nil, codec.KindChunk, "acme", "jira/attachments")
	return codec.AppendChunkKey(nil, key, codec.BlobID{1}, uint32(index))
}

// rawWrite writes generated bytes in the same batches from as many goroutines.
func (b *big) rawWrite(e *pebble.Engine, size int64) {
	b.spread(size/chunk/8, func(run int64) error {
		batch := e.NewBatch()
		defer batch.Close()
		for i := range int64(8) {
			key := rawKey(8*run + i)
			k, v := batch.SetDeferred(len(key), chunk+codec.TagLen)
			copy(k, key)
			fillAt(v, (8*run+i)*chunk)
		}
		return e.Apply(b.t.Context(), batch, false)
	})
	if err := e.Sync(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// A taker takes what it is given, as a reader of the AEAD's would.
type taker struct{ dst []byte }

func (c *taker) Value(value []byte) error { c.dst = append(c.dst[:0], value...); return nil }

var takers = sync.Pool{New: func() any { return new(taker) }}

func (b *big) rawRead(e *pebble.Engine, size int64) {
	b.spread(size/chunk, func(index int64) error {
		c := takers.Get().(*taker)
		defer takers.Put(c)
		return e.Get(b.t.Context(), rawKey(index), c)
	})
}

func (b *big) spread(count int64, fn func(i int64) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < count; i = next.Add(1) - 1 {
				if err := fn(i); err != nil {
					b.t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func aeadAlone(size int64, workers int, open bool) {
	content, err := keys.NewContentKey(codec.SuiteXChaCha)
	if err != nil {
		panic(err)
	}
	defer content.Wipe()
	aad := make([]byte, 100)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			plain, out := make([]byte, chunk), make([]byte, 0, chunk+codec.TagLen)
			sealed, _ := content.SealChunk(nil, plain, aad, 0, false)
			for done := int64(0); done < size/int64(workers); done += chunk {
				if open {
					content.OpenChunk(out, sealed, aad, 0, false)
				} else {
					content.SealChunk(out, plain, aad, 0, false)
				}
			}
		})
	}
	all.Wait()
}
