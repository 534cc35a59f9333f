package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/keys/root/keyfile"
	"github.com/sealkv/sealkv/store"
)

// kvctl runs a command in this process and returns its standard output.
func kvctl(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(args, strings.NewReader("old"), &out, &errs); got != code {
		t.Fatalf("%v: exit code %d, want %d\n%s%s", args, got, code, out.String(), errs.String())
	}
	return out.String()
}

// A put that is interrupted while its input goes on has changed nothing; one that is killed leaves
// chunks, which verify counts and a collection deletes. What was there is there.
func TestAttachPutCutShort(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	at := []string{"--store", data}
	kvctl(t, exitDone, append(at, "init", "--root", filepath.Join(dir, "p.key"))...)
	kvctl(t, exitDone, append(at, "tenant", "add", "acme", "--root", filepath.Join(dir, "acme.key"))...)
	put := append(at, "attach", "put", "acme", "jira/attachments", "k")
	kvctl(t, exitDone, put...)
	for _, c := range []struct {
		signal os.Signal
		code   int
		left   string
	}{{os.Interrupt, exitInterrupted, `"leftover_blobs":0,`}, {os.Kill, -1, `"leftover_blobs":1,`}} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Args = append([]string{"kvctl"}, put...)
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(make([]byte, 8<<20)); err != nil { // all but what a pipe holds is taken
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(c.signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != c.code {
			t.Fatalf("%v: %v", c.signal, err)
		}
		if out := kvctl(t, exitDone, append(at, "verify", "--json")...); !strings.Contains(out, c.left) {
			t.Errorf("%v: verify says %s", c.signal, out)
		}
		if out := kvctl(t, exitDone, append(at, "attach", "cat", "acme", "jira/attachments", "k")...); out != "old" {
			t.Errorf("%v: k is %q", c.signal, out)
		}
	}
	s, err := store.Open(t.Context(), data, &store.Options{Roots: &keyfile.Opener{}})
	if err == nil {
		err = errors.Join(s.Collect(t.Context()), s.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if out := kvctl(t, exitDone, append(at, "verify", "--json")...); !strings.Contains(out, `"leftover_blobs":0,"stray_blobs":0,`) {
		t.Errorf("after a collection: %s", out)
	}
}
