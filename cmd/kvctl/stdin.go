package main

import (
	"context"
	"io"
)

// stdin is standard input until ctx ends: to wait for what never comes is no way to be
// interrupted.
func (c *cli) stdin(ctx context.Context) io.Reader { return &interruptible{ctx: ctx, from: c.in} }

// An interruptible reads in a goroutine of its own, which an interruption leaves behind.
type interruptible struct {
	ctx  context.Context
	from io.Reader
	buf  []byte // of that goroutine
}

// stdinBuffer is how much is read at once.
const stdinBuffer = 64 << 10

func (r *interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.buf == nil {
		r.buf = make([]byte, stdinBuffer)
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := r.from.Read(r.buf[:min(len(p), len(r.buf))])
		done <- result{n, err}
	}()
	select {
	case got := <-done:
		return copy(p, r.buf[:got.n]), got.err
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	}
}
