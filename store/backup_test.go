package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sealkv/sealkv/keys/root"
	"github.com/sealkv/sealkv/store"
	"github.com/sealkv/sealkv/store/engine"
	"github.com/sealkv/sealkv/store/engine/pebble"
)

// backup backs the store up into a new directory.
func backup(t *testing.T, w *world) (dir string, info store.BackupInfo) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "backup")
	info, err := w.Backup(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, info
}

// restored opens what Restore makes of a backup.
func restored(t *testing.T, w *world, from, newest string) (*world, *store.Restored) {
	t.Helper()
	out := &world{t: t, dir: filepath.Join(t.TempDir(), "restored"), opts: w.opts, roots: w.roots}
	out.opts.Engine = nil
	report, err := store.Restore(t.Context(), from, out.dir, newest, &out.opts)
	if err != nil {
		t.Fatal(err)
	}
	if out.Store, err = store.Open(t.Context(), out.dir, &out.opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out, report
}

// verified holds a store to having nothing bad, and returns how many records opened.
func verified(t *testing.T, s *store.Store) (opened, dark uint64) {
	t.Helper()
	v, err := s.Verify(t.Context(), nil)
	if err != nil || v.Bad() != 0 {
		t.Fatalf("verify: %+v, %v", v, err)
	}
	for _, row := range v.Rows {
		opened, dark = opened+row.Opened, dark+row.Dark
	}
	return opened, dark
}

// sums are the files beneath a directory.
func sums(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	out := map[string][32]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		out[path] = sha256.Sum256(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A backup is of one moment, although writers go on: of two records that are always written
// together it has both or none. It is only read; what is restored from it is a store like any other.
func TestBackup(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 1 << 10}, "acme", "globex")
	settle(t, w, "acme")
	settle(t, w, "globex")
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			b := w.NewBatch()
			b.Put(w.ns("acme", "jira/comments"), []byte("pair"), fmt.Append(nil, i))
			b.Put(w.ns("globex", "jira/issues"), []byte("pair"), fmt.Append(nil, i))
			if err := b.Commit(t.Context()); err != nil {
				t.Error(err)
				return
			}
			if i%10 == 0 {
				if _, err := w.tenant("acme").RotateDataKeys(t.Context(), "jira/comments"); err != nil {
					t.Error(err)
				}
			}
		}
	})
	dir, info := backup(t, w)
	stop()
	writer.Wait()
	if !info.Complete || info.Place == "" || info.Highest == 0 {
		t.Errorf("%+v", info)
	}
	before := sums(t, dir)
	if _, err := store.Open(t.Context(), dir, &w.opts); !errors.Is(err, store.ErrIsBackup) {
		t.Errorf("a backup opened for writing: %v", err)
	}
	for _, how := range []store.Options{{Inspect: true}, {ReadOnly: true, Roots: w.roots}} {
		s, err := store.Open(t.Context(), dir, &how)
		if err != nil {
			t.Fatal(err)
		}
		opened, _ := verified(t, s)
		if usage, err := s.Usage(t.Context(), ""); err != nil || len(usage) < 6 {
			t.Errorf("%+v, %v", usage, err)
		}
		if how.ReadOnly && opened < 12 {
			t.Errorf("%d records opened", opened)
		}
		if _, err := s.Backup(t.Context(), t.TempDir()); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("a backup of a backup: %v", err)
		}
		s.Close()
	}
	if !maps.Equal(before, sums(t, dir)) {
		t.Error("the backup was changed")
	}

	mustPut(t, w.ns("acme", "jira/comments"), "later", "v")
	r, report := restored(t, w, dir, "")
	if report.Newer || len(report.Destroyed) != 0 || report.Backup.ID != info.ID {
		t.Errorf("%+v", report)
	}
	if opened, _ := verified(t, r.Store); opened != report.Records {
		t.Errorf("%d records opened of %d", opened, report.Records)
	}
	wantError(t, r.ns("acme", "jira/comments"), "later", store.ErrNotFound)
	one, _ := r.ns("acme", "jira/comments").Get(t.Context(), []byte("pair"))
	other, _ := r.ns("globex", "jira/issues").Get(t.Context(), []byte("pair"))
	if string(one) != string(other) {
		t.Errorf("the backup has %q and %q, which were written together", one, other)
	}
	for _, id := range []string{"acme", "globex"} {
		wantValue(t, r.ns(id, "jira/attachments"), "large", string(bytes.Repeat([]byte(id), 100_000)))
	}
	mustPut(t, r.ns("acme", "jira/issues"), "new", "v")
	if list, err := r.Backups(); err != nil || len(list) != 1 || !list[0].Complete {
		t.Errorf("the restored store knows %+v, %v", list, err)
	}
	if !maps.Equal(before, sums(t, dir)) {
		t.Error("the backup was changed by restoring it")
	}
}

