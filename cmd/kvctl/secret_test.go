package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// every calls fn for each command that can be run.
func every(cmd *cobra.Command, fn func(*cobra.Command)) {
	fn(cmd)
	for _, sub := range cmd.Commands() {
		every(sub, fn)
	}
}

// TestNoSecretInArguments holds every command to flags that name files and never take a
// passphrase, a key or a value: other processes see arguments.
func TestNoSecretInArguments(t *testing.T) {
	root := (&cli{}).command()
	every(root, func(cmd *cobra.Command) {
		check := func(f *pflag.Flag) {
			for _, word := range []string{"pass", "secret", "password", "token", "value"} {
				if !strings.Contains(f.Name, word) || f.Value.Type() == "bool" || f.Name == "passphrase-file" {
					continue
				}
				t.Errorf("%s has a flag --%s", cmd.CommandPath(), f.Name)
			}
		}
		cmd.Flags().VisitAll(check)
		cmd.PersistentFlags().VisitAll(check)
		if !cmd.Runnable() || cmd.HasParent() && cmd.Parent().Name() == "completion" {
			return
		}
		args := append(strings.Fields(cmd.CommandPath())[1:], "--passphrase", "sesame")
		var out, errs bytes.Buffer
		if code := run(args, strings.NewReader(""), &out, &errs); code != exitUsage {
			t.Errorf("kvctl %q: exit code %d, want %d", args, code, exitUsage)
		}
		if all := out.String() + errs.String(); strings.Contains(all, "sesame") {
			t.Errorf("kvctl %q repeats the passphrase:\n%s", args, all)
		}
	})
}

// TestHelp holds every command to a help that a newcomer can use.
func TestHelp(t *testing.T) {
	root := (&cli{}).command()
	every(root, func(cmd *cobra.Command) {
		if cmd.Hidden {
			return
		}
		switch {
		case cmd.Short == "" || strings.HasSuffix(cmd.Short, "."):
			t.Errorf("%s: short help %q", cmd.CommandPath(), cmd.Short)
		case cmd.Long == "":
			t.Errorf("%s has no help", cmd.CommandPath())
		case cmd.Runnable() && !cmd.HasSubCommands() && cmd.Example == "":
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if len([]rune(line)) > 90 {
				t.Errorf("%s: a line of %d characters in its help: %s", cmd.CommandPath(), len(line), line)
			}
		}
	})
}
