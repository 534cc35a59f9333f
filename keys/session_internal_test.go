package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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

type fullAnchor struct{ noAnchor }

func (fullAnchor) StoreMirror(context.Context, []byte) error { return errors.New("no space left") }

// A revocation by the root holds whether it can be recorded or not; if not, the log says so.
func TestUnrecordedWordIsLogged(t *testing.T) {
	var said bytes.Buffer
	k, roots := newTestRing(t, &Options{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	k.mirror.anchor = fullAnchor{}
	roots["test://acme"].SetError(root.ErrRevoked)
	if err := k.Vouched(t.Context(), "acme"); !errors.Is(err, ErrRevoked) {
		t.Errorf("a root that has revoked: %v", err)
	}
	if text := said.String(); !strings.Contains(text, "not recorded") || !strings.Contains(text, "tenant=acme") || !strings.Contains(text, "no space left") {
		t.Errorf("the log says %q", text)
	}
}
