package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/keys"
	"github.com/sealkv/sealkv/store"
)

// A rotateFlags is what keys rotate was asked for.
type rotateFlags struct {
	all, tenantKey, platform bool
	root                     rootFlags
	compromiseFlags
}

func (c *cli) keysRotateCommand() *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate [TENANT] [NAMESPACE...]",
		Short: "Make new active keys",
		Long: `Make new active data keys for the namespaces of a tenant, or for all of them that
have a key. New values are sealed under the new keys at once; each old value
moves when a service next reads it, or when kvctl keys sweep comes to it. kvctl
stats shows how far that is.

Instead of data keys:
  --tenant-key        a new tenant key, which rewraps the data keys
  --root FILE         put the tenant key under another root key; with the file
                      that it is under, under the newest version in it (see
                      kvctl root rotate). A file that does not exist is created
  --platform --root FILE
                      the same for the platform's key and all hosted tenants
None of these changes a record.

--compromised is for keys that somebody may know. It makes a new tenant key and new
data keys, and then seals every value anew, those in chunks under new keys of their
own, and rewrites the files. It can be cut short: run again it goes on. With --retire
it then destroys the old keys. At the end it says what it cannot undo.`,
		Example: `  kvctl keys rotate acme
  kvctl keys rotate acme jira/comments jira/issues
  kvctl keys rotate --all
  kvctl root rotate acme.key && kvctl keys rotate acme --root acme.key
  kvctl keys rotate acme --compromised --retire`,
		Args:              positional,
		ValidArgsFunction: c.completeRotate,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return err
			}
			return c.rotate(cmd.Context(), &f, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "of all tenants")
	flags.BoolVar(&f.tenantKey, "tenant-key", false, "rotate the tenant key instead of data keys")
	flags.BoolVar(&f.compromised, "compromised", false, "somebody may know the keys: new ones, and every value sealed anew")
	flags.BoolVar(&f.retire, "retire", false, "with --compromised: destroy the old keys once nothing needs them")
	flags.BoolVar(&f.anew, "anew", false, "with --compromised: new keys also if an earlier recovery has not ended")
	flags.BoolVar(&f.platform, "platform", false, "with --root: the platform's key instead of a tenant's")
	c.rootFlags(cmd, &f.root, "put the tenant key under the root key in `FILE`, or its URI")
	return c.selects(cmd)
}

func (f *rotateFlags) check(args []string) error {
	switch {
	case !f.compromised && (f.retire || f.anew):
		return usagef("--retire and --anew go with --compromised")
	case f.compromised && (f.tenantKey || f.platform || f.root.name != "" || len(args) > 1):
		return usagef("--compromised is for all keys of a tenant, without other flags than --retire and --anew")
	case f.tenantKey && f.root.name != "":
		return usagef("--tenant-key and --root exclude one another")
	case f.root.protect && f.root.name == "":
		return usagef("--protect is for the key file that --root names")
	case f.platform && (len(args) > 0 || f.all || f.root.name == ""):
		return usagef("--platform goes with --root FILE, without a tenant")
	case f.platform:
		return nil
	case len(args) == 0 && !f.all:
		return usagef("TENANT is missing; --all rotates the keys of all tenants")
	case len(args) > 0 && f.all:
		return usagef("--all goes without TENANT")
	case f.all && f.root.name != "":
		return usagef("--root goes with one tenant: a root key serves no other")
	case len(args) > 1 && (f.tenantKey || f.root.name != ""):
		return usagef("only data keys are rotated by namespace")
	}
	return nil
}

func (c *cli) rotate(ctx context.Context, f *rotateFlags, args []string) error {
	return c.with(ctx, writing, func(s *store.Store) error {
		switch {
		case f.compromised:
			return c.rotateCompromised(ctx, s, &f.compromiseFlags, args)
		case f.platform:
			return c.rotatePlatform(ctx, s, f)
		case f.root.name != "":
			return c.rotateRoot(ctx, s, args[0], &f.root)
		case f.tenantKey:
			return c.rotateTenantKeys(ctx, s, args)
		}
		return c.rotateDataKeys(ctx, s, args)
	})
}

func (c *cli) rotateDataKeys(ctx context.Context, s *store.Store, args []string) error {
	l := c.list("sealkv/rotate/1", []string{"tenant", "namespace", "domain", ">from", ">to"})
	err := c.eachNamed(s, args, "rotating", func(t *store.Tenant) error {
		names, err := namespaces(t, args)
		if err != nil {
			return err
		}
		done, err := t.RotateDataKeys(ctx, names...)
		for _, r := range done {
			l.row(r, r.Tenant, r.Namespace, r.Domain, number(r.From), number(r.To))
		}
		return err
	})
	if err != nil {
		return l.fail(err)
	}
	return l.end("Nothing to rotate: there is no data key yet.")
}

// A tenantKeyRow is the JSON of a tenant key's rotation.
type tenantKeyRow struct {
	Tenant  string `json:"tenant"`
	Version uint32 `json:"key_version"`
}

func (c *cli) rotateTenantKeys(ctx context.Context, s *store.Store, args []string) error {
	l := c.list("sealkv/rotate-tenant-key/1", []string{"tenant", ">version"})
	err := c.eachNamed(s, args, "rotating", func(t *store.Tenant) error {
		version, err := t.RotateTenantKey(ctx)
		if err == nil {
			l.row(tenantKeyRow{t.ID(), version}, t.ID(), number(version))
		}
		return err
	})
	if err != nil {
		return l.fail(err)
	}
	return l.end("No tenants yet.")
}

// eachNamed calls fn, which is doing something, for the tenant in args[0], or for all. One that fails does not keep fn from
// the others; a store that fails does.
func (c *cli) eachNamed(s *store.Store, args []string, doing string, fn func(*store.Tenant) error) error {
	if len(args) > 0 {
		c.tenant = args[0]
		t, err := s.Tenant(args[0])
		if err != nil {
			return err
		}
		return fn(t)
	}
	var (
		failed int
		first  error
	)
	bar, done := c.progress(doing), uint64(0)
	err := eachTenant(s, func(info keys.TenantInfo) error {
		done++
		bar.count(done, "tenant")
		t, err := s.Tenant(info.ID)
		if err == nil {
			err = fn(t)
		}
		if err == nil || !isTenants(err) {
			return err
		}
		if info.Shredded && errors.Is(err, store.ErrKeyDestroyed) {
			return nil // it has no tenant key that could be rotated
		}
		if failed++; first == nil {
			first = fmt.Errorf("%s: %w", info.ID, err)
		}
		return nil
	})
	bar.end()
	if err != nil || failed == 0 {
		return err
	}
	return fmt.Errorf("the others are done, but not %s: %w", human.Counted(failed, "tenant"), first)
}

// isTenants reports whether an error is of one tenant's keys and says nothing of the others'.
func isTenants(err error) bool {
	return errors.Is(err, store.ErrKeyRevoked) || errors.Is(err, store.ErrKeyUnavailable) || errors.Is(err, store.ErrKeyDestroyed)
}

// namespaces are those that args name behind the tenant; the policy must have a rule for each.
func namespaces(t *store.Tenant, args []string) ([]string, error) {
	names := args[min(1, len(args)):]
	for _, name := range names {
		if _, err := t.Namespace(name); err != nil {
			return nil, err
		}
	}
	return names, nil
}
