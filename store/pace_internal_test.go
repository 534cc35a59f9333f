package store

import (
	"context"
	"testing"
	"time"
)

// A pace that would go on beyond the deadline says that the deadline is exceeded, although it is not yet.
func TestPaceBeyondTheDeadline(t *testing.T) {
	p := newPace(1, 0, nil)
	for range 3600 {
		p.records.Reserve() // the next one is in an hour
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if err := p.begin(ctx); err != context.DeadlineExceeded {
		t.Error(err)
	}
}
