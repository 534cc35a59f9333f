package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A cli is one run of kvctl: its streams, and the flags that every command has.
type cli struct {
	in       io.Reader
	out, err io.Writer

	dir         string
	json        bool
	passphrases passphrases

	tenant, namespace string // that the arguments name, for hints
	running           bool   // the arguments were understood
}

const about = `kvctl works on a sealkv store: an encrypted key-value store in one directory, in
which every value is sealed under a key of its tenant or of the platform,
as the store's scope policy says for its type of data.

Name the store with --store DIR or KVCTL_STORE. Arguments go TENANT NAMESPACE
KEY. A namespace is a type of data, product/type, such as jira/comments.
Commands that only read change no byte of the store.

Root keys live outside the store, in key files; the store knows where. The
passphrase of a protected one is asked for on the terminal, or read from the file
that --passphrase-file names: one line, in a file of mode 0600 or a pipe such as
/dev/fd/3, for all key files of a command.

With --json results and errors are JSON: {"schema":"sealkv/…/1","rows":[…]} on
standard output, {"schema":"sealkv/error/1","error":{…}} on standard error.`

const firstSteps = `  kvctl demo                                     # the main job, on data made up for it
  export KVCTL_STORE=./data
  kvctl init --root ./platform.key               # a store, and its platform's root key
  kvctl tenant add acme --root ./acme.key        # a tenant that brings its own root key
  echo hello | kvctl put acme jira/comments c1   # a value, sealed under acme's keys
  kvctl get acme jira/comments c1
  kvctl tenant revoke acme                       # now the get fails`

func (c *cli) command() *cobra.Command {
	cobra.EnableCommandSorting = false // ours stand in the order of use
	root := &cobra.Command{
		Use:              "kvctl",
		Short:            "Work on a sealkv store",
		Long:             about + "\n\n" + exitCodes(),
		Example:          firstSteps,
		Version:          version(),
		SilenceErrors:    true,
		SilenceUsage:     true,
		Args:             known,
		RunE:             func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: func(cmd *cobra.Command, args []string) { c.running = true; c.name(cmd, args) },
	}
	root.SetVersionTemplate("kvctl {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flagError(err)} })
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), // families are runnable only to say what is missing
		"{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	flags := root.PersistentFlags()
	flags.StringVar(&c.dir, "store", os.Getenv("KVCTL_STORE"), "`DIR` of the store (or KVCTL_STORE)")
	flags.Lookup("store").DefValue = ""
	flags.BoolVar(&c.json, "json", false, "print JSON, for programs")
	flags.StringVar(&c.passphrases.file, "passphrase-file", os.Getenv("KVCTL_PASSPHRASE_FILE"),
		"`FILE` with the passphrase of key files (or KVCTL_PASSPHRASE_FILE)")
	flags.Lookup("passphrase-file").DefValue = ""
	root.MarkPersistentFlagDirname("store")
	root.MarkPersistentFlagFilename("passphrase-file")

	c.add(root, "records", "Records:", c.putCommand(), c.getCommand(), c.lsCommand(), c.rmCommand(), c.attachCommand(), c.inspectCommand(), c.statsCommand(), c.verifyCommand())
	c.add(root, "keys", "Tenants and keys:", c.tenantCommand(), c.keysCommand(), c.rewrapCommand(), c.dictCommand(), c.rootCommand(), c.auditCommand())
	c.add(root, "stores", "Stores:", c.initCommand(), c.scopeCommand(), c.importCommand(), c.exportCommand(), c.collectCommand(), c.backupCommand(), c.backupsCommand(), c.restoreCommand(), c.demoCommand())
	helpCommand(root)
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	root.AddGroup(&cobra.Group{ID: "other", Title: "Others:"})
	return root
}

func (c *cli) add(root *cobra.Command, id, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, cmd := range commands {
		cmd.GroupID = id
		root.AddCommand(cmd)
	}
}

// family is a command that only has subcommands. Cobra by itself prints help and succeeds
// when it does not know the subcommand.
func family(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: known}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var names []string
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				names = append(names, sub.Name())
			}
		}
		return usagef("%s needs one of its commands: %s", cmd.Name(), strings.Join(names, ", "))
	}
	cmd.AddCommand(commands...)
	return cmd
}

// known refuses the name of a command that a family does not have.
func known(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	near := ""
	cmd.SuggestionsMinimumDistance = 2
	if names := cmd.SuggestionsFor(args[0]); len(names) > 0 {
		near = "; did you mean " + strings.Join(names, " or ") + "?"
	}
	return usagef("%s has no command %q%s", cmd.Name(), args[0], near)
}

// helpCommand has kvctl help fail, as the commands do, for one that there is not.
func helpCommand(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil {
		panic(err) // cobra has just made it
	}
	help.Example = "  kvctl help keys rotate"
	help.Run, help.RunE = nil, func(_ *cobra.Command, args []string) error {
		cmd, rest, err := root.Find(args)
		if err == nil {
			err = known(cmd, rest)
		}
		if err != nil {
			return err
		}
		cmd.InitDefaultHelpFlag() // its line is part of the help, and so is the next one's
		cmd.InitDefaultVersionFlag()
		return cmd.Help()
	}
}

// flagError says of a flag's value what it is not, without the words of package strconv.
func flagError(err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) && errors.Is(err, strconv.ErrSyntax) {
		return fmt.Errorf("--%s: %q is no number", invalid.GetFlag().Name, invalid.GetValue())
	}
	if errors.As(err, &invalid) && errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("--%s: %s is out of range", invalid.GetFlag().Name, invalid.GetValue())
	}
	return err
}

// name keeps the tenant and the namespace that the arguments name, for hints.
func (c *cli) name(cmd *cobra.Command, args []string) {
	c.tenant, c.namespace = "", ""
	words := strings.Fields(cmd.Use)[1:]
	for i, word := range words[:min(len(words), len(args))] {
		several := strings.Contains(word, "...") && len(args) > i+1
		switch strings.Trim(word, "[].") {
		case "TENANT":
			c.tenant = args[i]
		case "NAMESPACE":
			if !several {
				c.namespace = args[i]
			}
		}
	}
}

// positional holds a command to the arguments that its usage line names: WORD, [WORD] or WORD...
func positional(cmd *cobra.Command, args []string) error {
	words := strings.Fields(cmd.Use)[1:]
	for i, arg := range args {
		if arg == "" {
			return usagef("argument %d is empty; usage: %s %s", i+1, cmd.CommandPath(), strings.Join(words, " "))
		}
	}
	most := len(words)
	for i, word := range words {
		if strings.Contains(word, "...") {
			most = -1
		}
		if i >= len(args) && !strings.HasPrefix(word, "[") {
			return usagef("%s is missing; usage: %s %s", strings.TrimSuffix(word, "..."), cmd.CommandPath(), strings.Join(words, " "))
		}
	}
	switch {
	case most < 0 || len(args) <= most:
		return nil
	case most == 0:
		return usagef("%s takes no arguments, got %d", cmd.Name(), len(args))
	}
	return usagef("%d arguments, at most %d fit; usage: %s %s", len(args), most, cmd.CommandPath(), strings.Join(words, " "))
}

// say prints a line for people about what was done.
func (c *cli) say(format string, args ...any) {
	if !c.json {
		fmt.Fprintf(c.out, format+"\n", args...)
	}
}

// note prints a line for people that is no result: it goes to standard error.
func (c *cli) note(format string, args ...any) {
	if !c.json {
		fmt.Fprintf(c.err, format+"\n", args...)
	}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