// What was shredded, retired or revoked since the backup stays so with the newest keyring, whichever
// way it is named. Without it, nobody can know.
func TestRestoreCannotUndo(t *testing.T) {
	w := newWorld(t, store.Options{Inline: 1 << 10}, "acme", "globex", "initech", "umbrella")
	for _, id := range []string{"acme", "globex", "initech", "umbrella"} {
		settle(t, w, id)
	}
	dir, info := backup(t, w)
	receipt := shred(t, w, nil) // acme
	if len(receipt.Backups) != 1 || receipt.Backups[0] != info.ID {
		t.Errorf("the receipt names %v", receipt.Backups)
	}
	if _, err := w.tenant("globex").Shred(t.Context(), &store.ShredOptions{Namespaces: []string{"jira/comments"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.tenant("initech").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.tenant("umbrella").RotateDataKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Close()
	for _, newest := range []string{w.dir, filepath.Join(w.dir, "keyring.db")} {
		r, report := restored(t, w, dir, newest)
		if !report.Newer || !report.Backup.Complete || report.Records != 4*6-6-2 || len(report.Destroyed) == 0 {
			t.Errorf("%+v", report)
		}
		if opened, dark := verified(t, r.Store); opened+dark != report.Records || dark == 0 {
			t.Errorf("%d records open, %d are dark, of %d", opened, dark, report.Records)
		}
		wantError(t, r.ns("acme", "jira/attachment-metadata"), "k", store.ErrNotFound)
		wantError(t, r.ns("globex", "jira/comments"), "k", store.ErrNotFound)
		wantValue(t, r.ns("globex", "jira/attachments"), "k", "value of globex")
		wantError(t, r.ns("initech", "jira/comments"), "k", store.ErrKeyRevoked)
		wantValue(t, r.ns("umbrella", "jira/comments"), "k", "value of umbrella")
		if v, err := r.Verify(t.Context(), nil); err != nil || v.Leftover != 0 {
			t.Errorf("%+v, %v", v, err)
		}
	}
	r, report := restored(t, w, dir, "")
	if report.Newer || len(report.Destroyed) != 0 {
		t.Errorf("%+v", report)
	}
	wantValue(t, r.ns("acme", "jira/comments"), "k", "value of acme")
}

// A key is not retired while a backup may need it: one that is being made, and one from before a
// sweep had found nothing under the key. It is once the backup is forgotten.
func TestBackupHoldsKeys(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	w := newWorld(t, store.Options{Now: func() time.Time { return now }}, "acme")
	acme, n := w.tenant("acme"), w.ns("acme", "jira/comments")
	mustPut(t, n, "k", "v")
	_, early := backup(t, w)
	if _, err := acme.RotateDataKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	sweep := func() {
		t.Helper()
		now = now.Add(time.Minute)
		if _, err := acme.Sweep(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	sweep()
	_, late := backup(t, w)
	if late.Highest < 2 {
		t.Errorf("%+v", late)
	}
	err := acme.RetireDataKey(t.Context(), "jira/comments", 1, false)
	if !errors.Is(err, store.ErrNeeded) || !strings.Contains(err.Error(), early.ID) {
		t.Fatalf("retiring what a backup needs: %v", err)
	}
	coverage, err := acme.Coverage(t.Context())
	if err != nil || !strings.Contains(coverage[0].Needed, early.ID) {
		t.Errorf("%+v, %v", coverage, err)
	}
	if err := w.ForgetBackup(t.Context(), early.ID); err != nil {
		t.Fatal(err)
	}
	w.reopen()
	acme = w.tenant("acme")
	if err := acme.RetireDataKey(t.Context(), "jira/comments", 1, false); err != nil {
		t.Fatalf("retiring what no backup needs: %v", err)
	}
	if err := w.ForgetBackup(t.Context(), early.ID); !errors.Is(err, store.ErrNoBackup) {
		t.Errorf("forgetting twice: %v", err)
	}
	if err := w.ForgetBackup(t.Context(), "12"); !errors.Is(err, store.ErrNoBackup) {
		t.Errorf("forgetting what has no id: %v", err)
	}
	if list, err := w.Backups(); err != nil || len(list) != 1 || list[0] != late {
		t.Errorf("%+v, %v", list, err)
	}
}

// A checkpointed engine calls its hook in the middle of a checkpoint.
type checkpointed struct {
	*pebble.Engine
	hook func(dir string) error
}

func (c *checkpointed) Checkpoint(_ context.Context, dir string) error { return c.hook(dir) }

var _ engine.Checkpointer = (*checkpointed)(nil)

// A backup that fails leaves nothing, neither files nor a registration; one that a crash cuts short
// stays registered, and holds what it may need until it is forgotten.
func TestBackupCutShort(t *testing.T) {
	home := t.TempDir()
	inner, err := pebble.Create(filepath.Join(home, "records"), nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &checkpointed{Engine: inner}
	w := newWorldIn(t, home, store.Options{Engine: e}, "acme")
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	acme := w.tenant("acme")
	if _, err := acme.RotateDataKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := acme.Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var pending []store.BackupInfo
	broken := errors.New("broken")
	e.hook = func(records string) error {
		pending, _ = w.Backups()
		coverage, err := acme.Coverage(t.Context())
		if err != nil || !strings.Contains(coverage[0].Needed, "being made") {
			t.Errorf("during a backup: %+v, %v", coverage, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := acme.RetireDataKey(ctx, "jira/comments", 1, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("retiring during a backup: %v", err)
		}
		if _, err := acme.Shred(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shredding during a backup: %v", err)
		}
		return errors.Join(os.MkdirAll(records, 0o700), os.WriteFile(filepath.Join(records, "1.sst"), nil, 0o600), broken)
	}
	if _, err := w.Backup(t.Context(), dir); !errors.Is(err, broken) {
		t.Fatalf("a checkpoint that breaks: %v", err)
	}
	if len(pending) != 1 || pending[0].Complete {
		t.Errorf("while it was made: %+v", pending)
	}
	if list, err := w.Backups(); err != nil || len(list) != 0 {
		t.Errorf("after it failed: %+v, %v", list, err)
	}
	if left := sums(t, dir); len(left) != 0 {
		t.Errorf("it left %v", left)
	}

	image := filepath.Join(t.TempDir(), "image")
	e.hook = func(string) error { return errors.Join(os.CopyFS(image, os.DirFS(w.dir)), broken) }
	w.Backup(t.Context(), dir)
	w.Close()
	w.dir, w.opts.Engine = image, nil
	w.reopen()
	acme = w.tenant("acme")
	list, err := w.Backups()
	if err != nil || len(list) != 1 || list[0].Complete {
		t.Fatalf("after a crash: %+v, %v", list, err)
	}
	if err := acme.RetireDataKey(t.Context(), "jira/comments", 1, false); !errors.Is(err, store.ErrNeeded) {
		t.Errorf("retiring what a backup may need that was cut short: %v", err)
	}
	if err := w.ForgetBackup(t.Context(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := acme.RetireDataKey(t.Context(), "jira/comments", 1, false); err != nil {
		t.Error(err)
	}
}

// A backup of which the registration fails is not registered, also where it was the mirror that failed.
func TestBackupThatIsNotBegun(t *testing.T) {
	home := t.TempDir()
	inner, err := pebble.Create(filepath.Join(home, "records"), nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &mirrorless{Engine: inner}
	w := newWorldIn(t, home, store.Options{Engine: e}, "acme")
	dir := t.TempDir()
	e.fail = true
	if _, err := w.Backup(t.Context(), dir); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("a backup that the mirror does not know: %v", err)
	}
	e.fail = false
	if list, err := w.Backups(); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := w.Backup(t.Context(), dir); err != nil {
		t.Error(err)
	}
}

// A mirrorless engine can be told to take no mirror.
type mirrorless struct {
	*pebble.Engine
	fail bool
}

func (m *mirrorless) Apply(ctx context.Context, b engine.Batch, sync bool) error {
	if m.fail {
		return errDisk
	}
	return m.Engine.Apply(ctx, b, sync)
}

// The list of backups is held to the platform's word, and to the newest one.
func TestTamperedBackups(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(b *bolt.Bucket, old []byte) error
		want error
	}{
		"older":   {func(b *bolt.Bucket, old []byte) error { return b.Put([]byte("backups"), old) }, store.ErrRollback},
		"none":    {func(b *bolt.Bucket, _ []byte) error { return b.Delete([]byte("backups")) }, store.ErrRollback},
		"changed": {func(b *bolt.Bucket, _ []byte) error { return flipIn(b, "backups", "somewhere", "elsewhere") }, store.ErrAuthentication},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, store.Options{}, "acme")
			if _, err := w.Backup(t.Context(), filepath.Join(t.TempDir(), "somewhere")); err != nil {
				t.Fatal(err)
			}
			w.Close()
			var old []byte
			meta(t, w, func(b *bolt.Bucket) error { old = bytes.Clone(b.Get([]byte("backups"))); return nil })
			w.reopen()
			backup(t, w)
			w.Close()
			meta(t, w, func(b *bolt.Bucket) error { return c.edit(b, old) })
			if _, err := store.Open(t.Context(), w.dir, &w.opts); !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
		})
	}
}

func flipIn(b *bolt.Bucket, key, from, to string) error {
	old := b.Get([]byte(key))
	if !bytes.Contains(old, []byte(from)) || len(from) != len(to) {
		return errors.New("not found: " + from)
	}
	return b.Put([]byte(key), bytes.Replace(old, []byte(from), []byte(to), 1))
}

// Records that a policy has moved elsewhere since the backup are read in the restored store, and
// moved by a sweep.
func TestRestoreUnderALaterPolicy(t *testing.T) {
	w := policyWorld(t, "tenant", store.Options{})
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	dir, _ := backup(t, w)
	apply(t, w, 2, "platform", true)
	apply(t, w, 3, "tenant", false)
	apply(t, w, 4, "platform", true)
	for range 2 {
		if _, err := w.tenant("acme").Sweep(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	r, _ := restored(t, w, dir, w.dir)
	wantValue(t, r.ns("acme", "jira/comments"), "k", "v")
	if _, err := r.tenant("acme").Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := domains(t, r); got["platform"] != 1 || got["tenant"] != 0 {
		t.Errorf("after a sweep: %v", got)
	}
}

// Restore refuses what would lose or mix up data, before it makes anything.
func TestRestoreIsRefused(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	_, _ = backup(t, w)
	older, _ := backup(t, w)
	if _, err := w.tenant("acme").RotateDataKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	dir, _ := backup(t, w)
	other := newWorld(t, store.Options{}, "acme")
	mustPut(t, other.ns("acme", "jira/comments"), "k", "v")
	other.Close()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from, to, newest string
		want             error
	}{
		"a directory that is not empty": {dir, full, "", fs.ErrExist},
		"a store":                       {other.dir, "r", "", store.ErrNotBackup},
		"nothing":                       {t.TempDir(), "r", "", store.ErrNoStore},
		"another store's keyring":       {dir, "r", other.dir, store.ErrRollback},
		"an older keyring":              {dir, "r", older, store.ErrRollback},
	} {
		t.Run(name, func(t *testing.T) {
			to := c.to
			if to == "r" {
				to = filepath.Join(t.TempDir(), "r")
			}
			_, err := store.Restore(t.Context(), c.from, to, c.newest, &w.opts)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if _, err := os.Stat(to + ".restoring"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it began all the same: %v", err)
			}
		})
	}
	// Nobody writes over what is there, and a backup does not lie in its store.
	for _, place := range []string{full, filepath.Join(w.dir, "backup")} {
		if _, err := w.Backup(t.Context(), place); err == nil {
			t.Errorf("a backup in %s", place)
		}
	}
	if list, err := w.Backups(); err != nil || len(list) != 3 {
		t.Errorf("%d backups are registered, %v", len(list), err)
	}
}

// A record under a number that the keyring never gave is refused before anything is copied: the
// keyring is older than the records.
func TestRestoreKnowsEveryNumber(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	dir, _ := backup(t, w)
	// A record of the backup's that names a number from the future, as one would under a keyring
	// that was put back by hand.
	older := filepath.Join(t.TempDir(), "older")
	if err := os.CopyFS(older, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(filepath.Join(older, "keyring.db"), 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		c := tx.Bucket([]byte("data-keys")).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if err := c.Delete(); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "r")
	_, err = store.Restore(t.Context(), dir, to, older, &w.opts)
	if !errors.Is(err, store.ErrKeyMismatch) {
		t.Fatalf("a number that the keyring does not have: %v", err)
	}
}

// What a restoring left that was cut short is cleared by the next.
func TestRestoreAgain(t *testing.T) {
	w := newWorld(t, store.Options{}, "acme")
	mustPut(t, w.ns("acme", "jira/comments"), "k", "v")
	dir, _ := backup(t, w)
	to := filepath.Join(t.TempDir(), "r")
	w.roots[platformURI].SetError(root.ErrRevoked)
	if _, err := store.Restore(t.Context(), dir, to, "", &w.opts); !errors.Is(err, store.ErrKeyRevoked) {
		t.Fatalf("with the platform's root gone: %v", err)
	}
	if _, err := store.Open(t.Context(), to, &w.opts); !errors.Is(err, store.ErrNoStore) {
		t.Fatalf("what was cut short: %v", err)
	}
	w.roots[platformURI].SetError(nil)
	if _, err := store.Restore(t.Context(), dir, to, "", &w.opts); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(to + ".restoring"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left over: %v", err)
	}
}
