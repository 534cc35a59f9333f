package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
)

// raceTime is for how long a race is run on each engine.
func raceTime() time.Duration {
	switch {
	case *thorough:
		return 30 * time.Second
	case testing.Short():
		return 200 * time.Millisecond
	}
	return time.Second
}

// An owner is the only one who changes its key, so it knows what must be there.
type owner struct {
	w     *world
	n     *store.Namespace
	key   []byte
	value string // empty for none
	count int
	r     *rand.Rand
}

var ownedSizes = []int{10, 10, 10, 1000, 70_000}

func (o *owner) next() string {
	o.count++
	value := fmt.Sprintf("%s %d ", o.key, o.count)
	return value + strings.Repeat("x", o.r.IntN(ownedSizes[o.r.IntN(len(ownedSizes))]))
}

// step changes the key in one way or another, and reads it.
func (o *owner) step(ctx context.Context) error {
	next := o.next()
	var err error
	switch o.r.IntN(7) {
	case 0, 1:
		err = o.n.Put(ctx, o.key, []byte(next))
	case 2:
		next, err = "", o.n.Delete(ctx, o.key)
	case 3:
		err = o.n.PutIfAbsent(ctx, o.key, []byte(next))
		if errors.Is(err, store.ErrExists) == (o.value == "") {
			return fmt.Errorf("PutIfAbsent: %v", err)
		} else if err != nil {
			next, err = o.value, nil
		}
	case 4:
		err = o.n.CompareAndSwap(ctx, o.key, []byte(o.value), []byte(next))
		if errors.Is(err, store.ErrNotFound) && o.value == "" {
			next, err = "", nil
		}
	case 5:
		b := o.w.NewBatch()
		err = errors.Join(b.Put(o.n, o.key, []byte(next)), b.Commit(ctx))
	case 6:
		b := o.w.NewBatch()
		next, err = "", errors.Join(b.Put(o.n, o.key, []byte(next)), b.Delete(o.n, o.key), b.Commit(ctx))
	}
	if err != nil {
		return err
	}
	o.value = next
	for range 1 + o.r.IntN(3) {
		if err := o.check(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (o *owner) check(ctx context.Context) error {
	got, err := o.n.Get(ctx, o.key)
	switch {
	case errors.Is(err, store.ErrNotFound) && o.value == "":
		return nil
	case err != nil:
		return err
	case string(got) != o.value:
		return fmt.Errorf("%s: read %.20q, wrote %.20q", o.key, got, o.value)
	}
	return nil
}

// Rewraps race with everything that changes a record, with rotations of all kinds, with scans and
// with the collector. Every owner always reads what it wrote last.
func TestRaces(t *testing.T) {
	onEngines(t, func(t *testing.T, inner engine.Engine) {
		e := &hooked{Engine: inner}
		e.before = func([]write) error { runtime.Gosched(); return nil }
		w := newWorld(t, store.Options{Engine: e, NoSync: true, Inline: 4096, RewrapQueue: 4}, "acme")
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		ctx, stop := context.WithTimeout(context.Background(), raceTime())
		defer stop()
		// On a slow machine it goes on until something was rewrapped at all.
		last := time.Now().Add(time.Minute)
		on := func() bool {
			return ctx.Err() == nil || w.Stats().Rewrapped == 0 && !t.Failed() && time.Now().Before(last)
		}
		var wait sync.WaitGroup
		var steps atomic.Int64
		for i := range 6 {
			o := &owner{w: w, n: w.ns("acme", sceneNamespaces[i%len(sceneNamespaces)]), key: []byte(fmt.Sprint("key ", i)), r: rand.New(rand.NewPCG(seed, uint64(i)))}
			wait.Go(func() {
				for on() {
					if err := o.step(context.Background()); err != nil {
						t.Error(err)
						return
					}
					steps.Add(1)
				}
			})
		}
		rotators := []func() error{
			func() error { _, err := w.tenant("acme").RotateDataKeys(context.Background()); return err },
			func() error {
				_, err := w.tenant("acme").RotateDataKeys(context.Background(), "jira/comments")
				return err
			},
			func() error { _, err := w.tenant("acme").RotateTenantKey(context.Background()); return err },
			func() error { return w.tenant("acme").RotateRoot(context.Background(), "test://acme") },
			func() error { return w.Collect(context.Background()) },
			func() error { return scanAll(w.ns("acme", "jira/attachments")) },
		}
		for _, rotate := range rotators {
			wait.Go(func() {
				for on() {
					if err := rotate(); err != nil {
						t.Error(err)
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		wait.Wait()
		if got := w.Stats(); got.Rewrapped == 0 || got.Failed > 0 {
			t.Errorf("%d steps, %+v", steps.Load(), got)
		}
		if _, err := w.VerifyAudit(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
}

func scanAll(n *store.Namespace) error {
	for e, err := range n.Scan(context.Background(), nil) {
		if err != nil {
			return err
		}
		if value, err := e.Value(); err != nil || !strings.HasPrefix(string(value), string(e.Key)) {
			return fmt.Errorf("scan: %s is %.20q, %w", e.Key, value, err)
		}
	}
	return nil
}

// Many count in one record by comparing and swapping, while it is rotated and rewrapped.
func TestCompareAndSwapCounts(t *testing.T) {
	onEngines(t, func(t *testing.T, e engine.Engine) {
		w := newWorld(t, store.Options{Engine: e, NoSync: true, Rewrap: store.RewrapInline}, "acme")
		n := w.ns("acme", "jira/attachments")
		mustPut(t, n, "counter", "0")
		ctx, stop := context.WithTimeout(context.Background(), raceTime()/2)
		defer stop()
		var wait sync.WaitGroup
		var counted atomic.Int64
		for range 4 {
			wait.Go(func() {
				for ctx.Err() == nil {
					old, err := n.Get(context.Background(), []byte("counter"))
					if err != nil {
						t.Error(err)
						return
					}
					i, _ := strconv.Atoi(string(old))
					err = n.CompareAndSwap(context.Background(), []byte("counter"), old, []byte(strconv.Itoa(i+1)))
					if err == nil {
						counted.Add(1)
					} else if !errors.Is(err, store.ErrChanged) {
						t.Error(err)
					}
				}
			})
		}
		wait.Go(func() {
			for ctx.Err() == nil {
				if _, err := w.tenant("acme").RotateDataKeys(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
		wait.Wait()
		wantValue(t, n, "counter", strconv.FormatInt(counted.Load(), 10))
	})
}

// No record gets into the engine under a number that a rotation which has returned has drained.
func TestNothingUnderDrainedNumbers(t *testing.T) {
	onEngines(t, func(t *testing.T, inner engine.Engine) {
		var floor atomic.Uint32
		e := &hooked{Engine: inner}
		e.after = func(ws []write) {
			least := floor.Load()
			for _, one := range ws {
				var env codec.Envelope
				if one.key[0] != byte(codec.KindRecord) || env.Parse(one.value) != nil {
					continue
				}
				for _, r := range append(env.Recipients, codec.Recipient{Number: env.Number}) {
					if r.Number != 0 && r.Number < least {
						t.Errorf("a record under number %d; all below %d drain", r.Number, least)
					}
				}
			}
		}
		w := newWorld(t, store.Options{Engine: e, NoSync: true, Inline: 4096}, "acme")
		ctx, stop := context.WithTimeout(context.Background(), raceTime()/2)
		defer stop()
		var wait sync.WaitGroup
		seed := rand.Uint64()
		for i := range 4 {
			o := &owner{w: w, n: w.ns("acme", "jira/attachments"), key: []byte(fmt.Sprint("key ", i)), r: rand.New(rand.NewPCG(seed, uint64(i)))}
			wait.Go(func() {
				for ctx.Err() == nil {
					if err := o.step(context.Background()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for range 3 {
			wait.Go(func() {
				for ctx.Err() == nil {
					done, err := w.tenant("acme").RotateDataKeys(context.Background())
					if err != nil {
						t.Error(err)
					}
					for _, r := range done {
						raise(&floor, r.From+1)
					}
				}
			})
		}
		wait.Wait()
	})
}

func raise(floor *atomic.Uint32, to uint32) {
	for have := floor.Load(); have < to && !floor.CompareAndSwap(have, to); have = floor.Load() {
	}
}
