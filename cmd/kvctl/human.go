package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// count writes a number with commas: 112,000.
func count(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// counted is count with a noun: "1 record", "2 records".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(uint64(n)) + " " + noun + "s"
}

// size writes a number of bytes for people: 1.2 MiB.
func size(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), -1
	for value >= 1024 && unit < 5 {
		value, unit = value/1024, unit+1
	}
	if value >= 1023.95 && unit < 5 {
		value, unit = 1, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[unit])
}

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
		return fmt.Sprintf("(binary, %s)", size(uint64(len(p))))
	}
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
