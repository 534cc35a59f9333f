package keys_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/keys"
)

var countedSuites = []codec.Suite{codec.SuiteXChaCha, codec.SuiteXAES}

func counted(suite codec.Suite, most uint64) func(time.Time) (keys.Want, error) {
	return func(time.Time) (keys.Want, error) {
		return keys.Want{Tenant: true, Platform: true, Suite: suite, MaxSeals: most}, nil
	}
}

// sealsOf are the seals that the keyring's file has of each data key.
func (r *ring) sealsOf(t *testing.T) map[uint32]uint64 {
	t.Helper()
	infos, err := r.DataKeys("acme")
	if err != nil {
		t.Fatal(err)
	}
	out := map[uint32]uint64{}
	for _, info := range infos {
		out[info.Number] = info.Seals
	}
	return out
}

// pinToSeal pins while fn runs, which must not end the test.
func pinToSeal(t *testing.T, s *keys.Space, fn func(l *keys.Lease)) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	l, err := s.PinToSeal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unpin()
	fn(l)
}

// What the file counts of a key is at no time below what the key has sealed, over crashes too, and no key
// seals more than it may: another takes over.
func TestSealsAreCountedAhead(t *testing.T) {
	for _, suite := range countedSuites {
		t.Run(suite.String(), func(t *testing.T) {
			r := newRing(t, nil, "acme")
			begun := map[uint32]uint64{}
			for life := 0; len(begun) < 6; life++ {
				if life == 40 {
					t.Fatalf("no key was replaced: %v", begun)
				}
				s := r.Space("acme", "a/x", counted(suite, keys.MinMaxSeals))
				for range 10 + 60*life {
					pinToSeal(t, s, func(l *keys.Lease) {
						seals := r.sealsOf(t)
						for _, key := range l.Active {
							key.BeginRun()
							if begun[key.Number] += keys.SealsPerRun; begun[key.Number] > seals[key.Number] || seals[key.Number] > keys.MinMaxSeals {
								t.Errorf("life %d: key %d has made %d seals, %d are counted", life, key.Number, begun[key.Number], seals[key.Number])
							}
						}
					})
					if t.Failed() {
						return
					}
				}
				if err := r.reopen(); err != nil {
					t.Fatal(err)
				}
			}
			if begun[1] < keys.MinMaxSeals/2 {
				t.Errorf("the first key was replaced after %d seals", begun[1])
			}
		})
	}
}

// Suite 2 has a limit of its own, whatever the policy says; suite 1 has none, and then nobody counts.
func TestLimitOfASuite(t *testing.T) {
	for _, most := range []uint64{0, 1 << 60} {
		r := newRing(t, nil, "acme")
		s := r.Space("acme", "a/x", counted(codec.SuiteXAES, most))
		pin(t, s).Unpin()
		if err := r.SetSeals(t.Context(), "acme", "a/x", 1, 1<<45-keys.SealsPerRun); err != nil {
			t.Fatal(err)
		}
		for _, want := range []uint32{1, 3} {
			pinToSeal(t, s, func(l *keys.Lease) {
				if got := l.Active[0].Number; got == 1 != (want == 1) {
					t.Errorf("max-seals %d: sealing under %v, want %d", most, l.Numbers(), want)
				}
				for _, key := range l.Active {
					key.BeginRun()
				}
			})
		}
		if seals := r.sealsOf(t); seals[1] != 1<<45 {
			t.Fatalf("%d seals", seals[1])
		}
	}
	r := newRing(t, nil, "acme")
	s := r.Space("acme", "a/x", counted(codec.SuiteXChaCha, 0))
	pin(t, s).Unpin()
	before := r.Counters().Revision
	for range 3 {
		pinToSeal(t, s, func(l *keys.Lease) { l.Active[0].BeginRun() })
	}
	if after := r.Counters().Revision; after != before {
		t.Fatalf("revision %d after %d", after, before)
	}
}

// Who waits for a count shares one change of the keyring.
func TestCountsAreShared(t *testing.T) {
	r := newRing(t, nil, "acme")
	s := r.Space("acme", "a/x", counted(codec.SuiteXAES, 0))
	pin(t, s).Unpin()
	before := r.Counters().Revision
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			l, err := s.PinToSeal(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			l.Unpin()
		})
	}
	wait.Wait()
	if after := r.Counters().Revision; after != before+1 {
		t.Errorf("revision %d after %d", after, before)
	}
}
