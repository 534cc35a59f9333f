package main

import (
	"context"

	"github.com/sealkv/sealkv/store"
)

// rotateRoot brings a tenant's key under another root; without one, under the platform's.
func (c *cli) rotateRoot(ctx context.Context, s *store.Store, id string, r *rootFlags) (err error) {
	c.tenant = id
	t, err := s.Tenant(id)
	if err != nil {
		return err
	}
	var file rootFile
	if r.name != "" {
		if file, err = c.newRoot(ctx, s, r); err != nil {
			return err
		}
		defer func() { c.warnNewRoot(&file, err) }()
	}
	if err := t.RotateRoot(ctx, file.uri); err != nil {
		return err
	}
	info, err := t.Info()
	if err != nil {
		return err
	}
	row := tenantRow{info, info.Status(), file.created}
	return c.report("sealkv/tenant/1", row, "The tenant key of %s is under %s, version %s", id, info.Root, info.RootVersion)
}

// A platformRootRow is the JSON of a rotation of the platform's root.
type platformRootRow struct {
	Root        string `json:"root"`
	RootCreated bool   `json:"root_created"`
}

func (c *cli) rotatePlatform(ctx context.Context, s *store.Store, f *rotateFlags) (err error) {
	file, err := c.newRoot(ctx, s, &f.root)
	if err != nil {
		return err
	}
	defer func() { c.warnNewRoot(&file, err) }()
	if err := s.RotatePlatformRoot(ctx, file.uri); err != nil {
		return err
	}
	return c.report("sealkv/rotate-platform-root/1", platformRootRow{file.uri, file.created},
		"The platform's key, and the keys of all hosted tenants, are under %s", file.describe())
}

func (c *cli) newRoot(ctx context.Context, s *store.Store, r *rootFlags) (rootFile, error) {
	file, err := r.find(s.Dir())
	if err != nil {
		return file, err
	}
	if err := c.create(ctx, &file, r.protect); err != nil {
		return file, err
	}
	return file, nil
}
