package codec_test

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// The files in testdata write bytes so that a person can check them: hex, text in quotes, and
// *n for n times. All of these are the same three bytes:
//
//	616161
//	61 "aa"
//	61*3
//	"a"*3
//
// A line may end in a comment behind #.

func parseNotation(s string) ([]byte, error) {
	var out []byte
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
			part, rest, err := parsePart(line)
			if err != nil {
				return nil, err
			}
			out, line = append(out, part...), rest
		}
	}
	return out, nil
}

func parsePart(s string) (part []byte, rest string, err error) {
	if s[0] == '"' {
		text, after, found := strings.Cut(s[1:], `"`)
		if !found {
			return nil, "", fmt.Errorf("text without an end: %s", s)
		}
		part, rest = []byte(text), after
	} else {
		end := strings.IndexAny(s, " *")
		if end < 0 {
			end = len(s)
		}
		if part, err = hex.DecodeString(s[:end]); err != nil {
			return nil, "", fmt.Errorf("%w: %s", err, s)
		}
		rest = s[end:]
	}
	if !strings.HasPrefix(rest, "*") {
		return part, rest, nil
	}
	times, rest, _ := strings.Cut(rest[1:], " ")
	n, err := strconv.Atoi(times)
	return []byte(strings.Repeat(string(part), n)), rest, err
}

const (
	minRun  = 8 // equal bytes that are worth a *
	minText = 4 // letters that are worth quotes
)

// notation is what parseNotation reads.
func notation(b []byte) string {
	var parts []string
	for len(b) > 0 {
		n := run(b)
		if n >= minRun {
			parts = append(parts, fmt.Sprintf("%02x*%d", b[0], n))
		} else if n = text(b); n >= minText {
			parts = append(parts, `"`+string(b[:n])+`"`)
		} else {
			n = untilRun(b)
			parts = append(parts, hex.EncodeToString(b[:n]))
		}
		b = b[n:]
	}
	return strings.Join(parts, " ")
}

// run is how often the first byte stands at the beginning of b.
func run(b []byte) int {
	for n, c := range b {
		if c != b[0] {
			return n
		}
	}
	return len(b)
}

// text is how many letters stand at the beginning of b, before a run.
func text(b []byte) int {
	for n, c := range b {
		if !isText(c) || run(b[n:]) >= minRun {
			return n
		}
	}
	return len(b)
}

func isText(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(" /.:_-", c) >= 0
}

// untilRun is the number of bytes before the next that notation writes in another way.
func untilRun(b []byte) int {
	for n := 1; n < len(b); n++ {
		if run(b[n:]) >= minRun || text(b[n:]) >= minText {
			return n
		}
	}
	return len(b)
}

func TestNotation(t *testing.T) {
	for _, s := range []string{"", "616161", `10 "acme" 00`, "00*24 01", `"acme-1" ff*8 0a`} {
		b, err := parseNotation(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseNotation(notation(b))
		if err != nil || string(again) != string(b) {
			t.Errorf("%s is %x, written as %s, which is %x (%v)", s, b, notation(b), again, err)
		}
	}
	for _, s := range []string{"6", "zz", `"abc`, "00*x"} {
		if _, err := parseNotation(s); err == nil {
			t.Errorf("%s was read", s)
		}
	}
}
