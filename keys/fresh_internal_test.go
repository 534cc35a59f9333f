package keys

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/keys/root/roottest"
)

// A root that asks for a slower pace gets one, also while the keys that it opened live on; and it is asked
// in time once it answers again.
func TestRefreshBacksOff(t *testing.T) {
	now := time.Now()
	roots := roottest.Opener{"test://platform": roottest.NewKey("platform")}
	k, err := Create(t.Context(), filepath.Join(t.TempDir(), "keyring.db"), codec.Identity{Format: codec.Format}, "test://platform", nil, roots,
		&Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	p, err := k.platformKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.release()
	opened := now
	_, before := roots["test://platform"].Calls()
	at := func(d time.Duration) {
		now = opened.Add(d)
		k.checkSessions(t.Context())
		k.stopped.Wait()
	}
	roots["test://platform"].SetError(root.ErrThrottled)
	for d := DefaultKeyTTL * 3 / 4; d < DefaultKeyTTL-10*time.Second; d += time.Second {
		at(d)
	}
	if _, after := roots["test://platform"].Calls(); after-before < 5 || after-before > 35 {
		t.Errorf("it was asked %d times in 65 seconds", after-before)
	}
	roots["test://platform"].SetError(nil)
	for d := DefaultKeyTTL - 10*time.Second; d < DefaultKeyTTL-2*time.Second; d += time.Second {
		at(d)
	}
	if stats := k.Stats(); stats.Open != 1 || stats.OldestKey > 10*time.Second {
		t.Errorf("after it answered again: %+v", stats)
	}
}
