package main

import (
	"context"
	"errors"
	"time"

	"github.com/sealkv/sealkv/keys/root/keyfile"
	"github.com/sealkv/sealkv/store"
)

// An access is what a command needs a store for.
type access int

const (
	looking access = iota // at what needs no key
	reading               // values too
	writing
	filling // writing a lot, by what makes it durable itself
)

// askTimeout bounds how long a root key may take: a person may have to type its passphrase, and
// to make a key of that takes a busy machine seconds.
const askTimeout = 5 * time.Minute

func (c *cli) options(how access) *store.Options {
	opts := &store.Options{
		Inspect: how == looking, ReadOnly: how == reading,
		NoSync:       how == filling,
		RootTimeout:  askTimeout,
		CollectEvery: -1, // a command is too short for it
	}
	if how != looking {
		opts.Roots = &keyfile.Opener{Passphrase: c.passphrases.ask}
	}
	return opts
}

// with opens the store for fn and closes it.
func (c *cli) with(ctx context.Context, how access, fn func(s *store.Store) error) error {
	dir, err := c.storeDir()
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, dir, c.options(how))
	if err != nil {
		return err
	}
	return errors.Join(fn(s), s.Close())
}

// withTenant is with, for one tenant.
func (c *cli) withTenant(ctx context.Context, how access, id string, fn func(s *store.Store, t *store.Tenant) error) error {
	c.tenant = id
	return c.with(ctx, how, func(s *store.Store) error {
		t, err := s.Tenant(id)
		if err != nil {
			return err
		}
		return fn(s, t)
	})
}

// withNamespace is with, for one namespace of one tenant.
func (c *cli) withNamespace(ctx context.Context, how access, tenant, name string, fn func(n *store.Namespace) error) error {
	c.namespace = name
	return c.withTenant(ctx, how, tenant, func(_ *store.Store, t *store.Tenant) error {
		n, err := t.Namespace(name)
		if err != nil {
			return err
		}
		return fn(n)
	})
}

func (c *cli) storeDir() (string, error) {
	if c.dir == "" {
		return "", withHint(usagef("no store is named"), "name it: --store DIR, or export KVCTL_STORE=DIR")
	}
	return c.dir, nil
}
