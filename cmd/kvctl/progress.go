package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
)

// A progress shows on a terminal how far a long run is, and nowhere else.
type progress struct {
	doing string
	bar   *progressbar.ProgressBar
}

// A screen is standard error while nobody is asked for a passphrase; else what is written is dropped.
type screen struct {
	io.Writer
	asked *sync.Mutex
}

func (s screen) Write(p []byte) (int, error) {
	if !s.asked.TryLock() {
		return len(p), nil
	}
	defer s.asked.Unlock()
	return s.Writer.Write(p)
}

// progress begins one; doing names it.
func (c *cli) progress(doing string) *progress {
	if c.json || !isTerminal(c.err) {
		return &progress{}
	}
	return &progress{doing: doing, bar: progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(screen{c.err, &c.passphrases.asked}),
		progressbar.OptionSetDescription(doing),
		progressbar.OptionShowBytes(true),
		progressbar.OptionUseIECUnits(true),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionEnableColorCodes(false),
	)}
}

// bytes says that done of total bytes are done; a total of 0 is not known.
func (p *progress) bytes(done, total int64) {
	if p.bar == nil {
		return
	}
	if total > 0 && p.bar.GetMax64() != total {
		p.bar.ChangeMax64(total)
	}
	if total > 0 {
		done = min(done, total-1) // end clears the bar, and the last may not be written yet
	}
	p.bar.Set64(done)
}

// count says how many things are done, where nobody knows of how many.
func (p *progress) count(done uint64, noun string) {
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%s: %s", p.doing, human.Counted(int(done), noun)))
	}
}

func (p *progress) end() {
	if p.bar != nil {
		p.bar.Finish()
		p.bar.Clear()
	}
}
