package ledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"noroshi/fault"
	"noroshi/ident"
)

// Queryer reads. A query's placeholders are ?.
type Queryer interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) *Row
}

// queryer is the part that Read and Write have in common.
type queryer struct {
	tx        *sql.Tx
	postgres  bool
	transient func(error) bool
	overtaken *bool // set when the engine gave the transaction up, whatever fn makes of the error
}

func (db *DB) queryer(tx *sql.Tx) queryer {
	return queryer{tx, db.engine == postgresEngine, db.transient, new(bool)}
}

// note remembers an error after which the transaction is to be run again.
func (q queryer) note(err error) error {
	if err != nil && q.transient(err) {
		*q.overtaken = true
	}
	return err
}

func (q queryer) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	args, err := bind(args)
	if err != nil {
		return nil, err
	}
	rows, err := q.tx.QueryContext(ctx, rebind(q.postgres, query), args...)
	return rows, q.note(err)
}

func (q queryer) QueryRow(ctx context.Context, query string, args ...any) *Row {
	args, err := bind(args)
	if err != nil {
		return &Row{err: err}
	}
	return &Row{row: q.tx.QueryRowContext(ctx, rebind(q.postgres, query), args...), q: q}
}

// Row is the answer to a query for one row.
type Row struct {
	row *sql.Row
	q   queryer
	err error
}

// Scan copies the row's columns; NoRows tells that there was none.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.q.note(r.row.Scan(dest...))
}

// Tx is one transaction of a Write, and ends with it.
type Tx struct {
	queryer
	tx    *sql.Tx
	actor string
	at    time.Time
}

// Exec changes rows.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	args, err := bind(args)
	if err != nil {
		return nil, err
	}
	r, err := tx.tx.ExecContext(ctx, rebind(tx.postgres, query), args...)
	return r, tx.note(err)
}

// Actor is who changes.
func (tx *Tx) Actor() string { return tx.actor }

// Record writes the history line of a change: what became of the record. Org
// is whose record it is.
func (tx *Tx) Record(ctx context.Context, kind string, id, org ident.ID, action string, state any) error {
	b, err := json.Marshal(state)
	if err != nil {
		return fault.Wrap("ledger.record", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO history (at, actor, kind, id, org, action, state) VALUES (?,?,?,?,?,?,?)`,
		Micros(tx.at), tx.actor, kind, id, org, action, string(b))
	return fault.Wrap("ledger.record", err)
}

// bind makes arguments that mean the same on both engines, and refuses those
// that do not: text that only SQLite would take, and the types that each engine
// would write in its own way.
func bind(args []any) ([]any, error) {
	const op = "ledger.bind"
	out := make([]any, len(args))
	for i, a := range args {
		if _, ok := a.(json.RawMessage); ok {
			return nil, fault.New(fault.Internal, op, "JSON is bound as a string").At("argument %d", i+1)
		}
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return nil, fault.As(fault.Internal, op, err, "a value cannot be kept").At("argument %d", i+1)
		}
		switch v := v.(type) {
		case string:
			if !utf8.ValidString(v) || strings.IndexByte(v, 0) >= 0 {
				return nil, fault.New(fault.Invalid, op, "a text holds a NUL character or is not UTF-8").At("argument %d", i+1)
			}
		case time.Time:
			return nil, fault.New(fault.Internal, op, "a time is bound with Micros").At("argument %d", i+1)
		case bool:
			return nil, fault.New(fault.Internal, op, "truth is bound as 0 or 1").At("argument %d", i+1)
		}
		out[i] = v
	}
	return out, nil
}
