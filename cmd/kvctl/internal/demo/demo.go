// Package demo shows the main job on a store made for it: values of several tenants sealed under
// keys chosen by data type, a key rotated, values rewrapped as they are read, a tenant's key
// revoked and restored. Beside each step it prints the kvctl commands that do the same. Every
// number that it prints is read from the store.
//
//	demo.Run(ctx, os.Stdout, &demo.Options{Data: dir, Keep: keep, Color: color})
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
	"github.com/sealkv/sealkv/keys/root/keyfile"
	"github.com/sealkv/sealkv/scope"
	"github.com/sealkv/sealkv/store"
)

// Options of Run. Nil means defaults.
type Options struct {
	// Data is a folder that transfer.Import reads. Empty means data that the demo makes up.
	Data string
	// Dir is where the store, the key files and the made-up data go: a folder that does not exist
	// yet or is empty, and that stays. Empty means a temporary one, which goes at the end.
	Dir string
	// Keep leaves the temporary one.
	Keep bool
	// Color is for terminals.
	Color bool
	// Command is how a person calls kvctl. Empty means kvctl.
	Command string
	// Message is the line that kvctl prints for an error. Nil means the error's text.
	Message func(error) string
}

// Run does the main job once and prints it to out.
func Run(ctx context.Context, out io.Writer, opts *Options) (err error) {
	if opts == nil {
		opts = &Options{}
	}
	d := &demo{Options: *opts, printer: printer{out: out, color: opts.Color}, start: time.Now()}
	if d.Command == "" {
		d.Command = "kvctl"
	}
	if d.Message == nil {
		d.Message = error.Error
	}
	if err := d.makeDir(); err != nil {
		return err
	}
	defer func() {
		if d.st != nil {
			err = errors.Join(err, d.st.Close())
		}
		err = errors.Join(err, d.cleanUp())
		if err == nil {
			d.farewell()
			err = d.printer.err
		}
	}()
	for _, step := range []func(context.Context) error{
		d.prepare, d.create, d.load, d.usage, d.rotate, d.revoke, d.restore, d.verify,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// A demo is one Run.
type demo struct {
	Options
	printer
	start  time.Time
	st     *store.Store
	survey *transfer.Result // of the data
	tenant string           // the one that brings its own root, rotates and revokes
	other  string           // one that does not; empty if there is none
}

func (d *demo) path(names ...string) string {
	return filepath.Join(append([]string{d.Dir}, names...)...)
}

func (d *demo) makeDir() (err error) {
	if d.Dir == "" {
		d.Dir, err = os.MkdirTemp("", "sealkv-demo-")
		return err
	}
	d.Keep = true
	if d.Dir, err = filepath.Abs(d.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(d.Dir, 0o700); err != nil {
		return err
	}
	if names, err := os.ReadDir(d.Dir); err != nil {
		return err
	} else if len(names) > 0 {
		return fmt.Errorf("%s: the folder is not empty: %w", d.Dir, fs.ErrExist)
	}
	return nil
}

func (d *demo) cleanUp() error {
	if d.Keep {
		return nil
	}
	return os.RemoveAll(d.Dir)
}

// prepare finds the data, makes it up if there is none, and chooses the tenant of the story.
func (d *demo) prepare(ctx context.Context) (err error) {
	d.title("sealkv: values of many tenants, each sealed under a key chosen by tenant and data type")
	if d.Data == "" {
		d.Data = d.path("data")
		if err := generate(d.Data); err != nil {
			return err
		}
	}
	if d.survey, err = transfer.Survey(ctx, []string{d.Data}, nil); err != nil {
		return err
	}
	if len(d.survey.Rows) == 0 {
		return fmt.Errorf("%s: no values in it; kvctl import --help says what a folder holds", d.Data)
	}
	d.tenant, d.other = choose(d.survey.Rows, scope.Default())
	return nil
}

// create makes the store and the tenant with a root of its own.
func (d *demo) create(ctx context.Context) error {
	d.step("A store, and a tenant that brings its own root key")
	platformFile, tenantFile := d.path("keys", "platform.key"), d.path("keys", d.tenant+".key")
	d.typed("export KVCTL_STORE=" + quote(d.path("store")))
	d.typed("mkdir -p " + quote(d.path("keys")))
	d.command("init --root %s", quote(platformFile))
	d.command("tenant add %s --root %s", d.tenant, quote(tenantFile))
	if err := os.Mkdir(d.path("keys"), 0o700); err != nil {
		return err
	}
	platform, err := newKey(platformFile)
	if err != nil {
		return err
	}
	// Nothing here needs to outlive a crash, and the import makes itself durable.
	if d.st, err = store.Create(ctx, d.path("store"), platform, &store.Options{Roots: &keyfile.Opener{}, NoSync: true}); err != nil {
		return err
	}
	own, err := newKey(tenantFile)
	if err != nil {
		return err
	}
	tenant, err := d.st.AddTenant(ctx, d.tenant, &store.TenantOptions{Root: own})
	if err != nil {
		return err
	}
	info, err := tenant.Info()
	if err != nil {
		return err
	}
	d.line("%s is %s: its key is wrapped by version %.8s… of %s.key, which is not in the store.", d.tenant, info.Status(), info.RootVersion, d.tenant)
	return nil
}

func newKey(path string) (uri string, err error) {
	if err := keyfile.Create(path, nil); err != nil {
		return "", err
	}
	return keyfile.URI(path)
}

func (d *demo) load(ctx context.Context) error {
	d.step("Import")
	d.command("import %s", quote(d.Data))
	r, err := transfer.Import(ctx, d.st, []string{d.Data}, nil)
	if err != nil {
		return err
	}
	total := r.Total()
	d.line("%s of %s, %s, in %s; %s made, under the platform's root.",
		human.Counted(int(total.New), "value"), human.Counted(r.Tenants(), "tenant"), human.Size(total.Bytes), seconds(r.Elapsed), human.Counted(len(r.Created), "tenant"))
	return nil
}

func (d *demo) farewell() {
	d.print("\n")
	took := seconds(time.Since(d.start))
	if d.Keep {
		d.line("Done in %s. Store, keys and data stay in %s.", took, d.Dir)
		return
	}
	d.line("Done in %s. %s is gone; with --keep it stays, to try the commands on.", took, d.Dir)
}

// command prints a kvctl command that does the same.
func (d *demo) command(format string, args ...any) {
	d.typed(d.Command + " " + fmt.Sprintf(format, args...))
}
