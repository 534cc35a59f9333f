package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sealkv/sealkv/keys/root/keyfile"
	"github.com/sealkv/sealkv/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kvctl": main, "hold": hold})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":     exits,
			"remember":  remember,
			"unchanged": unchanged,
			"await":     await,
			"stderrpid": stderrPID,
			"protect":   protect,
			"makefile":  makeFile,
		},
	})
}

// hold opens the store in args[1], for reading if args[3] says so, writes its own pid to args[2],
// and keeps the store open until it is interrupted: a service.
func hold() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	opts := &store.Options{Roots: &keyfile.Opener{}, ReadOnly: len(os.Args) > 3 && os.Args[3] == "reading"}
	s, err := store.Open(ctx, os.Args[1], opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer s.Close()
	if err := os.WriteFile(os.Args[2], []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	<-ctx.Done()
}

// makeFile makes a file of some size, in which no part is like another: makefile 1000000 NAME.
func makeFile(ts *testscript.TestScript, neg bool, args []string) {
	size, err := strconv.Atoi(args[0])
	ts.Check(err)
	random := rand.NewChaCha8([32]byte{1})
	content := make([]byte, size)
	random.Read(content)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), content, 0o600))
}

// exits runs a command that ends with an exit code: exits 3 kvctl get …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exited *exec.ExitError
	if errors.As(err, &exited) {
		code = exited.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// remember notes every byte of a folder, for unchanged.
func remember(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv("REMEMBERED", contents(ts, args[0]))
}

// unchanged fails if a byte of the folder is another one than when it was remembered, or a file
// came or went.
func unchanged(ts *testscript.TestScript, neg bool, args []string) {
	before, after := ts.Getenv("REMEMBERED"), contents(ts, args[0])
	if (before == after) == neg {
		ts.Fatalf("before:\n%s\nafter:\n%s", before, after)
	}
}

// contents lists a folder's files with the digests of what is in them.
func contents(ts *testscript.TestScript, dir string) string {
	var b strings.Builder
	err := filepath.WalkDir(ts.MkAbs(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var sum [sha256.Size]byte
		if !d.IsDir() {
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum = sha256.Sum256(raw)
		}
		info, err := d.Info()
		fmt.Fprintf(&b, "%s %s %x\n", path, info.Mode(), sum[:8])
		return err
	})
	ts.Check(err)
	return b.String()
}

// await waits for a file.
func await(ts *testscript.TestScript, _ bool, args []string) {
	for range 500 {
		if raw, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && len(raw) > 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s did not appear", args[0])
}

// stderrPID looks for the number in a file in what the last command wrote to standard error.
func stderrPID(ts *testscript.TestScript, neg bool, args []string) {
	pid := strings.TrimSpace(ts.ReadFile(args[0]))
	if strings.Contains(ts.ReadFile("stderr"), pid) == neg {
		ts.Fatalf("standard error and pid %s: want there %t", pid, !neg)
	}
}

// protect writes a protected copy of a key file: protect PLAIN PROTECTED PASSPHRASE-FILE. It is
// quick to open, for tests; what kvctl writes takes a second.
func protect(ts *testscript.TestScript, _ bool, args []string) {
	recipient, err := age.NewScryptRecipient(strings.TrimSpace(ts.ReadFile(args[2])))
	ts.Check(err)
	recipient.SetWorkFactor(10)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipient)
	ts.Check(err)
	_, err = w.Write([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Check(w.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), out.Bytes(), 0o600))
}
