// Package sqlite opens the ledger's files: one writer whose transactions take
// the lock at once (a deferred one would fail when it turns to writing), and a
// pool of readers that cannot write. Package ledger is its only caller.
package sqlite

import (
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// readers is how many read at once. Who comes when all are taken waits for the
// slowest of them, while those that are let in share the processor.
const readers = 8

// Open opens or makes the file at path.
func Open(path string) (read, write *sql.DB, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, err
	}
	// The file is this user's alone before anything is in it; SQLite gives its
	// companions (-wal, -shm) the same rights.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return nil, nil, err
	}
	// The writer holds the pages that it changes, and what a statement would need
	// to be taken back, in memory: in a small cache each page that many rows touch
	// is written, read and written again within one transaction. The log takes
	// several transactions before it is written back, for the same reason.
	if write, err = open(path, 1, "_txlock=immediate", "_pragma=synchronous(FULL)", "_pragma=journal_mode(WAL)",
		"_pragma=temp_store(MEMORY)", "_pragma=cache_size(-32768)", "_pragma=wal_autocheckpoint(8000)"); err != nil {
		return nil, nil, err
	}
	// The file must be there, in WAL mode, before a reader opens it.
	if err := write.Ping(); err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	if read, err = open(path, readers, "_pragma=query_only(1)"); err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	return read, write, nil
}

func open(path string, conns int, params ...string) (*sql.DB, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)"
	for _, p := range params {
		dsn += "&" + p
	}
	c, err := newConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// Transient tells whether the same transaction may work when it is run again.
func Transient(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == lib.SQLITE_BUSY
}
