package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

// A failure is an error as it is printed: what happened and what to do next.
type failure struct {
	Code    string `json:"code"`
	Exit    int    `json:"exit"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	PID     int    `json:"pid,omitempty"` // of the process that holds the store
}

// usageError is a command line that cannot be obeyed.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// hinted is an error whose hint is better than that of its class.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

func withHint(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}

var (
	errInterrupted = errors.New("interrupted")
	errPassphrase  = errors.New("no passphrase: there is no terminal to ask for it")
	errPolicy      = errors.New("not a policy")
)

// A class is what kvctl knows of one kind of error.
type class struct {
	is   error
	code string // in JSON; must not change
	exit int
	hint string
}

// classes are searched in this order: an error may be several of them, and the first says most.
var classes = []class{
	{errInterrupted, "interrupted", exitInterrupted, ""},
	{errPassphrase, "passphrase_needed", exitUnavailable, "run it on a terminal, or name a file of mode 0600 that holds the passphrase with --passphrase-file FILE"},
	{store.ErrNoStore, "no_store", exitNotFound, "create one: kvctl --store DIR init --root FILE"},
	{store.ErrIncomplete, "incomplete_store", exitNotFound, "run the same kvctl init again: it starts anew"},
	{store.ErrTenantUnknown, "tenant_unknown", exitNotFound, "kvctl tenant ls shows the tenants; kvctl tenant add TENANT makes one"},
	{store.ErrTenantExists, "tenant_exists", exitExists, "kvctl tenant show TENANT shows it; ids are never used again"},
	{store.ErrNamespaceUnknown, "namespace_unknown", exitNotFound, "kvctl scope show lists the store's namespaces; others need a policy with a rule for them"},
	{scope.ErrInvalidNamespace, "invalid_name", exitUsage, "a namespace is product/type, such as jira/comments"},
	{store.ErrInvalidName, "invalid_name", exitUsage, ""},
	{store.ErrTooLarge, "too_large", exitUsage, "keys have at most 1,024 bytes, values 64 MiB; kvctl attach put TENANT NAMESPACE KEY [FILE] stores values of any length"},
	{store.ErrNotFound, "not_found", exitNotFound, "kvctl ls TENANT NAMESPACE lists the keys that are there"},
	{store.ErrExists, "exists", exitExists, ""},
	{store.ErrNeeded, "needed", exitFailed, "kvctl keys coverage TENANT says what needs it"},
	{errNoKey, "key_unknown", exitNotFound, "kvctl keys ls TENANT shows the data keys, and the namespaces that they are of"},
	{store.ErrRollback, "rollback", exitDamaged, "put the newest keyring.db back, or restore records and keyring from one backup"},
	{store.ErrIdentity, "identity", exitDamaged, "restore records and keyring from one backup"},
	{store.ErrKeyDestroyed, "key_destroyed", exitDestroyed, "nothing opens what a destroyed key sealed; kvctl keys ls TENANT shows the keys"},
	{root.ErrRevoked, "key_revoked", exitRevoked, "the holder of the root key ends it: kvctl root show FILE shows its state, kvctl root enable FILE makes it usable again"},
	{store.ErrKeyRevoked, "key_revoked", exitRevoked, "kvctl tenant show TENANT says who revoked it; kvctl tenant restore TENANT ends a revocation by an operator"},
	{store.ErrNotApproved, "not_approved", exitInvalid, "a policy with suite: xaes-256-gcm seals what is allowed; kvctl scope explain NAMESPACE shows the suite"},
	{store.ErrNotCompressed, "not_compressed", exitInvalid, "kvctl scope explain NAMESPACE shows how the policy has it compressed"},
	{store.ErrNoGain, "no_gain", exitInvalid, "try again once there are more values, or let the policy say compression: zstd"},
	{store.ErrNoDictionary, "no_dictionary", exitDamaged, "the dictionary that the value was compressed with was taken away; restore it from a backup"},
	{store.ErrKeyMismatch, "key_mismatch", exitDamaged, "the record names a key that is not its tenant's and namespace's: it was moved or tampered with; restore it from a backup"},
	{store.ErrAuthentication, "authentication_failed", exitDamaged, "the bytes are not what the key made: they are damaged, were moved or tampered with; restore them from a backup"},
	{store.ErrMalformed, "malformed", exitDamaged, "the bytes are no record of a store; restore them from a backup"},
	{store.ErrUnsupported, "unsupported", exitDamaged, "a newer version made it: use the newest kvctl"},
	{store.ErrCorrupt, "damaged", exitDamaged, "the disk did not keep what was written; restore the store from a backup"},
	{keys.ErrDamaged, "damaged", exitDamaged, "restore keyring.db from a backup"},
	{keys.ErrRootInUse, "root_in_use", exitExists, "a root key serves one tenant: name another file, or leave --root out for a hosted tenant"},
	{root.ErrInvalid, "invalid_root_key", exitInvalid, "the key file must be the right one, of mode 0600, and its passphrase the right one"},
	{store.ErrKeyUnavailable, "key_unavailable", exitUnavailable, "put the root key's file back where the message says, and try again"},
	{root.ErrUnavailable, "key_unavailable", exitUnavailable, "put the key file where the message says, and try again"},
	{errBad, "bad_records", exitDamaged, "restore them from a backup; the lines above name them"},
	{transfer.ErrTooLong, "too_long", exitFailed, "kvctl attach get TENANT NAMESPACE KEY FILE writes one; export --folder writes those that are attachments"},
	{transfer.ErrDiffers, "differs", exitDamaged, "import the same again to make the store as the files are"},
	{transfer.ErrMissing, "missing", exitDamaged, "import the same again to make the store as the files are"},
	{store.ErrIsBackup, "is_backup", exitFailed, "kvctl --store NEW restore BACKUP makes a store of it"},
	{store.ErrNotBackup, "not_backup", exitInvalid, "kvctl backup DIR makes one"},
	{store.ErrNoBackup, "no_backup", exitNotFound, "kvctl backups ls shows them"},
	{store.ErrTooManyBackups, "too_many_backups", exitFailed, "kvctl backups ls shows them, kvctl backups forget ID ends one"},
	{store.ErrPolicyVersion, "policy_version", exitInvalid, "raise version: in the file"},
	{store.ErrNamespaceInUse, "namespace_in_use", exitInvalid, "add a rule for it; kvctl scope diff FILE shows what changes"},
	{store.ErrDowngrade, "downgrade", exitInvalid, "if that is meant, add --downgrade --yes; kvctl scope diff FILE shows what changes"},
	{errPolicy, "invalid_policy", exitInvalid, "kvctl scope show --yaml prints one to start from"},
	{store.ErrDiskFull, "disk_full", exitFailed, "make room on the disk, and try again"},
	{store.ErrUnknownOutcome, "unknown_outcome", exitFailed, "it may or may not have happened: read back, then try again"},
	{keys.ErrPoisoned, "unknown_outcome", exitFailed, "it may or may not have happened: look, then try again"},
	{store.ErrUnavailable, "unavailable", exitFailed, "the message says what the disk did not do; put that right, and run it again"},
	{store.ErrReadOnly, "read_only", exitFailed, ""},
	{fs.ErrExist, "exists", exitExists, ""},
	{fs.ErrNotExist, "file_not_found", exitNotFound, ""},
	{fs.ErrPermission, "permission", exitFailed, ""}, // see explain
}

// explain classifies the error of a command; cmd is the one that cobra found.
func (c *cli) explain(cmd *cobra.Command, err error) failure {
	f := failure{Code: "failed", Exit: exitFailed, Message: message(err)}
	var (
		held  *store.HeldError
		usage usageError
		hint  hinted
		line  *transfer.LineError
	)
	switch class := classOf(err); {
	case errors.As(err, &held):
		f.Code, f.Exit, f.PID = "held", exitHeld, held.PID
		f.Hint = heldHint(held.PID)
	case errors.As(err, &usage), !c.running:
		f.Code, f.Exit, f.Hint = "usage", exitUsage, cmd.CommandPath()+" --help explains it"
	case class != nil:
		f.Code, f.Exit, f.Hint = class.code, class.exit, class.hint
	case errors.As(err, &line):
		f.Code, f.Exit, f.Hint = "invalid_data", exitInvalid, "kvctl import --help says what a line is; what is in the store already stays, and --continue passes over such lines"
	}
	if errors.Is(err, fs.ErrPermission) { // whatever else it is
		f.Hint = "run it as the user that owns the store and the key files"
	}
	f.Hint = c.named(f.Hint)
	if errors.As(err, &hint) {
		f.Hint = hint.hint
	}
	return f
}

// named puts the names that the command line gave into a hint.
func (c *cli) named(hint string) string {
	var pairs []string
	for _, pair := range [][]string{{"DIR", c.dir}, {"TENANT", c.tenant}, {"NAMESPACE", c.namespace}} {
		if pair[1] != "" {
			pairs = append(pairs, pair...)
		}
	}
	return strings.NewReplacer(pairs...).Replace(hint)
}

func classOf(err error) *class {
	for i := range classes {
		if errors.Is(err, classes[i].is) {
			return &classes[i]
		}
	}
	return nil
}

func heldHint(pid int) string {
	if pid == 0 || !runs(pid) {
		return "one process has a store open for writing, or several for reading: wait for who has it open (fuser DIR/lock names it), or stop it"
	}
	return fmt.Sprintf("one process has a store open for writing: stop process %d (ps -p %[1]d shows what it is), or use the API of the service that it is", pid)
}

// runs reports whether there is a process. One that only reads leaves no id: the one in the
// message may then be that of an earlier writer.
func runs(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, syscall.EPERM)
}

// message is an error's text without the names of the packages that it came through, and without
// a class at its end that it names before.
func message(err error) string {
	text := ": " + err.Error()
	for _, name := range []string{"store", "keys", "keyfile", "root", "scope", "codec", "engine", "transfer"} {
		text = strings.ReplaceAll(text, ": "+name+": ", ": ")
	}
	for _, class := range []string{": key revoked", ": key unavailable"} {
		if rest, ends := strings.CutSuffix(text, class); ends && strings.Contains(rest, class+": ") {
			text = rest
		}
	}
	if errors.Is(err, root.ErrInvalid) {
		text = strings.TrimSuffix(text, ": invalid") // what is wrong stands before it
	}
	return text[len(": "):]
}

func (c *cli) printFailure(f failure) {
	if c.json {
		e := json.NewEncoder(c.err)
		e.SetEscapeHTML(false)
		e.Encode(struct {
			Schema string  `json:"schema"`
			Error  failure `json:"error"`
		}{"sealkv/error/1", f})
		return
	}
	red, dim, plain := "", "", ""
	if coloured(c.err) {
		red, dim, plain = "\x1b[31m", "\x1b[2m", "\x1b[0m"
	}
	fmt.Fprintf(c.err, "%skvctl:%s %s\n", red, plain, f.Message)
	if f.Hint != "" {
		fmt.Fprintf(c.err, "%shint: %s%s\n", dim, f.Hint, plain)
	}
}

// coloured reports whether colours are welcome; see https://no-color.org.
func coloured(w any) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
