package store_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealkv/sealkv/store"
)

// An act is cut short at each of its steps, and done again.
type act struct {
	comments string // domain of the comments before it; empty for tenant
	ready    func(s *stage) error
	do       func(s *stage) error
	done     error  // what it may return when it is done already
	between  error  // what reads may return in the middle, besides what they did before it and do after it
	after    string // is in the portrait afterwards
	lost     string // how many records are; empty for none
}

// steps runs them until one fails.
func steps(all ...func(s *stage) error) func(s *stage) error {
	return func(s *stage) error {
		for _, step := range all {
			if err := step(s); err != nil {
				return err
			}
		}
		return nil
	}
}

func put(id, name, key, value string) func(s *stage) error {
	return func(s *stage) error { return s.ns(id, name).Put(s.t.Context(), []byte(key), []byte(value)) }
}

func rotateData(s *stage) error {
	_, err := s.tenant("acme").RotateDataKeys(s.t.Context())
	return err
}

func sweepIn(id string, namespaces ...string) func(s *stage) error {
	return func(s *stage) error {
		_, err := s.tenant(id).Sweep(s.t.Context(), &store.SweepOptions{Namespaces: namespaces, Workers: 1, Urgent: true})
		return err
	}
}

var sweepAll = steps(sweepIn("acme"), sweepIn("globex"))

// retire retires the tenant's keys that drain, in all namespaces or in some, and again those that
// are retired.
func retire(force bool, namespaces ...string) func(s *stage) error {
	return func(s *stage) error {
		infos, err := s.tenant("acme").DataKeys()
		for _, info := range infos {
			chosen := len(namespaces) == 0 || slices.Contains(namespaces, info.Namespace)
			if err == nil && chosen && info.State != "active" {
				err = s.tenant("acme").RetireDataKey(s.t.Context(), info.Namespace, info.Number, force)
			}
		}
		return err
	}
}

func revokeAcme(s *stage) error { return s.tenant("acme").Revoke(s.t.Context()) }

func toRoot(id, uri string) func(s *stage) error {
	return func(s *stage) error { return s.tenant(id).RotateRoot(s.t.Context(), uri) }
}

func shredAcme(opts *store.ShredOptions) func(s *stage) error {
	return func(s *stage) error { _, err := s.tenant("acme").Shred(s.t.Context(), opts); return err }
}

func addInitech(opts *store.TenantOptions) func(s *stage) error {
	return func(s *stage) error { _, err := s.AddTenant(s.t.Context(), "initech", opts); return err }
}

func applyPolicy(comments string) func(s *stage) error {
	return func(s *stage) error {
		return s.ApplyPolicy(s.t.Context(), crashPolicy(s.t, 2, comments), &store.ApplyOptions{AllowDowngrade: true})
	}
}

func collect(s *stage) error { return s.Collect(s.t.Context()) }

var acts = map[string]act{
	"add tenant":                {do: addInitech(&store.TenantOptions{Root: "test://initech"}), done: store.ErrTenantExists, after: "initech is enrolled"},
	"add hosted tenant":         {do: addInitech(nil), done: store.ErrTenantExists, after: "initech is hosted"},
	"first key of a namespace":  {do: put("acme", "jira/issues", "new", "v"), after: "acme jira/issues has active tenant keys"},
	"first key of a transition": {ready: addInitech(nil), do: put("initech", "jira/attachments", "new", longCrashValue), after: "initech jira/attachments has active platform keys"},
	"rotate data keys":          {do: rotateData, after: "acme jira/attachments has draining platform keys"},
	"rotate tenant key":         {do: func(s *stage) error { _, err := s.tenant("acme").RotateTenantKey(s.t.Context()); return err }},
	"rotate root":               {do: toRoot("acme", "test://next"), after: "acme is enrolled under test://next"},
	"rotate root to its newest version": {
		ready: func(s *stage) error { s.roots["test://acme"].Rotate(); return nil },
		do:    toRoot("acme", "test://acme"), after: "acme is enrolled under test://acme",
	},
	"rotate platform root": {do: func(s *stage) error { return s.RotatePlatformRoot(s.t.Context(), "test://next") }, after: "globex is hosted under test://next"},
	"sweep":                {ready: rotateData, do: sweepAll, after: "acme jira/comments has draining tenant keys, retire: true"},
	"retire":               {ready: steps(rotateData, sweepAll), do: retire(false), after: "acme jira/comments has active tenant keys"},
	"sweep and retire": {
		ready: rotateData, do: steps(sweepIn("acme", "jira/comments"), retire(false, "jira/comments")),
		after: "acme jira/comments has records under active tenant keys 2",
	},
	"retire with force": {ready: rotateData, do: retire(true), after: "acme jira/comments has records under retired tenant keys 2", lost: "5"},
	"shred tenant":      {do: shredAcme(nil), between: store.ErrKeyDestroyed, after: "acme is shredded"},
	"shred in scope":    {do: shredAcme(&store.ShredOptions{InScope: true}), between: store.ErrKeyDestroyed, after: "acme jira/attachment-metadata has records under active platform keys 1"},
	"shred a namespace": {
		do:      shredAcme(&store.ShredOptions{Namespaces: []string{"jira/comments", "jira/attachments"}}),
		between: store.ErrKeyDestroyed, after: "acme jira/attachment-metadata has records under active platform keys 1",
	},
	"enroll":  {do: toRoot("globex", "test://globex"), after: "globex is enrolled under test://globex"},
	"leave":   {do: toRoot("acme", ""), after: "acme is hosted under " + platformURI},
	"revoke":  {do: revokeAcme, after: "acme is revoked"},
	"restore": {ready: revokeAcme, do: func(s *stage) error { return s.tenant("acme").Restore(s.t.Context()) }, after: "acme is enrolled"},
	"end of a transition": {
		ready: func(s *stage) error { s.clock.move(24 * time.Hour); return nil },
		do:    steps(sweepAll, retire(false)), after: "acme jira/attachments has records under active tenant keys 2",
	},
	"backup": {do: backUp, after: "acme jira/issues has active tenant keys"},
	"put":    {do: steps(put("acme", "jira/comments", "short", "new"), collect)},
	"put in chunks": {
		do: steps(put("acme", "jira/comments", "new", longCrashValue), put("globex", "jira/attachments", "new", longCrashValue)), after: "chunks 10",
	},
	"replace what is in chunks": {do: steps(put("acme", "jira/attachments", "long", longCrashValue+"new"), collect), after: "chunks 6"},
	"delete what is in chunks": {
		do: steps(func(s *stage) error { return s.ns("acme", "jira/attachments").Delete(s.t.Context(), []byte("long")) }, collect), after: "chunks 4",
	},
	"batch over namespaces": {do: commitBatch, after: "acme jira/issues has records under active tenant keys 1"},
}

