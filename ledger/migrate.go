package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"noroshi/fault"
)

// Option changes how Open treats the schema.
type Option func(*upgrade)

// Upgrade is a schema that is about to change.
type Upgrade struct {
	From, To int64 // the highest numbers before and after
	Steps    []string
}

// BeforeUpgrade calls fn before the schema of a ledger that holds records is
// changed. What it returns names the copy that it made, for the message of an
// upgrade that fails; its error leaves the ledger as it is. Nothing is written
// to the ledger between fn and the change, except by another program on
// PostgreSQL that is still at work.
func BeforeUpgrade(fn func(ctx context.Context, db *DB, u Upgrade) (kept string, err error)) Option {
	return func(u *upgrade) { u.before = fn }
}

// AsItIs opens the ledger without changing its schema, to look or to copy.
func AsItIs() Option { return func(u *upgrade) { u.leave = true } }

// only takes these steps for the program's own.
func only(steps []step) Option { return func(u *upgrade) { u.steps = steps } }

// upgrade brings the schema up to date: all steps in one transaction, so that a
// ledger is of one version or of another and never of one between.
type upgrade struct {
	before func(context.Context, *DB, Upgrade) (string, error)
	leave  bool
	steps  []step
}

func (u *upgrade) run(ctx context.Context, db *DB) error {
	const op = "ledger.upgrade"
	if u.steps == nil {
		var err error
		if u.steps, err = db.steps(); err != nil {
			return fault.Wrap(op, err)
		}
	}
	done, err := db.Versions(ctx)
	if err != nil {
		return fault.As(fault.Unavailable, op, err, "the ledger's version cannot be read")
	}
	pending, err := u.pending(done)
	if err != nil || len(pending) == 0 || u.leave {
		return err
	}
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fault.As(fault.Unavailable, op, err, "the ledger is away")
	}
	defer func() { _ = tx.Rollback() }() // After a commit it does nothing.
	if db.engine == postgresEngine {
		// Several hubs may start at once on one database: the others wait here,
		// and find nothing left to do.
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(7165013022)`); err != nil {
			return fault.Wrap(op, err)
		}
		if done, err = db.Versions(ctx); err != nil {
			return fault.Wrap(op, err)
		}
		if pending, err = u.pending(done); err != nil || len(pending) == 0 {
			return err
		}
	}
	return u.take(ctx, db, tx, done, pending)
}

// take makes the copy, then the steps.
func (u *upgrade) take(ctx context.Context, db *DB, tx *sql.Tx, done []int64, pending []step) error {
	const op = "ledger.upgrade"
	about := Upgrade{To: pending[len(pending)-1].version}
	for _, s := range pending {
		about.Steps = append(about.Steps, s.name)
	}
	kept := ""
	if len(done) > 0 {
		about.From = done[len(done)-1]
		about.To = max(about.To, about.From)
		if u.before != nil {
			var err error
			if kept, err = u.before(ctx, db, about); err != nil {
				return fault.As(fault.KindOf(err), op, err, "the ledger is of version %d and this program works with %d, but no copy could be made before the change, so nothing was changed: %s",
					about.From, about.To, fault.PublicOf(err))
			}
		}
	}
	err := db.apply(ctx, tx, pending)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		back := "there was nothing in it"
		if len(done) > 0 {
			back = fmt.Sprintf("it is still of version %d: start the version of the program that worked with it", about.From)
		}
		if kept != "" {
			back += "; a copy of it is in " + kept
		}
		return fault.As(fault.Internal, op, err, "the ledger's schema cannot be brought up to date and was left as it was: %s. The cause: %v", back, err)
	}
	return nil
}

// apply makes the steps and notes their numbers.
func (db *DB) apply(ctx context.Context, tx *sql.Tx, pending []step) error {
	if err := db.noteTable(ctx, tx); err != nil {
		return err
	}
	for _, s := range pending {
		if _, err := tx.ExecContext(ctx, string(s.sql)); err != nil {
			return fmt.Errorf("step %s: %w", s.name, err)
		}
		if _, err := tx.ExecContext(ctx, rebind(db.engine == postgresEngine, `INSERT INTO `+noted+` (version_id, is_applied) VALUES (?, TRUE)`), s.version); err != nil {
			return fmt.Errorf("step %s: %w", s.name, err)
		}
	}
	return nil
}

// pending lists the steps that the ledger lacks. Numbers belong to stages, whose
// tables are their own: a lower number may come later. A ledger that a newer
// program made is refused: this one would not know what its tables mean.
func (u *upgrade) pending(done []int64) ([]step, error) {
	var out []step
	known := map[int64]bool{}
	for _, s := range u.steps {
		known[s.version] = true
		if !slices.Contains(done, s.version) {
			out = append(out, s)
		}
	}
	for _, v := range done {
		if !known[v] {
			last := u.steps[len(u.steps)-1].version
			return nil, fault.New(fault.Conflict, "ledger.upgrade", "the ledger has version %d, which this program does not know (it knows %d at most): a newer one made it. Start that version, or restore a backup made before it", v, last)
		}
	}
	return out, nil
}

// noted is the table of the steps that were made. It has the name and the form
// that a tool gave it once, so that older programs still see that a ledger is
// newer than they are.
const noted = "goose_db_version"

func (db *DB) noteTable(ctx context.Context, tx *sql.Tx) error {
	id := "INTEGER PRIMARY KEY AUTOINCREMENT"
	if db.engine == postgresEngine {
		id = "INTEGER PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY"
	}
	_, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS `+noted+` (id `+id+`, version_id BIGINT NOT NULL, is_applied BOOLEAN NOT NULL, tstamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)`)
	return err
}

// Versions lists the numbers of the steps that made the ledger's schema, in
// their order; none of a fresh one.
func (db *DB) Versions(ctx context.Context) (list []int64, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		list, err = versions(ctx, q, db.engine)
		return err
	})
	return list, fault.Wrap("ledger.versions", err)
}

func versions(ctx context.Context, q Queryer, engine string) (list []int64, err error) {
	names, err := tableNames(ctx, q, engine)
	if err != nil || !slices.Contains(names, noted) {
		return nil, err
	}
	rows, err := q.Query(ctx, `SELECT DISTINCT version_id FROM `+noted+` WHERE version_id > 0 ORDER BY version_id`)
	err = Each(rows, err, func(scan func(...any) error) error {
		var v int64
		err := scan(&v)
		list = append(list, v)
		return err
	})
	return list, err
}

// Newest is the highest version that this program knows.
func Newest() (int64, error) {
	list, err := (&DB{engine: sqliteEngine}).steps()
	if err == nil && len(list) == 0 {
		err = errors.New("the program has no migrations")
	}
	if err != nil {
		return 0, fault.Wrap("ledger.newest", err)
	}
	return list[len(list)-1].version, nil
}
