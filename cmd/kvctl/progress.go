package main

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"
)

// A progress shows on a terminal how far a long run is, and nowhere else.
type progress struct {
	doing string
	bar   *progressbar.ProgressBar
}

// progress begins one; doing names it.
func (c *cli) progress(doing string) *progress {
	if c.json || !isTerminal(c.err) {
		return &progress{}
	}
	return &progress{doing: doing, bar: progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(c.err),
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
		p.bar.Describe(fmt.Sprintf("%s: %s", p.doing, counted(int(done), noun)))
	}
}

func (p *progress) end() {
	if p.bar != nil {
		p.bar.Finish()
		p.bar.Clear()
	}
}
