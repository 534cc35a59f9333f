package codec_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/sealkv/sealkv/codec"
)

// The files in testdata/golden are read with these commands; a form is one of the names in
// forms. -rewrite changes outputs, never what a line "expect:" asks for.
//
//	encode <form> name=x    the bytes of the fields below; the commands after it know them as x
//	decode <form>           the fields of the bytes below, which encode to the same bytes again;
//	                        with "expect: malformed" or "expect: unsupported" first, the error
//	corrupt <form> of=x     the error after each edit below alone; first "expect:" as above.
//	                        An edit is "offset: old -> new" or "end: -> new"
//	mutate <form> of=x      how many false spellings of x were tried, for each data item and each
//	                        of the mutations but the one in "except"; all of the class in "expect:"
//	cover                   what a tag, a MAC or a commitment covers; see covered
//	end                     the first key after all with the prefix below
func TestGolden(t *testing.T) {
	g := golden{vectors: map[string]map[string]int{}}
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		g.named = map[string][]byte{}
		datadriven.RunTest(t, path, g.run)
	})
	for name := range forms {
		for _, class := range []string{"ok", "malformed"} {
			if g.vectors[name][class] == 0 {
				t.Errorf("no vector of form %s has class %s", name, class)
			}
		}
	}
	for _, name := range []string{"envelope", "engine-key"} {
		if g.vectors[name]["unsupported"] == 0 {
			t.Errorf("no vector of form %s has class unsupported", name)
		}
	}
	if g.covers == 0 {
		t.Error("no vector of what a tag covers")
	}
}

type golden struct {
	named   map[string][]byte         // what encode made in this file
	vectors map[string]map[string]int // by form and class
	covers  int
}

func (g *golden) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "cover":
		g.covers++
		return g.cover(t, d)
	case "end":
		return notation(codec.PrefixEnd(must(parseNotation(d.Input))))
	}
	form, found := forms[d.CmdArgs[0].Key]
	if !found {
		d.Fatalf(t, "no form %s", d.CmdArgs[0].Key)
	}
	switch d.Cmd {
	case "encode":
		return g.encode(t, d, form)
	case "decode":
		want, input := expected(d)
		return g.try(t, d, form, must(parseNotation(input)), want)
	case "corrupt":
		return g.corrupt(t, d, form)
	case "mutate":
		return g.mutate(t, d, form)
	}
	d.Fatalf(t, "unknown command %s", d.Cmd)
	return ""
}

func (g *golden) encode(t *testing.T, d *datadriven.TestData, form form) string {
	v := form.new()
	if err := setFields(v, d.Input); err != nil {
		d.Fatalf(t, "%v", err)
	}
	b := form.encode(v)
	var name string
	d.ScanArgs(t, "name", &name)
	g.named[name] = b
	if got := g.try(t, d, form, b, "ok"); got != printFields(v) {
		t.Errorf("%s: decodes as\n%s", d.Pos, got)
	}
	return notation(b)
}

func (g *golden) corrupt(t *testing.T, d *datadriven.TestData, form form) string {
	var out strings.Builder
	want, edits := expected(d)
	for edit := range strings.Lines(edits) {
		b, err := applyEdit(g.of(t, d), edit)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		fmt.Fprintln(&out, g.try(t, d, form, b, want))
	}
	return out.String()
}

// of is a copy of what the argument "of" names.
func (g *golden) of(t *testing.T, d *datadriven.TestData) []byte {
	var name string
	d.ScanArgs(t, "of", &name)
	if g.named[name] == nil {
		d.Fatalf(t, "nothing is named %s", name)
	}
	return bytes.Clone(g.named[name])
}

// try decodes b, holds the result to a class, and returns the fields or the error. What is
// malformed must leave nothing behind, and what is not must encode to b again.
func (g *golden) try(t *testing.T, d *datadriven.TestData, form form, b []byte, want string) string {
	name := d.CmdArgs[0].Key
	if g.vectors[name] == nil {
		g.vectors[name] = map[string]int{}
	}
	g.vectors[name][want]++
	v := form.new()
	err := form.decode(b, v)
	got := class(err)
	if got != want {
		t.Errorf("%s: %s is %s, expected %s", d.Pos, notation(b), got, want)
	}
	if got == "malformed" && !reflect.ValueOf(v).Elem().IsZero() {
		t.Errorf("%s: malformed, and yet decoded as\n%s", d.Pos, printFields(v))
	}
	if again := []byte(nil); got == "ok" {
		if again = form.encode(v); !bytes.Equal(again, b) {
			t.Errorf("%s: decodes, and encodes as %s", d.Pos, notation(again))
		}
	}
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), ": cbor: ") // the library's words are its own
		return strings.TrimPrefix(text, "codec: ")
	}
	return printFields(v)
}

// expected takes the line "expect: class" off the input.
func expected(d *datadriven.TestData) (want, input string) {
	if rest, found := strings.CutPrefix(d.Input, "expect: "); found {
		want, input, _ = strings.Cut(rest, "\n")
		return want, input
	}
	return "ok", d.Input
}

// class is the failure class of an error of package codec.
func class(err error) string {
	malformed, unsupported := errors.Is(err, codec.ErrMalformed), errors.Is(err, codec.ErrUnsupported)
	switch {
	case err == nil:
		return "ok"
	case malformed && !unsupported:
		return "malformed"
	case unsupported && !malformed:
		return "unsupported"
	}
	return fmt.Sprintf("of no class: %v", err)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
