package pebble

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/redact"
)

// events returns what Pebble calls when something happens. Most calls are made with Pebble's
// mutex held and must be short. None is left to its default: the one for damage is Fatalf.
func (e *Engine) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: e.health.backgroundError,
		FlushEnd:        e.health.flushEnded,
		CompactionEnd:   e.health.compactionEnded,
		DataCorruption:  e.health.damaged,
	}
}

// logger passes what Pebble says on. Arguments are left out unless Pebble declares them safe:
// they may be user keys.
type logger struct{ engine *Engine }

// Infof implements pebble.Logger.
func (l logger) Infof(format string, args ...any) { l.engine.log.Debug(say(format, args)) }

// Errorf implements pebble.Logger.
func (l logger) Errorf(format string, args ...any) { l.engine.log.Error(say(format, args)) }

// Fatalf implements pebble.Logger. Pebble calls it for I/O errors, which the fence keeps from
// it, and for broken invariants of its own. After one of those nothing that it does can be
// trusted and to return would be to go on; so the disk is cut off first and then it panics.
func (l logger) Fatalf(format string, args ...any) {
	what := say(format, args)
	l.engine.fence.sever("an invariant of Pebble", fmt.Errorf("%s", redact.Safe(what)))
	panic(what)
}

func say(format string, args []any) string {
	return "pebble: " + redact.Sprintf(format, args...).Redact().StripMarkers()
}

// redacted is the text of err without what may be user keys.
func redacted(err error) string { return redact.Sprint(err).Redact().StripMarkers() }
