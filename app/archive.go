package app

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"noroshi/backup"
	"noroshi/fault"
)

// ArchiveSuffix is how an archive's name ends.
const ArchiveSuffix = ".tar.zst"

// WriteArchive writes an archive to a file that is not there yet, reads it back
// as a restore would, and only then gives it its name.
func WriteArchive(ctx context.Context, path string, passphrase []byte, fill func(io.Writer) error) (backup.Header, backup.Manifest, error) {
	const op = "app.archive"
	var h backup.Header
	var m backup.Manifest
	if _, err := os.Lstat(path); err == nil {
		return h, m, fault.New(fault.Conflict, op, "%s is there already", path)
	}
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return h, m, fault.As(fault.Invalid, op, err, "%s cannot be written: %v", part, err)
	}
	err = errors.Join(f.Chmod(0o600), fill(f))
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil {
		h, m, err = backup.Verify(ctx, f, passphrase)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		return h, m, errors.Join(fault.Wrap(op, err), os.Remove(part))
	}
	return h, m, fault.Wrap(op, syncDir(filepath.Dir(path)))
}

// syncDir makes what was renamed in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
