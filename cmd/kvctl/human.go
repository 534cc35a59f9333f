package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
)

// moment writes a time in UTC, to the second; the zero time is empty.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// printable writes bytes that somebody else chose so that they do nothing to a terminal and
// stay on one line: as they are, or quoted as Go does.
func printable(p []byte) string {
	text := string(p)
	if isText(p) && !strings.ContainsAny(text, "\n\t\r") && text == strings.TrimSpace(text) && !strings.HasPrefix(text, `"`) {
		return text
	}
	return strconv.Quote(text)
}

// isText reports whether p can be shown on a terminal: UTF-8 without control characters other
// than line ends and tabs.
func isText(p []byte) bool {
	if !utf8.Valid(p) {
		return false
	}
	for _, r := range string(p) {
		if r != '\n' && r != '\t' && r != '\r' && !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// excerpt is the beginning of a value, on one line.
func excerpt(p []byte, most int) string {
	text := string(p)
	if !isText(p) {
		return fmt.Sprintf("(binary, %s)", human.Size(uint64(len(p))))
	}
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
