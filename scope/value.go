package scope

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Each function here reads the text of one field. Its error says what the field wants; the field's
// name, text and line are put before it.

func parseVersion(s string) (int, error) {
	n, ok := parseWhole(s)
	if !ok || n < 1 || n > MaxVersion {
		return 0, fmt.Errorf("want a whole number from 1 to %d", MaxVersion)
	}
	return n, nil
}

// parseWhole reads decimal digits in their one spelling: no sign, and no leading zero, which
// would make it octal to others. ok is false as well for what is beyond 31 bits.
func parseWhole(s string) (n int, ok bool) {
	wide, err := strconv.ParseUint(s, 10, 31)
	n = int(wide)
	return n, err == nil && s == strconv.Itoa(n)
}

func parseName(s string) (string, error) {
	wrong := func(r rune) bool { return !isNameRune(r) }
	if s == "" || len(s) > MaxNameLen || strings.ContainsFunc(s, wrong) {
		return "", fmt.Errorf("want 1 to %d of a-z, 0-9 and -", MaxNameLen)
	}
	return s, nil
}

func parseNamespace(s string) (string, error) {
	if flaw := namespaceFlaw(s); flaw != "" {
		return "", errors.New(flaw)
	}
	return s, nil
}

// parseUntil returns when the day of a date begins. Years before 2000 are refused: they are slips,
// and one of them would be the zero time, which stands for no date.
func parseUntil(s string) (time.Time, error) {
	begins, err := time.Parse(time.DateOnly, s)
	if err != nil || begins.Year() < 2000 {
		return time.Time{}, errors.New("want a date from the year 2000 on, such as 2027-03-31")
	}
	return begins, nil
}

// parseAge reads a whole number of days or hours. It takes no other unit: 30m is half an hour
// to Go and a month to people.
func parseAge(s string) (time.Duration, error) {
	number, unit := strings.TrimSuffix(s, "d"), day
	if number == s {
		number, unit = strings.TrimSuffix(s, "h"), time.Hour
	}
	n, ok := parseWhole(number)
	if number == s || !ok {
		return 0, errors.New("want whole days or hours, such as 30d or 36h")
	}
	age := time.Duration(n) * unit // may overflow, where n is beyond the bound
	if n > int(LongestAge/unit) || age < ShortestAge {
		return 0, fmt.Errorf("want %s to %s, or no such line for no limit",
			FormatAge(ShortestAge), FormatAge(LongestAge))
	}
	return age, nil
}

// parseSeals reads a number of seals in its one spelling.
func parseSeals(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || s != strconv.FormatUint(n, 10) || n < LeastSeals || n > MostSeals {
		return 0, fmt.Errorf("want a whole number from %d to %d, or no such line for as many as the suite is good for", uint64(LeastSeals), uint64(MostSeals))
	}
	return n, nil
}

// parseNote holds a note to what the file was held to, for an escape may stand for anything.
func parseNote(s string) (string, error) {
	hidden := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case len(s) > MaxNoteLen:
		return "", fmt.Errorf("%d bytes, want at most %d", len(s), MaxNoteLen)
	case strings.Contains(s, "\n"):
		return "", errors.New("want one line; join them, or begin them with note: >")
	case strings.ContainsFunc(s, hidden):
		return "", errors.New("holds what cannot be seen; remove it")
	}
	return s, nil
}
