package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// rest is how many times as long as it has worked a sweep rests while others use the store:
	// it takes a fifth of one processor then.
	rest = 4
	// maxRest bounds one rest, after a long value was sealed anew.
	maxRest = time.Second
)

// A pace is how fast work in the background goes: not above its limits, and after the foreground.
// The goroutines of one piece of work share it.
type pace struct {
	records, bytes *rate.Limiter // nil for no limit
	foreground     *foreground   // nil for work that does not wait for it
	seen           atomic.Uint64 // operations of the foreground when it was last looked at
	turn           sync.Mutex    // held while resting: only one works then
}

func newPace(recordsPerSecond, bytesPerSecond int, foreground *foreground) *pace {
	p := &pace{records: limiter(recordsPerSecond), bytes: limiter(bytesPerSecond), foreground: foreground}
	if foreground != nil {
		p.seen.Store(foreground.operations())
	}
	return p
}

// limiter lets a twentieth of a second's worth through at once.
func limiter(perSecond int) *rate.Limiter {
	if perSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), max(perSecond/20, 1))
}

// begin waits until one more record may be visited.
func (p *pace) begin(ctx context.Context) error {
	if p.records == nil {
		return ctx.Err()
	}
	return wait(ctx, p.records, 1)
}

// wait waits until a limiter allows n more. One that would wait beyond ctx's deadline gives up at once, with
// an error that is not the context's.
func wait(ctx context.Context, l *rate.Limiter, n int) error {
	err := l.WaitN(ctx, n)
	if _, ends := ctx.Deadline(); err != nil && ends && ctx.Err() == nil {
		return context.DeadlineExceeded
	}
	return err
}

// end pays for work that has read so many bytes and began at a time: it waits until the limit
// allows them, and rests if others used the store meanwhile.
func (p *pace) end(ctx context.Context, bytes uint64, began time.Time) error {
	worked := time.Since(began)
	for p.bytes != nil && bytes > 0 {
		part := min(bytes, uint64(p.bytes.Burst()))
		if err := wait(ctx, p.bytes, int(part)); err != nil {
			return err
		}
		bytes -= part
	}
	if !p.busy() {
		return nil
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	return pause(ctx, min(rest*worked, maxRest))
}

// busy reports whether an operation of the foreground has begun since it was last asked.
func (p *pace) busy() bool {
	if p.foreground == nil {
		return false
	}
	now := p.foreground.operations()
	return p.seen.Swap(now) != now
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
