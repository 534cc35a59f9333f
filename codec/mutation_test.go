package codec_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/cockroachdb/datadriven"
)

// applyEdit applies "offset: old -> new" or "end: -> new" to b.
func applyEdit(b []byte, edit string) ([]byte, error) {
	edit, _, _ = strings.Cut(edit, "#")
	where, change, found := strings.Cut(edit, ":")
	from, to, arrow := strings.Cut(change, "->")
	if !found || !arrow {
		return nil, fmt.Errorf("no edit: %q", edit)
	}
	at := len(b)
	if where != "end" {
		var err error
		if at, err = strconv.Atoi(where); err != nil || at > len(b) {
			return nil, fmt.Errorf("no offset: %q", edit)
		}
	}
	old, err := parseNotation(from)
	if err != nil || !bytes.HasPrefix(b[at:], old) {
		return nil, fmt.Errorf("at %d stands %s, not %s (%v)", at, notation(b[at:]), from, err)
	}
	replacement, err := parseNotation(to)
	return slices.Replace(b, at, at+len(old), replacement...), err
}

// An item is the head of a CBOR data item and where its contents, if it is a string, end.
type item struct {
	at, contents, end int
	major             byte
	argument          uint64
}

var majorNames = [8]string{"uint", "negative", "bytes", "text", "array", "map", "tag", "simple"}

func (i item) String() string {
	return fmt.Sprintf("%d %s(%d)", i.at, majorNames[i.major], i.argument)
}

// items lists the data items of well-formed CBOR with definite lengths, outer before inner.
func items(b []byte) (out []item) {
	for at := 0; at < len(b); {
		i := item{at: at, contents: at + 1, major: b[at] >> 5, argument: uint64(b[at] & 31)}
		if i.argument >= 24 {
			n := 1 << (i.argument - 24)
			i.contents += n
			i.argument = 0
			for _, c := range b[at+1 : i.contents] {
				i.argument = i.argument<<8 | uint64(c)
			}
		}
		i.end = i.contents
		if i.major == 2 || i.major == 3 {
			i.end += int(i.argument)
		}
		out, at = append(out, i), i.end
	}
	return out
}

// itemHead spells a head with an argument of 0, 1, 2, 4 or 8 bytes; ok says that it fits.
func itemHead(major byte, argument uint64, size int) (head []byte, ok bool) {
	if size == 0 {
		return []byte{major<<5 | byte(argument)}, argument < 24
	}
	info := map[int]byte{1: 24, 2: 25, 4: 26, 8: 27}[size]
	wide := binary.BigEndian.AppendUint64(nil, argument)
	return append([]byte{major<<5 | info}, wide[8-size:]...), size == 8 || argument>>(8*size) == 0
}

// mutations are the ways of making a false encoding at an item of a true one.
var mutations = map[string]func(b []byte, i item) [][]byte{
	// longer spells the same argument in each longer way.
	"longer": func(b []byte, i item) (out [][]byte) {
		for _, size := range []int{1, 2, 4, 8} {
			head, ok := itemHead(i.major, i.argument, size)
			if ok && len(head) > i.contents-i.at && i.major != 7 {
				out = append(out, splice(b, i.at, i.contents, head))
			}
		}
		return out
	},
	// indefinite gives a string or an array an indefinite length and an end, where it could
	// stand: after the string, and after each item behind the array's head.
	"indefinite": func(b []byte, i item) (out [][]byte) {
		switch i.major {
		case 2, 3:
			open := append([]byte{i.major<<5 | 31}, b[i.at:i.end]...)
			return [][]byte{splice(b, i.at, i.end, append(open, 0xff))}
		case 4:
			open := splice(b, i.at, i.contents, []byte{i.major<<5 | 31})
			shift := 1 - (i.contents - i.at)
			for _, inner := range items(b) {
				if inner.at >= i.at {
					out = append(out, splice(open, inner.end+shift, inner.end+shift, []byte{0xff}))
				}
			}
		}
		return out
	},
	// retype gives the item each other major type.
	"retype": func(b []byte, i item) (out [][]byte) {
		for major := range byte(8) {
			if major != i.major {
				out = append(out, splice(b, i.at, i.at+1, []byte{major<<5 | b[i.at]&31}))
			}
		}
		return out
	},
	// reserve uses the lengths that RFC 8949 reserves, with and without an argument.
	"reserve": func(b []byte, i item) (out [][]byte) {
		for info := byte(28); info < 31; info++ {
			reserved := []byte{i.major<<5 | info}
			out = append(out, splice(b, i.at, i.contents, reserved))
			if i.contents > i.at+1 {
				out = append(out, splice(b, i.at, i.at+1, reserved))
			}
		}
		return out
	},
	// tag puts a tag before the item.
	"tag": func(b []byte, i item) [][]byte {
		return [][]byte{splice(b, i.at, i.at, []byte{0xc1}), splice(b, i.at, i.at, []byte{0xd8, 0x18})}
	},
	// null puts null or undefined in the item's place.
	"null": func(b []byte, i item) (out [][]byte) {
		for _, simple := range []byte{0xf6, 0xf7} {
			if simple != b[i.at] {
				out = append(out, splice(b, i.at, i.end, []byte{simple}))
			}
		}
		return out
	},
	// empty makes an empty string of a string.
	"empty": func(b []byte, i item) [][]byte {
		if i.major != 2 || i.argument == 0 {
			return nil
		}
		return [][]byte{splice(b, i.at, i.end, []byte{i.major << 5})}
	},
	// cut ends the bytes at each byte of the item.
	"cut": func(b []byte, i item) (out [][]byte) {
		for n := i.at; n < i.end; n++ {
			out = append(out, b[:n:n])
		}
		return out
	},
	// drop leaves the item out.
	"drop": func(b []byte, i item) [][]byte { return [][]byte{splice(b, i.at, i.end, nil)} },
	// double has it twice.
	"double": func(b []byte, i item) [][]byte { return [][]byte{splice(b, i.at, i.at, b[i.at:i.end])} },
}

func splice(b []byte, from, to int, with []byte) []byte {
	return slices.Concat(b[:from], with, b[to:])
}

func (g *golden) mutate(t *testing.T, d *datadriven.TestData, form form) string {
	var except string
	d.MaybeScanArgs(t, "except", &except)
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(mutations)), func(name string) bool { return name == except })
	want, _ := expected(d)
	b := g.of(t, d)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "item\t%s\n", strings.Join(names, "\t"))
	for _, i := range items(b) {
		fmt.Fprint(w, i)
		for _, name := range names {
			mutants := mutations[name](bytes.Clone(b), i)
			for _, mutant := range mutants {
				g.try(t, d, form, mutant, want)
			}
			fmt.Fprintf(w, "\t%d", len(mutants))
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	return table.String()
}
