package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealkv/sealkv/store/engine"
)

func testPage(r rig) {
	r.wantPage(r, "\x00", "\xff\xff", "")
	r.set("a=1", "a\x00=2", "ab=3", "b=4", "\xff=5", "\xff\xff=6")
	for _, test := range []struct{ start, end, want string }{
		{"a", "b", "a=1 a\x00=2 ab=3"},
		{"a\x00", "b\x00", "a\x00=2 ab=3 b=4"},
		{"a", "a\x00", "a=1"},
		{"aa", "ab", ""},
		{"b", "\xff\xff\x00", "b=4 \xff=5 \xff\xff=6"},
		{"\x00", "\xff\xff", "a=1 a\x00=2 ab=3 b=4 \xff=5"},
		{"c", "d", ""},
		{"b", "b", ""},
		{"b", "a", ""},
		{"", "b", ""},
		{"a", "", ""},
		{"", "", ""},
	} {
		r.wantPage(r, test.start, test.end, test.want)
	}
}

// testPageEnds reads a range in pages, which the sink ends.
func testPageEnds(r rig) {
	ctx := context.Background()
	var all []string
	for i := range 25 {
		all = append(all, fmt.Sprintf("k%02d=%d", i, i))
	}
	r.set(all...)
	for _, reverse := range []bool{false, true} {
		for size := 1; size <= 26; size++ {
			var got []string
			for at := span("k", "l", reverse); ; {
				sink := &pageSink{max: size}
				r.want(nil, r.Page(ctx, at, sink))
				got = append(got, sink.pairs...)
				if len(sink.pairs) < size {
					break
				}
				last, _, _ := strings.Cut(sink.pairs[size-1], "=")
				if reverse {
					at.End = []byte(last)
				} else {
					at.Start = []byte(last + "\x00")
				}
			}
			if reverse {
				slices.Reverse(got)
			}
			if !slices.Equal(got, all) {
				r.Fatalf("pages of %d, reverse %v: %q", size, reverse, got)
			}
		}
	}

	failed := errors.New("enough")
	sink := &pageSink{then: func() error { return failed }}
	r.want(failed, r.Page(ctx, span("k", "l", false), sink))
	if len(sink.pairs) != 1 {
		r.Fatalf("the page went on after an error: %q", sink.pairs)
	}
}

// testPageIsOneView changes the engine from inside a page, which also shows that a sink may.
func testPageIsOneView(r rig) {
	for _, reverse := range []bool{false, true} {
		r.set("a=1", "b=1", "c=1")
		round := 1
		sink := &pageSink{then: func() error {
			round++
			return r.try(func(b engine.Batch) {
				for _, key := range []string{"a", "b", "bb", "c"} {
					b.Set([]byte(key), []byte{'0' + byte(round)})
				}
			})
		}}
		r.want(nil, r.Page(context.Background(), span("a", "z", reverse), sink))
		slices.Sort(sink.pairs)
		if got := strings.Join(sink.pairs, " "); got != "a=1 b=1 c=1" {
			r.Fatalf("the page saw %q", got)
		}
		r.wantPage(r, "a", "z", "a=4 b=4 bb=4 c=4")
		r.do(func(b engine.Batch) { b.DeleteRange([]byte("a"), []byte("z")) })
	}
}
