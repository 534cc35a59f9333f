package pebble_test

import (
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/enginetest"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// small makes flushes and compactions happen in tests.
const small = 64 << 10

// quick asks for less of the same: in short mode, and under the race detector, where work that
// Pebble does on bytes takes ten times as long.
func quick() bool { return testing.Short() || raceEnabled }

// dirs maps an engine to where it lives, so that the suite can reopen it.
type dirs map[engine.Engine]string

func (d dirs) options(opts *pebble.Options, dir func(*testing.T) string) enginetest.Options {
	return enginetest.Options{
		Open: func(t *testing.T) engine.Engine {
			path := dir(t)
			e, err := pebble.Create(path, opts)
			if err != nil {
				t.Fatal(err)
			}
			d[e] = path
			return e
		},
		Reopen: func(t *testing.T, e engine.Engine) engine.Engine {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := pebble.Open(d[e], opts)
			if err != nil {
				t.Fatal(err)
			}
			d[again] = d[e]
			return again
		},
	}
}

func TestSuite(t *testing.T) {
	enginetest.RunDurable(t, dirs{}.options(nil, func(t *testing.T) string {
		return filepath.Join(t.TempDir(), "records")
	}))
}

// TestSuiteSmallMemTables runs the suite where flushes and compactions go on all the time.
func TestSuiteSmallMemTables(t *testing.T) {
	if quick() {
		t.Skip("the suite was run once")
	}
	opts := &pebble.Options{MemTableBytes: 4 * small, CacheBytes: 1 << 20, FS: vfs.NewMem()}
	n := 0
	enginetest.RunDurable(t, dirs{}.options(opts, func(*testing.T) string {
		n++
		return filepath.Join("/", "records", string(rune('a'+n)))
	}))
}
