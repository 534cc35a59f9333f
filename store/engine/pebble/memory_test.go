package pebble

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// The default follows the least limit there is, within its bounds.
func TestDefaultCacheBytes(t *testing.T) {
	if os.Getenv("SEALKV_PRINT_CACHE") != "" {
		os.Stdout.WriteString(strconv.FormatInt(DefaultCacheBytes(), 10))
		os.Exit(0)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[string]int64{"1GiB": 128 << 20, "100MiB": minCacheBytes, "off": DefaultCacheBytes()} {
		cmd := exec.Command(exe, "-test.run", "^TestDefaultCacheBytes$")
		cmd.Env = append(os.Environ(), "SEALKV_PRINT_CACHE=1", "GOMEMLIMIT="+limit)
		out, err := cmd.Output()
		if got, _ := strconv.ParseInt(string(out), 10, 64); err != nil || got != want {
			t.Errorf("GOMEMLIMIT=%s: %q, %v; want %d", limit, out, err, want)
		}
	}
	if n := DefaultCacheBytes(); n < minCacheBytes || n > maxCacheBytes {
		t.Errorf("%d bytes", n)
	}
}
