// Kvctl creates, fills, inspects and rotates sealkv stores. Run it without arguments for a list
// of its commands.
//
// Each command parses its arguments, calls package store, and prints: tables for people, with
// --json objects for programs. What can go wrong, the exit code of it and what to do about it
// stand in failure.go.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run runs one command and returns its exit code.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interruption ends everything at once
	c := &cli{in: in, out: out, err: errs}
	root := c.command()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	c.json = c.json || slices.Contains(args, "--json") // flags may not have been parsed
	if ctx.Err() != nil {
		err = errInterrupted
	}
	f := c.explain(cmd, err)
	c.printFailure(f)
	return f.Exit
}
