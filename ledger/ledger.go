// Package ledger keeps records with their history, on SQLite or on PostgreSQL,
// with one set of queries. Stages own their tables and queries and come through
// its handle: Read for looking, Write for one transaction, Record for the
// history line that every change leaves. It knows no stage; the numbered
// migrations of all stages stand in migrations/, each file named after its
// stage. It is not a store of observations: eventstore is.
//
// Both engines give the same promise: what Read sees is one moment, and Writes
// happen as if one after the other. PostgreSQL keeps it by refusing a
// transaction that another one overtook; Write then runs it again.
//
// Queries use ? placeholders and only what both engines understand: times are
// BIGINT microseconds (Micros, Time), JSON is bound as text (JSON), truth is 0
// or 1, lists are child tables, several identifiers are asked for with In. A
// record that a person edits carries a version, so that nobody overwrites what
// they have not seen:
//
//	err := ledger.Changed(tx.Exec(ctx, `UPDATE thing SET name = ?, version = version + 1
//	    WHERE id = ? AND version = ?`, name, id, seen)) // fault.Conflict when it changed meanwhile
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"noroshi/fault"
	"noroshi/ledger/postgres"
	"noroshi/ledger/sqlite"
)

// The names of the engines, as Engine returns them and migrations use them.
const (
	sqliteEngine   = "sqlite"
	postgresEngine = "postgres"
)

// DB is the ledger.
type DB struct {
	read, write *sql.DB
	engine      string
	transient   func(error) bool // an error after which the transaction is simply tried again
	now         func() time.Time
	// OnWrite hears how long each Write took and whether it failed. It is set
	// before the ledger is used.
	OnWrite func(took time.Duration, err error)
}

// Open opens or makes the ledger: "sqlite:/path/file.db", or
// "postgres://user@host/database". It brings the schema up to date.
func Open(ctx context.Context, url string, options ...Option) (*DB, error) {
	db, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	var up upgrade
	for _, o := range options {
		o(&up)
	}
	if err := up.run(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// connect opens the engine and looks at nothing.
func connect(ctx context.Context, url string) (*DB, error) {
	const op = "ledger.open"
	db := &DB{now: time.Now, OnWrite: func(time.Duration, error) {}}
	var err error
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		if path == "" || path == ":memory:" {
			return nil, fault.New(fault.Invalid, op, "the ledger's address lacks a file: sqlite:/path/file.db")
		}
		db.engine, db.transient = sqliteEngine, sqlite.Transient
		db.read, db.write, err = sqlite.Open(path)
	} else if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		db.engine, db.transient = postgresEngine, postgres.Transient
		db.write, err = postgres.Open(ctx, url)
		db.read = db.write
	} else {
		return nil, fault.New(fault.Invalid, op, "the ledger's address begins with sqlite: or postgres://")
	}
	if err != nil {
		return nil, fault.As(fault.Unavailable, op, err, "the ledger cannot be opened")
	}
	return db, nil
}

// Close closes the ledger.
func (db *DB) Close() error {
	err := db.read.Close()
	if db.read != db.write {
		// The writer goes last: it may move SQLite's log into its file, readers may not.
		err = errors.Join(err, db.write.Close())
	}
	return fault.Wrap("ledger.close", err)
}

// Engine is "sqlite" or "postgres".
func (db *DB) Engine() string { return db.engine }

// Read runs fn on one moment of the ledger. A Read or Write inside fn is
// another transaction, which does not see what this one sees.
func (db *DB) Read(ctx context.Context, fn func(q Queryer) error) error {
	var opts *sql.TxOptions
	if db.engine == postgresEngine {
		opts = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	tx, err := db.read.BeginTx(ctx, opts)
	if err != nil {
		return fault.As(fault.Unavailable, "ledger.read", err, "the ledger is away")
	}
	defer func() { _ = tx.Rollback() }() // Nothing was written.
	return fn(db.queryer(tx))
}

// How often a transaction is run, and how long it waits at most between.
const (
	attempts = 30
	maxPause = 100 * time.Millisecond
)

// Write runs fn in one transaction as an actor ("person:…", "hub:…"). When the
// engine asks for it, fn runs again: it must have no effect but through tx, and
// must set what it returns to its caller anew each time. A Write inside fn
// would wait for itself.
func (db *DB) Write(ctx context.Context, actor string, fn func(tx *Tx) error) (err error) {
	began := time.Now()
	defer func() { db.OnWrite(time.Since(began), err) }()
	for try := 1; ; try++ {
		again, err := db.once(ctx, actor, fn)
		if !again {
			return err
		}
		if try == attempts {
			return fault.As(fault.Unavailable, "ledger.write", err, "too many changes at once; try again")
		}
		pause := min(time.Duration(try)*2*time.Millisecond, maxPause)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause)): // Two that met must not meet again.
		}
	}
}

// once runs fn once; again tells that the transaction was overtaken.
func (db *DB) once(ctx context.Context, actor string, fn func(tx *Tx) error) (again bool, err error) {
	var opts *sql.TxOptions
	if db.engine == postgresEngine {
		opts = &sql.TxOptions{Isolation: sql.LevelSerializable}
	}
	t, err := db.write.BeginTx(ctx, opts)
	if err != nil {
		return db.transient(err), fault.As(fault.Unavailable, "ledger.write", err, "the ledger is away")
	}
	defer func() { _ = t.Rollback() }() // After a commit it does nothing.
	tx := &Tx{queryer: db.queryer(t), tx: t, actor: actor, at: db.now()}
	if err := fn(tx); err != nil {
		return *tx.overtaken || db.transient(err), err
	}
	err = t.Commit()
	return err != nil && (*tx.overtaken || db.transient(err)), fault.Wrap("ledger.commit", err)
}
