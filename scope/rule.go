package scope

import (
	"strconv"
	"time"
)

// Bounds of a rule's max-age and rotate-every. The longest is about a hundred years, well inside a time.Duration.
const (
	ShortestAge = time.Hour
	LongestAge  = 36500 * day

	day = 24 * time.Hour
)

// Bounds of a rule's max-seals. The most is beyond what any suite is good for.
const (
	LeastSeals = 1 << 30
	MostSeals  = 1 << 60
)

// MaxNoteLen is the most bytes that a note may have, as much as fits into a line of a listing.
const MaxNoteLen = 200

// A Rule is one row of a policy. It is a plain value; changing a copy changes no policy.
type Rule struct {
	// Namespace is product/type, or all/type for every product without a rule of its own.
	Namespace string
	// Domain is what the row says. What is wanted at a moment is DomainAt.
	Domain Domain
	// Until is when the transition of domain Both ends, 00:00 UTC of the date in the file. It is
	// zero while no date is named, and in every other domain.
	Until time.Time
	// MaxAge is how long a value may be kept, counted from its first write: at this age it must be
	// gone. Whole hours from ShortestAge to LongestAge, or 0: kept without limit.
	MaxAge time.Duration
	// RotateEvery is the age at which a data key of the namespace is replaced by a new one, when it
	// is next used. Bounds as of MaxAge; 0: never by itself.
	RotateEvery time.Duration
	// MaxSeals is after how many seals a data key of the namespace is replaced by a new one: from
	// LeastSeals to MostSeals, or 0: as many as its suite is good for.
	MaxSeals uint64
	// Suite is by which AEAD values are sealed: the row's own, the one of the whole policy, or
	// XChaCha20Poly1305.
	Suite Suite
	// Compression is how values are compressed before they are sealed: the row's own, the one of the
	// whole policy, or NoCompression. ZstdDict stands beside no MaxAge.
	Compression Compression
	// Note is for people: one line of at most MaxNoteLen bytes, or empty.
	Note string
	// Line is where the row's namespace stands in the file, from 1.
	Line int
}

// DomainAt returns the domain that the rule wants at now: Both turns into Tenant at Until. It is
// up to the caller that its clock does not run backwards.
func (r Rule) DomainAt(now time.Time) Domain {
	if r.Domain == Both && !r.Until.IsZero() && !now.Before(r.Until) {
		return Tenant
	}
	return r.Domain
}

// String returns the rule without its note and without the defaults of suite and compression, such as
// "jira/attachments: both until 2027-03-31, max-age 30d".
func (r Rule) String() string {
	return r.Namespace + ": " + r.terms()
}

// terms is what the rule asks for, in the words of the file.
func (r Rule) terms() string {
	terms := r.Domain.String()
	if !r.Until.IsZero() {
		terms += " until " + r.Until.Format(time.DateOnly)
	}
	if r.MaxAge != 0 {
		terms += ", max-age " + FormatAge(r.MaxAge)
	}
	if r.RotateEvery != 0 {
		terms += ", rotate-every " + FormatAge(r.RotateEvery)
	}
	if r.MaxSeals != 0 {
		terms += ", max-seals " + strconv.FormatUint(r.MaxSeals, 10)
	}
	if r.Suite != XChaCha20Poly1305 {
		terms += ", suite " + r.Suite.String()
	}
	if r.Compression != NoCompression {
		terms += ", compression " + r.Compression.String()
	}
	return terms
}

// FormatAge spells a MaxAge or a RotateEvery as a policy does: 30d, or 36h where it is not whole days. A
// fraction of an hour is dropped.
func FormatAge(age time.Duration) string {
	if age%day == 0 {
		return strconv.FormatInt(int64(age/day), 10) + "d"
	}
	return strconv.FormatInt(int64(age/time.Hour), 10) + "h"
}
