package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/sealkv/sealkv/store/engine"
)

// testModel drives the engine against a map. Rapid prints the seed that replays a failure.
func testModel(r rig) {
	run := 0
	r.T.Cleanup(func() { r.Engine.Close() }) // the one that was opened last
	rapid.Check(r.T, func(t *rapid.T) {
		run++
		m := &model{rig: r, t: t, prefix: fmt.Sprintf("%06d/", run), now: map[string]string{}}
		defer func() { r.Engine = m.Engine }() // which may have been reopened
		defer m.closeSnapshots(nil)
		t.Repeat(map[string]func(*rapid.T){
			"":             m.checkAll,
			"apply":        m.apply,
			"delete range": m.deleteRange,
			"get":          m.get,
			"page":         m.page,
			"snapshot":     m.takeSnapshot,
			"end":          m.closeSnapshots,
			"reopen":       m.reopen,
		})
	})
}

// A model is what the engine should hold under prefix, which no other run uses.
type model struct {
	rig
	t         *rapid.T
	prefix    string
	now       map[string]string
	snapshots []view
}

// A view is a reader and what it should see.
type view struct {
	engine.Reader
	holds map[string]string
}

// keys are few, so that operations meet, and awkward, so that bounds are.
var keys = rapid.OneOf(
	rapid.StringMatching(`[a-c]{1,3}`),
	rapid.SampledFrom([]string{"\x00", "a\x00", "a\x00\x00", "b\xff", "\xff", "\xff\xff"}),
)

var values = rapid.OneOf(
	rapid.StringMatching(`[xyz]`),
	rapid.Map(rapid.IntRange(1, 3000), func(n int) string { return strings.Repeat("v", n) }),
)

func (m *model) key(t *rapid.T, label string) string { return m.prefix + keys.Draw(t, label) }

// apply builds a batch of sets and deletions, each key under conditions that hold or do not.
func (m *model) apply(t *rapid.T) {
	next, holds := maps.Clone(m.now), true
	err := m.build(t, func(b engine.Batch) {
		for range rapid.IntRange(0, 3).Draw(t, "conditions") {
			holds = m.ask(t, b) && holds
		}
		for range rapid.IntRange(0, 6).Draw(t, "operations") {
			key := m.key(t, "key")
			switch rapid.SampledFrom([]string{"set", "deferred", "delete"}).Draw(t, "operation") {
			case "set":
				next[key] = values.Draw(t, "value")
				b.Set([]byte(key), []byte(next[key]))
			case "deferred":
				next[key] = values.Draw(t, "value")
				k, v := b.SetDeferred(len(key), len(next[key]))
				copy(k, key)
				copy(v, next[key])
			case "delete":
				delete(next, key)
				b.Delete([]byte(key))
			}
		}
	})
	m.settle(t, err, holds, next)
}

// deleteRange builds a batch of ranges, which must not meet other operations in it.
func (m *model) deleteRange(t *rapid.T) {
	next := maps.Clone(m.now)
	var holds bool
	err := m.build(t, func(b engine.Batch) {
		holds = !rapid.Bool().Draw(t, "conditional") || m.ask(t, b)
		for range rapid.IntRange(1, 2).Draw(t, "ranges") {
			start, end := m.key(t, "start"), m.key(t, "end")
			b.DeleteRange([]byte(start), []byte(end))
			maps.DeleteFunc(next, func(key, _ string) bool { return start <= key && key < end })
		}
	})
	m.settle(t, err, holds, next)
}

func (m *model) build(t *rapid.T, fill func(engine.Batch)) error {
	b := m.NewBatch()
	defer b.Close()
	fill(b)
	return m.Apply(context.Background(), b, rapid.Bool().Draw(t, "sync"))
}

// ask adds a condition and returns whether it holds.
func (m *model) ask(t *rapid.T, b engine.Batch) bool {
	key := m.key(t, "asked")
	old, there := m.now[key]
	switch rapid.SampledFrom([]string{"absent", "equals", "as it is"}).Draw(t, "condition") {
	case "absent":
		b.IfAbsent([]byte(key))
		return !there
	case "equals":
		value := values.Draw(t, "asked value")
		b.IfEquals([]byte(key), []byte(value))
		return there && value == old
	default:
		if there {
			b.IfEquals([]byte(key), []byte(old))
		} else {
			b.IfAbsent([]byte(key))
		}
		return true
	}
}

func (m *model) settle(t *rapid.T, err error, holds bool, next map[string]string) {
	switch {
	case holds && err == nil:
		m.now = next
	case holds || !errors.Is(err, engine.ErrConflict):
		t.Fatalf("Apply: %v; the conditions hold: %v", err, holds)
	}
}

// views are the newest state and the snapshots.
func (m *model) views() []view { return append(slices.Clone(m.snapshots), view{m.Engine, m.now}) }

func (m *model) view(t *rapid.T) view { return rapid.SampledFrom(m.views()).Draw(t, "view") }

func (m *model) get(t *rapid.T) {
	from, key := m.view(t), m.key(t, "key")
	if got, err := value(from, []byte(key)); err != nil || got != from.holds[key] {
		t.Fatalf("%q is %.40q (%v), want %.40q", key, got, err, from.holds[key])
	}
}

func (m *model) page(t *rapid.T) {
	m.checkPage(t, m.view(t), m.key(t, "start"), m.key(t, "end"),
		rapid.Bool().Draw(t, "reverse"), rapid.IntRange(0, 4).Draw(t, "max"))
}

// checkAll reads everything; rapid calls it after each step.
func (m *model) checkAll(t *rapid.T) {
	for _, from := range m.views() {
		m.checkPage(t, from, m.prefix, m.prefix+"\xff\xff\xff", false, 0)
	}
}

func (m *model) checkPage(t *rapid.T, from view, start, end string, reverse bool, limit int) {
	var want []string
	for _, key := range slices.Sorted(maps.Keys(from.holds)) {
		if start <= key && key < end {
			want = append(want, key+"="+from.holds[key])
		}
	}
	if reverse {
		slices.Reverse(want)
	}
	if limit > 0 && len(want) > limit {
		want = want[:limit]
	}
	sink := &pageSink{max: limit}
	if err := from.Page(context.Background(), span(start, end, reverse), sink); err != nil {
		t.Fatalf("Page: %v", err)
	}
	if !slices.Equal(sink.pairs, want) {
		t.Fatalf("[%q, %q) reverse %v limit %d is %.80q, want %.80q", start, end, reverse, limit, sink.pairs, want)
	}
}

func (m *model) takeSnapshot(t *rapid.T) {
	s, ok := m.Engine.(engine.Snapshotter)
	if !ok || len(m.snapshots) == 3 {
		return
	}
	snapshot, err := s.NewSnapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	m.snapshots = append(m.snapshots, view{snapshot, maps.Clone(m.now)})
}

func (m *model) closeSnapshots(*rapid.T) {
	for _, s := range m.snapshots {
		s.Reader.(engine.Snapshot).Close()
	}
	m.snapshots = nil
}

// reopen happens in one of several draws, since it is slow.
func (m *model) reopen(t *rapid.T) {
	if m.options.Reopen == nil || rapid.IntRange(0, 4).Draw(t, "reopen") != 0 {
		return
	}
	m.closeSnapshots(t)
	m.Engine = m.options.Reopen(m.T, m.Engine)
}
