package app

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"noroshi/backup"
	"noroshi/bus"
	"noroshi/config"
	"noroshi/fault"
)

// RestoreOptions say what is restored and over what.
type RestoreOptions struct {
	From       string
	Passphrase []byte
	Force      bool // what stands in the way is moved aside
}

// Restored is what a restore has done.
type Restored struct {
	backup.Header
	backup.Manifest
	Aside string // the folder with what stood in the way, "" when nothing did
}

// unfinished marks a data folder in which a restore was cut off between what was
// there and what is to be there. No hub starts in it.
const unfinished = "restore.unfinished"

// whole refuses a data folder that a restore left half done.
func whole(dataDir string) error {
	if _, err := os.Lstat(filepath.Join(dataDir, unfinished)); err == nil {
		return fault.New(fault.Conflict, "app.restore", "a restore into %s was cut off; run 'noroshi restore' again with --force", dataDir)
	}
	return nil
}

// pieces are what each part of a backup is in the data folder.
var pieces = map[string][]string{
	backup.Ledger: {"ledger.db", "ledger.db-wal", "ledger.db-shm"},
	backup.Bus:    {"bus"},
	backup.Events: {"events"},
	backup.Keys:   {"identity", "nodes"},
}

// Restore makes the data folder what a backup says. The archive is read to its
// end first, then everything is made beside what is there, and only when it is
// whole it takes its place.
func Restore(ctx context.Context, cfg config.Config, o RestoreOptions, log *slog.Logger) (out Restored, err error) {
	const op = "app.restore"
	f, err := os.Open(o.From)
	if err != nil {
		return out, fault.As(fault.NotFound, op, err, "the backup %s cannot be read: %v", o.From, err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	if out.Header, out.Manifest, err = backup.Verify(ctx, f, o.Passphrase); err != nil {
		return out, err
	}
	if out.Sealed && len(o.Passphrase) == 0 {
		return out, fault.New(fault.Invalid, op, "the keys in the backup are sealed: say --keys-passphrase-file")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return out, fault.Wrap(op, err)
	}
	unlock, err := lock(cfg.DataDir)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	inTheWay, err := standing(cfg, out.Header)
	if err != nil {
		return out, err
	}
	if len(inTheWay) > 0 && !o.Force {
		return out, fault.New(fault.Conflict, op, "%s holds %s already: choose another folder with --data, or say --force, which moves it aside", cfg.DataDir, strings.Join(inTheWay, ", "))
	}
	if err := room(cfg.DataDir, out.Bytes()); err != nil {
		return out, err
	}
	staging, err := stage(ctx, cfg, out.Header, o.Passphrase, f, log)
	if err != nil {
		return out, errors.Join(err, os.RemoveAll(staging))
	}
	out.Aside, err = exchange(cfg.DataDir, staging, inTheWay)
	return out, err
}

// standing lists what the restore would write over. Leftovers of a restore that
// was cut off are removed.
func standing(cfg config.Config, h backup.Header) ([]string, error) {
	old, err := filepath.Glob(filepath.Join(cfg.DataDir, "restoring-*"))
	if err != nil {
		return nil, fault.Wrap("app.restore", err)
	}
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return nil, fault.Wrap("app.restore", err)
		}
	}
	var out []string
	for _, part := range h.Parts {
		if part == backup.Ledger && cfg.Hub.Ledger != "" {
			continue // The database itself refuses when it is not empty.
		}
		for _, p := range pieces[part] {
			if _, err := os.Lstat(filepath.Join(cfg.DataDir, p)); err == nil {
				out = append(out, p)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, fault.Wrap("app.restore", err)
			}
		}
	}
	return out, nil
}

// room makes sure that what is restored fits on the disk.
func room(dir string, need int64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return fault.Wrap("app.restore", err)
	}
	if free := int64(st.Bavail) * int64(st.Bsize); free < need {
		return fault.New(fault.Exhausted, "app.restore", "the backup holds %d MiB, and %s has %d MiB free", need>>20, dir, free>>20)
	}
	return nil
}

// stage makes the parts in a folder of their own.
func stage(ctx context.Context, cfg config.Config, h backup.Header, passphrase []byte, r io.Reader, log *slog.Logger) (dir string, err error) {
	const op = "app.restore"
	if dir, err = os.MkdirTemp(cfg.DataDir, "restoring-"); err != nil {
		return "", fault.Wrap(op, err)
	}
	t := backup.Target{Dir: dir, Passphrase: passphrase, Ledger: cfg.Hub.Ledger}
	if t.Ledger == "" {
		t.Ledger = "sqlite:" + filepath.Join(dir, "ledger.db")
	}
	if h.Has(backup.Bus) {
		var server *bus.Server
		if server, err = quietBus(cfg, filepath.Join(dir, "bus"), log); err != nil {
			return dir, err
		}
		defer server.Close()
		t.Bus = server.Restore
	}
	return dir, backup.Restore(ctx, r, t)
}

// exchange moves what is in the way aside and what was staged into its place. A
// mark stands there meanwhile.
func exchange(dataDir, staging string, inTheWay []string) (aside string, err error) {
	const op = "app.restore"
	mark := filepath.Join(dataDir, unfinished)
	if err := errors.Join(os.WriteFile(mark, nil, 0o600), syncDir(dataDir)); err != nil {
		return "", fault.Wrap(op, err)
	}
	if len(inTheWay) > 0 {
		aside = filepath.Join(dataDir, "replaced-"+time.Now().UTC().Format("20060102T150405.000Z"))
		if err := os.Mkdir(aside, 0o700); err != nil {
			return "", fault.Wrap(op, err)
		}
		for _, p := range inTheWay {
			if err := os.Rename(filepath.Join(dataDir, p), filepath.Join(aside, p)); err != nil {
				return aside, fault.Wrap(op, err)
			}
		}
	}
	list, err := os.ReadDir(staging)
	if err != nil {
		return aside, fault.Wrap(op, err)
	}
	for _, e := range list {
		if err := os.Rename(filepath.Join(staging, e.Name()), filepath.Join(dataDir, e.Name())); err != nil {
			return aside, fault.Wrap(op, err)
		}
	}
	return aside, fault.Wrap(op, errors.Join(os.Remove(staging), syncDir(dataDir), os.Remove(mark), syncDir(dataDir)))
}
