// Package ledger keeps records with their history, on SQLite or on PostgreSQL,
// with one set of queries. Stages own their tables and queries and come through
// its handle: Read for looking, Write for one transaction, Record for the
// history line that every change leaves. It knows no stage; the numbered
// migrations of all stages stand in migrations/, each file named after its
// stage.
//
// Queries use ? placeholders and what both engines understand: times are BIGINT
// microseconds, JSON is bound as text, lists are child tables, a version column
// guards against a lost update (UPDATE … WHERE id = ? AND version = ?).
package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger/postgres"
	"noroshi/ledger/sqlite"
)

// DB is the ledger.
type DB struct {
	read, write *sql.DB
	engine      string
	transient   func(error) bool // an error after which the transaction is simply tried again
	now         func() time.Time
}

// Open opens or makes the ledger: "sqlite:/path/file.db", or
// "postgres://user@host/database". It brings the schema up to date.
func Open(ctx context.Context, url string) (*DB, error) {
	const op = "ledger.open"
	db := &DB{now: time.Now}
	var err error
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		db.engine, db.transient = "sqlite", sqlite.Transient
		db.read, db.write, err = sqlite.Open(path)
	} else if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		db.engine, db.transient = "postgres", postgres.Transient
		db.write, err = postgres.Open(ctx, url)
		db.read = db.write
	} else {
		return nil, fault.New(fault.Invalid, op, "the ledger's address begins with sqlite: or postgres://")
	}
	if err != nil {
		return nil, fault.As(fault.Unavailable, op, err, "the ledger cannot be opened")
	}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(fault.As(fault.Internal, op, err, "the ledger's schema cannot be brought up to date"), db.Close())
	}
	return db, nil
}

// Close closes the ledger.
func (db *DB) Close() error {
	err := db.write.Close()
	if db.read != db.write {
		err = errors.Join(err, db.read.Close())
	}
	return fault.Wrap("ledger.close", err)
}

// Engine is "sqlite" or "postgres".
func (db *DB) Engine() string { return db.engine }

// Queryer reads. A query's placeholders are ?.
type Queryer interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
}

type queryer struct {
	q interface {
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
	postgres bool
}

func (q queryer) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return q.q.QueryContext(ctx, rebind(q.postgres, query), args...)
}

func (q queryer) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return q.q.QueryRowContext(ctx, rebind(q.postgres, query), args...)
}

// Read runs fn on one snapshot.
func (db *DB) Read(ctx context.Context, fn func(q Queryer) error) error {
	tx, err := db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: db.engine == "postgres"})
	if err != nil {
		return fault.As(fault.Unavailable, "ledger.read", err, "the ledger is away")
	}
	defer func() { _ = tx.Rollback() }() // Nothing was written.
	return fn(queryer{tx, db.engine == "postgres"})
}

// Tx is one transaction.
type Tx struct {
	queryer
	tx    *sql.Tx
	actor string
	at    time.Time
}

// Exec changes rows. Text that one of the engines would refuse is refused on both.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	for _, a := range args {
		if s, ok := a.(string); ok && (!utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0) {
			return nil, fault.New(fault.Invalid, "ledger.exec", "a text holds a NUL character or is not UTF-8")
		}
	}
	return tx.tx.ExecContext(ctx, rebind(tx.postgres, query), args...)
}

// Actor is who changes.
func (tx *Tx) Actor() string { return tx.actor }

// Record writes the history line of a change: what became of the record.
func (tx *Tx) Record(ctx context.Context, kind string, id, org ident.ID, action string, state any) error {
	b, err := json.Marshal(state)
	if err != nil {
		return fault.Wrap("ledger.record", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO history (at, actor, kind, id, org, action, state) VALUES (?,?,?,?,?,?,?)`,
		Micros(tx.at), tx.actor, kind, string(id), string(org), action, string(b))
	return fault.Wrap("ledger.record", err)
}

const attempts = 8

// Write runs fn in one transaction as an actor ("person:…", "hub:…"). When the
// engine asks for it, fn runs again: it must have no effect but through tx.
func (db *DB) Write(ctx context.Context, actor string, fn func(tx *Tx) error) error {
	for try := 1; ; try++ {
		err := db.once(ctx, actor, fn)
		if err == nil || try == attempts || !db.transient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(try) * 5 * time.Millisecond):
		}
	}
}

func (db *DB) once(ctx context.Context, actor string, fn func(tx *Tx) error) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fault.As(fault.Unavailable, "ledger.write", err, "the ledger is away")
	}
	defer func() { _ = tx.Rollback() }() // After a commit it does nothing.
	if err := fn(&Tx{queryer{tx, db.engine == "postgres"}, tx, actor, db.now()}); err != nil {
		return err
	}
	return fault.Wrap("ledger.commit", tx.Commit())
}

// Change is one line of history.
type Change struct {
	Seq    int64           `json:"seq"`
	At     time.Time       `json:"at"`
	Actor  string          `json:"actor"`
	Action string          `json:"action"`
	State  json.RawMessage `json:"state"`
}

// History returns the changes of a record, oldest first.
func (db *DB) History(ctx context.Context, kind string, id ident.ID) ([]Change, error) {
	var out []Change
	err := db.Read(ctx, func(q Queryer) error {
		rows, err := q.Query(ctx, `SELECT seq, at, actor, action, state FROM history WHERE kind = ? AND id = ? ORDER BY seq`, kind, string(id))
		return Each(rows, err, func(scan func(...any) error) error {
			var c Change
			var at int64
			var state string
			if err := scan(&c.Seq, &at, &c.Actor, &c.Action, &state); err != nil {
				return err
			}
			c.At, c.State = Time(at), json.RawMessage(state)
			out = append(out, c)
			return nil
		})
	})
	return out, fault.Wrap("ledger.history", err)
}
