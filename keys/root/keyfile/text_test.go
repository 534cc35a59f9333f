package keyfile

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

// A key line, and the parts of it that no error may show.
const (
	goodLine   = "SEALKV-ROOT-KEY-1 c3f321df64aebd8391ddfb69728528b7 2026-03-01T09:00:00Z AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	otherLine  = "SEALKV-ROOT-KEY-1 19de80d7c8f5a193f9dd70ccc119045a 2026-06-15T23:59:59Z QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="
	goodSecret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

var accepted = []string{
	goodLine + "\n",
	goodLine + " disabled\n",
	"disabled\n" + goodLine + "\n",
	goodLine + "\ndisabled\n",
	"# \x00\xff anything\n\n\n#\n" + goodLine + "\n\n" + otherLine + "\n# end\n",
	otherLine + "\n" + goodLine + "\n", // times need not ascend
	"#" + otherLine + "\n" + goodLine + "\n",
}

func TestParse(t *testing.T) {
	for _, text := range accepted {
		f, err := parse([]byte(text))
		if err != nil {
			t.Errorf("parsing %q: %v", text, err)
			continue
		}
		if got := f.append(nil); string(got) != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	edit := func(old, new string) string { return strings.Replace(goodLine, old, new, 1) + "\n" }
	for _, test := range []struct{ text, says string }{
		{"", "no line with a key"},
		{"# comment\ndisabled\n", "no line with a key"},
		{"#" + goodLine + "\n", "no line with a key"},
		{goodLine, "line 1: no newline"},
		{goodLine + "\n#", "line 2: no newline"},
		{goodLine + "\r\n", "line 1: a carriage return"},
		{"#\r\n" + goodLine + "\n", "line 1: a carriage return"},
		{goodLine + "\n" + otherLine + "\n" + goodLine + "\n", "line 3: the same key"},
		{goodLine + "\n" + goodLine + " disabled\n", "line 2: the same key"},
		{"disabled\n" + goodLine + "\ndisabled\n", "line 3: the word disabled"},
		{"disabled \n" + goodLine + "\n", "line 1: neither"},
		{"Disabled\n" + goodLine + "\n", "line 1: neither"},
		{" " + goodLine + "\n", "line 1: neither"},
		{"\ufeff" + goodLine + "\n", "line 1: neither"},
		{edit("KEY-1", "KEY-2"), "line 1: neither"},
		{edit("SEALKV", "sealkv"), "line 1: neither"},
		{goodSecret + "\n", "line 1: neither"},
		{goodLine + " \n", "line 1: only the word disabled"},
		{goodLine + " enabled\n", "line 1: only the word disabled"},
		{goodLine + " disabled disabled\n", "line 1: not four words"},
		{edit("KEY-1 ", "KEY-1  "), "line 1: "},
		{edit(" 2026-03-01T09:00:00Z", ""), "line 1: not four words"},
		{edit("c3f321df", "C3F321DF"), "line 1: the id is not"},
		{edit("c3f321df", "c3f321"), "line 1: the id is not"},
		{edit("c3f321df", "c3f321dx"), "line 1: the id is not"},
		{edit("c3f321df", "c3f321de"), "line 1: id and key do not belong together"},
		{edit("2026-03-01", "2026-02-30"), "line 1: the time"},
		{edit("09:00:00Z", "09:00:00+00:00"), "line 1: the time"},
		{edit("09:00:00Z", "09:00:00.5Z"), "line 1: the time"},
		{edit("09:00:00Z", "9:00:00Z"), "line 1: the time"},
		{edit("T09", " 09"), "line 1: "},
		{edit("AAEC", "AAED"), "line 1: id and key do not belong together"},
		{edit("AAEC", "AAE"), "line 1: the key is not 44"},
		{edit("Hh8=", "Hh8"), "line 1: the key is not 44"},
		{edit("Hh8=", "Hh8A"), "line 1: the key is not 32 bytes"},
		{edit("Hh8=", "H==="), "line 1: the key is not 32 bytes"},
		{edit("Hh8=", "Hh9="), "line 1: the key is not 32 bytes"}, // bits after the end
		{edit("AAEC", "A_-C"), "line 1: the key is not 32 bytes"},
	} {
		_, err := parse([]byte(test.text))
		if err == nil || !strings.HasPrefix(err.Error(), test.says) {
			t.Errorf("parsing %q: %v, want %q", test.text, err, test.says)
		}
		if err != nil && strings.Contains(err.Error(), goodSecret[4:12]) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

// TestNewKeyLine tests that what is made is what is read.
func TestNewKeyLine(t *testing.T) {
	zone := time.FixedZone("east", 5*3600)
	k := newKeyLine(time.Date(2026, 3, 1, 14, 0, 0, 999, zone))
	f := &file{}
	f.add(k)
	got, err := parse(f.append(nil))
	if err != nil {
		t.Fatal(err)
	}
	again := got.keys()[0]
	if again.Version != k.Version || again.secret != k.secret {
		t.Error("the key line was read as another")
	}
	if want := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC); !k.Created.Equal(want) {
		t.Errorf("created %v, want %v", k.Created, want)
	}
	if other := newKeyLine(time.Now()); other.secret == k.secret || other.ID == k.ID {
		t.Error("two new keys are one")
	}
}

// TestParseKeepsNothing tests that a caller may wipe what it gave to parse.
func TestParseKeepsNothing(t *testing.T) {
	text := []byte("# note\n" + goodLine + "\n")
	want := string(text)
	f, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	if got := f.append(nil); string(got) != want {
		t.Errorf("after wiping the text the file is %q", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range accepted {
		f.Add([]byte(text))
	}
	golden, err := os.ReadFile("testdata/v1.key")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Fuzz(func(t *testing.T, text []byte) {
		parsed, err := parse(bytes.Clone(text))
		if err != nil {
			return
		}
		if got := parsed.append(nil); !bytes.Equal(got, text) {
			t.Errorf("%q became %q", text, got)
		}
		for _, want := range []bool{!parsed.disabled(), parsed.disabled()} {
			parsed.setDisabled(want)
			if again, err := parse(parsed.append(nil)); err != nil || again.disabled() != want {
				t.Errorf("setDisabled(%v) left %q: %v", want, parsed.append(nil), err)
			}
		}
	})
}
