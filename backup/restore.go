package backup

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"noroshi/fault"
	"noroshi/ledger"
)

// Verify reads a whole archive: that nothing is missing or changed, that every
// row of the ledger can be read, and, with a passphrase, that the keys open.
func Verify(ctx context.Context, r io.Reader, passphrase []byte) (Header, Manifest, error) {
	a, err := Open(r)
	if err != nil {
		return Header{}, Manifest{}, err
	}
	defer a.Close()
	rows := map[string]int64{}
	err = a.each(ctx, func(part, name string, content io.Reader) error {
		if part != Ledger {
			return nil
		}
		t, err := a.table(name)
		if err != nil {
			return err
		}
		return ledger.Lines(content, len(t.Columns), func([]any) error { rows[t.Name]++; return nil })
	})
	if err == nil {
		err = a.sameRows(rows)
	}
	if err == nil && a.Sealed && len(passphrase) > 0 {
		_, err = a.Unseal(passphrase)
	}
	return a.Header, a.manifest, err
}

// each calls fn for every file.
func (a *Reader) each(ctx context.Context, fn func(part, name string, content io.Reader) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return fault.Wrap("backup.read", err)
		}
		name, content, err := a.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		part, below, _ := strings.Cut(name, "/")
		if err := fn(part, below, content); err != nil {
			return err
		}
	}
}

// table finds the table whose rows a file holds.
func (a *Reader) table(name string) (ledger.Table, error) {
	for _, t := range a.Tables {
		if t.Name+".jsonl" == name && len(t.Columns) > 0 {
			return t, nil
		}
	}
	return ledger.Table{}, broken(nil, "its header does not name the table of %.100s", name)
}

func (a *Reader) sameRows(rows map[string]int64) error {
	for _, t := range a.Tables {
		if rows[t.Name] != a.manifest.Rows[t.Name] {
			return broken(nil, "the table %.100s has %d rows, and its manifest says %d", t.Name, rows[t.Name], a.manifest.Rows[t.Name])
		}
	}
	return nil
}

// Target is where an archive's parts go.
type Target struct {
	// Dir gets the files of keys and events, by their paths below the data folder.
	// It is nobody's yet: what fails on the way is thrown away with it.
	Dir string
	// Ledger is the address of a ledger without tables.
	Ledger string
	// Bus takes a stream.
	Bus        func(ctx context.Context, stream string, content io.Reader) error
	Passphrase []byte
}

// Restore reads an archive into a target. The ledger is committed when
// everything else is in place.
func Restore(ctx context.Context, r io.Reader, t Target) error {
	a, err := Open(r)
	if err != nil {
		return err
	}
	defer a.Close()
	rows := map[string]int64{}
	return ledger.Load(ctx, t.Ledger, a.Versions, func(l *ledger.Loader) error {
		if err := a.each(ctx, func(part, name string, content io.Reader) (err error) {
			switch part {
			case Ledger:
				tab, err := a.table(name)
				if err != nil {
					return err
				}
				rows[tab.Name], err = l.Table(ctx, tab, content)
				return err
			case Bus:
				return t.Bus(ctx, strings.TrimSuffix(name, ".jsonl"), content)
			case Events:
				return t.keep(filepath.Join(Events, filepath.FromSlash(name)), content)
			default: // keys in the clear
				return t.keep(filepath.FromSlash(name), content)
			}
		}); err != nil {
			return err
		}
		if err := a.sameRows(rows); err != nil || !a.Sealed {
			return err
		}
		keys, err := a.Unseal(t.Passphrase)
		if err != nil {
			return err
		}
		for name, b := range keys {
			if err := t.keep(filepath.FromSlash(name), strings.NewReader(string(b))); err != nil {
				return err
			}
		}
		return nil
	})
}

// keep writes one file, which must not be there, for this user alone.
func (t Target) keep(name string, content io.Reader) error {
	const op = "backup.restore"
	path := filepath.Join(t.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fault.Wrap(op, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.As(fault.Invalid, op, err, "the file %.100s cannot be written: %v", name, err)
	}
	_, err = io.Copy(f, content)
	return fault.Wrap(op, errors.Join(err, f.Sync(), f.Close()))
}
