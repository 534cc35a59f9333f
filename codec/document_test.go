package codec_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/codec"
)

func document() string { return string(must(os.ReadFile("../FORMAT.md"))) }

// blocks are the fenced blocks of the given kind in a part of the document.
func blocks(doc, kind string) (out []string) {
	for _, match := range regexp.MustCompile("(?s)```"+kind+"\n(.*?)```").FindAllStringSubmatch(doc, -1) {
		out = append(out, match[1])
	}
	return out
}

// section is what stands under a heading.
func section(t *testing.T, doc, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(doc, "\n## "+heading+"\n")
	if !found {
		t.Fatalf("FORMAT.md has no section %q", heading)
	}
	body, _, _ := strings.Cut(rest, "\n## ")
	return body
}

// Every label and every kind of engine key is in FORMAT.md.
func TestDocumentNamesAll(t *testing.T) {
	doc := document()
	for label := range purposes {
		if !strings.Contains(doc, string(label)) {
			t.Errorf("FORMAT.md does not have the label %q", label)
		}
	}
	kinds := regexp.MustCompile(`(?m)^\| 0x([0-9a-f]{2}) \| (\S+) \|`).FindAllStringSubmatch(doc, -1)
	if len(kinds) == 0 {
		t.Fatal("FORMAT.md has no table of kinds")
	}
	named := map[codec.Kind]string{}
	for _, row := range kinds {
		named[codec.Kind(must(parseNotation(row[1]))[0])] = row[2]
	}
	for k := range 256 {
		kind := codec.Kind(k)
		assigned := !strings.HasPrefix(kind.String(), "kind ")
		if (named[kind] != "") != assigned || assigned && named[kind] != kind.String() {
			t.Errorf("0x%02x is %q in FORMAT.md, %v in the code", k, named[kind], kind)
		}
	}
}

// The records in FORMAT.md's CDDL have as many items as their types have fields, and the numbers
// in it are the code's.
func TestDocumentCDDL(t *testing.T) {
	cddl := strings.Join(blocks(document(), "cddl"), "\n")
	items := cddlArrays(cddl)
	for name := range records {
		fields := 0
		for i := range reflect.TypeOf(forms[name].new()).Elem().NumField() {
			if reflect.TypeOf(forms[name].new()).Elem().Field(i).IsExported() {
				fields++
			}
		}
		if items[name] != fields {
			t.Errorf("%s has %d items in FORMAT.md, %d fields in the code", name, items[name], fields)
		}
	}
	for name, n := range map[string]int{"direct": 6, "content": 8, "recipient": 2, "blob": 3, "root-wrap": 4} {
		if items[name] != n {
			t.Errorf("%s has %d items in FORMAT.md, not %d", name, items[name], n)
		}
	}
	for _, line := range []string{
		fmt.Sprintf("suite      = %d / %d ", codec.SuiteXChaCha, codec.SuiteXAES),
		fmt.Sprintf("[ 1*%d recipient ]", codec.MaxRecipients),
		fmt.Sprintf("written    = 0..%d ", uint64(largestWritten)),
		fmt.Sprintf("sealed     = bytes .size (%d..%d)", codec.SealOverhead, uint64(1)<<32),
		fmt.Sprintf("wrap       = bytes .size %d", codec.WrapLen),
		fmt.Sprintf("blob-id    = bytes .size %d", codec.BlobIDLen),
		fmt.Sprintf("head-mac   = bytes .size %d", codec.MACLen),
		fmt.Sprintf("chunk-size = %d / 8192 / 16384 / 32768 / 65536 / 131072 / %d", codec.MinChunkSize, codec.MaxChunkSize),
	} {
		if !strings.Contains(cddl, line) {
			t.Errorf("FORMAT.md's CDDL does not say %q", line)
		}
	}
}

// cddlArrays is the number of items of each rule that is an array.
func cddlArrays(cddl string) map[string]int {
	cddl = regexp.MustCompile(` *;.*`).ReplaceAllString(cddl, "")
	items := map[string]int{}
	rules := regexp.MustCompile(`(?m)^[a-z-]+ *= `).FindAllStringIndex(cddl, -1)
	for i, at := range rules {
		end := len(cddl)
		if i+1 < len(rules) {
			end = rules[i+1][0]
		}
		name, body, _ := strings.Cut(cddl[at[0]:end], "=")
		if body = strings.TrimSpace(body); strings.HasPrefix(body, "[") {
			items[strings.TrimSpace(name)] = topLevelItems(body[1 : len(body)-1])
		}
	}
	return items
}

// topLevelItems counts the items of an array of CDDL, not those of arrays in it.
func topLevelItems(list string) int {
	n, depth := 1, 0
	for _, c := range list {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ',' && depth == 0:
			n++
		}
	}
	return n
}
