package keys

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealkv/sealkv/keys/root"
)

// The pause after a failure doubles to a bound, is four times as long where the root throttles, and is
// drawn at random from its second half.
func TestBackoff(t *testing.T) {
	now := time.Now()
	for failure, factor := range map[error]time.Duration{root.ErrUnavailable: 1, root.ErrThrottled: 4} {
		drawn := map[time.Duration]bool{}
		for range 50 {
			s := new(session)
			for i := range 20 {
				s.fail(fmt.Errorf("asking: %w", failure), now)
				most := min(maxBackoff, factor*min(maxBackoff, minBackoff<<i))
				pause := s.retry.Sub(now)
				if pause < most/2 || pause > most {
					t.Fatalf("%v, failure %d: a pause of %v, want %v to %v", failure, i, pause, most/2, most)
				}
				if i == 0 {
					drawn[pause] = true
				}
			}
		}
		if len(drawn) < 2 {
			t.Errorf("%v: no jitter", failure)
		}
	}
}
