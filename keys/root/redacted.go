package root

import (
	"fmt"
	"io"
	"log/slog"
)

// Redacted, embedded in a type that holds key bytes or leads to them, keeps them out of what fmt
// and log/slog print.
type Redacted struct{}

const redacted = "REDACTED"

func (Redacted) String() string       { return redacted }
func (Redacted) GoString() string     { return redacted }
func (Redacted) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format prints REDACTED for every verb, %x and %d too.
func (Redacted) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }
