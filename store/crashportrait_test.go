package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/codec"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
)

// portrait is what a store holds, in lines that are the same for a store in which an act was cut
// short and done again: what is under how many old keys is not, only that it is under old ones.
func (s *stage) portrait() []string {
	s.t.Helper()
	ctx := s.t.Context()
	if err := s.Collect(ctx); err != nil {
		s.t.Fatal(err)
	}
	lines := map[string]uint64{}
	infos, err := s.Tenants("", 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, info := range infos {
		lines[fmt.Sprint(info.ID, " is ", info.Status(), " under ", info.Root)] = 0
	}
	report, err := s.Coverage(ctx, nil)
	exact, err2 := s.Coverage(ctx, &store.CoverageOptions{Exact: true, Urgent: true})
	if err := errors.Join(err, err2); err != nil {
		s.t.Fatal(err)
	}
	for _, row := range report.Rows {
		lines[fmt.Sprint(row.Tenant, " ", row.Namespace, " has ", row.State, " ", row.Domain, " keys, retire: ", row.Needed == "")] = 0
	}
	for _, row := range exact.Rows {
		if row.Records > 0 {
			lines[fmt.Sprint(row.Tenant, " ", row.Namespace, " has records under ", row.State, " ", row.Domain, " keys")] += row.Records
		}
	}
	v, err := s.Verify(ctx, nil)
	if err != nil || v.Leftover != 0 {
		s.t.Errorf("verify: %+v, %v", v, err)
	}
	lines["bad records"] = v.Bad()
	for _, kind := range []codec.Kind{codec.KindRecord, codec.KindChunk, codec.KindJournal, codec.KindSweep, codec.KindCensus, codec.KindMiss} {
		keys, _ := rawAll(s.t, s.camera, kind)
		lines[fmt.Sprint(kind, "s")] = uint64(len(keys))
	}
	var out []string
	for line, n := range lines {
		out = append(out, fmt.Sprint(line, " ", n))
	}
	slices.Sort(out)
	return out
}

// check holds a store at a crash point to what is always so.
func (s *stage) check() {
	s.t.Helper()
	if _, err := s.VerifyAudit(s.t.Context(), nil); err != nil {
		s.t.Error(err)
	}
	have, seen := s.highest(s.camera), mirrored(s.t, s.camera)
	if have > seen {
		s.t.Errorf("a record under number %d, the mirror is at %d", have, seen)
	}
	exact, err := s.Coverage(s.t.Context(), &store.CoverageOptions{Exact: true, Urgent: true})
	if err != nil {
		s.t.Fatal(err)
	}
	counts := map[uint32]uint64{}
	for _, row := range exact.Rows {
		counts[row.Number] += row.Records
	}
	report, err := s.Coverage(s.t.Context(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, row := range report.Rows {
		if row.Needed == "" && counts[row.Number] > 0 {
			s.t.Errorf("%d records are under data key %d, which is said to be needed by nothing", counts[row.Number], row.Number)
		}
	}
}

// wrapsIn are the wrapped data keys of a keyring, by number.
func wrapsIn(t *testing.T, keyring []byte) map[uint32][]byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyring.db")
	if err := os.WriteFile(path, keyring, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	wraps := map[uint32][]byte{}
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("data-keys")).ForEach(func(key, value []byte) error {
			row, err := codec.ParseDataKeyRow(key)
			var rec codec.DataKey
			if err == nil {
				err = codec.DecodeRecord(bytes.Clone(value), &rec)
			}
			wraps[row.Number] = rec.Wrap
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return wraps
}

// checkGone holds the keyring to having none of the wraps of keys that are retired.
func (s *stage) checkGone(wraps map[uint32][]byte) {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.dir, "keyring.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, id := range crashTenants[:2] {
		infos, err := s.tenant(id).DataKeys()
		if err != nil {
			s.t.Fatal(err)
		}
		for _, info := range infos {
			if wrap := wraps[info.Number]; info.State == "retired" && len(wrap) > 0 && bytes.Contains(raw, wrap) {
				s.t.Errorf("data key %d is retired, and in the keyring's file", info.Number)
			}
		}
	}
}

// highest is the highest number that a record names.
func (s *stage) highest(e engine.Reader) (highest uint32) {
	_, envelopes := rawAll(s.t, e, codec.KindRecord)
	for _, raw := range envelopes {
		var env codec.Envelope
		if err := env.Parse(raw); err != nil {
			s.t.Fatal(err)
		}
		highest = max(highest, env.Number)
		for _, r := range env.Recipients {
			highest = max(highest, r.Number)
		}
	}
	return highest
}

// differences are the places of which two readings differ.
func differences(got, want map[string]string) (places []string) {
	for _, place := range slices.Sorted(maps.Keys(want)) {
		if got[place] != want[place] {
			places = append(places, fmt.Sprintf("%s: %s, want %s", place, brief(got[place]), brief(want[place])))
		}
	}
	return places
}

func brief(value string) string {
	if len(value) > 100 {
		return fmt.Sprint(len(value), " bytes")
	}
	return fmt.Sprintf("%q", value)
}