func init() {
	for _, from := range []string{"tenant", "platform", "both"} {
		for _, to := range []string{"tenant", "platform", "both"} {
			if from != to {
				acts["policy from "+from+" to "+to] = act{comments: from, do: steps(applyPolicy(to), sweepAll, retire(false))}
			}
		}
	}
}

func commitBatch(s *stage) error {
	b := s.NewBatch()
	return errors.Join(
		b.Put(s.ns("acme", "jira/comments"), []byte("short"), []byte("batched")),
		b.Put(s.ns("acme", "jira/issues"), []byte("new"), []byte("batched")),
		b.Put(s.ns("globex", "jira/attachments"), []byte("new"), []byte(longCrashValue)),
		b.Delete(s.ns("globex", "jira/comments"), []byte("short")),
		b.Commit(s.t.Context()),
	)
}

// backUp backs up and restores, while a namespace gets its first key when the copy begins.
func backUp(s *stage) error {
	s.camera.begun = func() { mustPut(s.t, s.ns("acme", "jira/issues"), "new", "v") }
	dir, _ := backup(s.t, s.world)
	opts := s.opts
	r, _ := restored(s.t, &world{t: s.t, opts: opts, roots: s.roots}, dir, "")
	again := &stage{world: r, clock: s.clock}
	if diff := differences(again.read(), s.read()); len(diff) > 0 {
		s.t.Errorf("restored: %v", diff)
	}
	verified(s.t, r.Store)
	return r.Close()
}

// A crash at any step of any act leaves a store that opens, in which each value reads as it did before
// the act or as it does after it; and doing it again makes it what it had been without the crash.
func TestCrashPoints(t *testing.T) {
	for name, a := range acts {
		t.Run(name, func(t *testing.T) { t.Parallel(); testCrashPoints(t, a) })
	}
}

func testCrashPoints(t *testing.T, a act) {
	s := newStage(t, cmp.Or(a.comments, "tenant"))
	if a.ready != nil {
		if err := errors.Join(a.ready(s), s.Sync(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	was := s.read()
	s.camera.start(s.dir + "/keyring.db")
	if err := a.do(s); err != nil {
		t.Fatal(err)
	}
	points := s.camera.stop()
	is, want := s.read(), s.portrait()
	s.checkGone(wrapsIn(t, points[0].keyring))
	s.Close()
	if !slices.Contains(want, "bad records "+cmp.Or(a.lost, "0")) {
		t.Fatal(strings.Join(want, "\n"))
	}
	if !slices.ContainsFunc(want, func(line string) bool { return strings.HasPrefix(line, a.after) }) {
		t.Fatalf("no %q in\n%s", a.after, strings.Join(want, "\n"))
	}
	for i := range points {
		t.Run(points[i].name, func(t *testing.T) {
			c, err := s.at(t, &points[i])
			if err != nil {
				t.Fatal(err)
			}
			a.again(c, was, is, want)
			c.checkGone(wrapsIn(t, points[0].keyring))
		})
	}
}

// again looks at a store at a crash point, and does the act again.
func (a *act) again(s *stage, was, is map[string]string, want []string) {
	s.t.Helper()
	for place, got := range s.read() {
		if got != was[place] && got != is[place] && (a.between == nil || got != a.between.Error()) {
			s.t.Errorf("%s reads as %s, did as %s, and would as %s", place, brief(got), brief(was[place]), brief(is[place]))
		}
	}
	s.check()
	if err := a.do(s); err != nil && !(a.done != nil && errors.Is(err, a.done)) {
		s.t.Fatalf("again: %v", err)
	}
	if diff := differences(s.read(), is); len(diff) > 0 {
		s.t.Errorf("done again: %s", strings.Join(diff, "\n"))
	}
	if got := s.portrait(); !slices.Equal(got, want) {
		s.t.Errorf("done again it is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	s.check()
}
