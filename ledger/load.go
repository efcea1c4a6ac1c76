package ledger

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"noroshi/fault"
)

// Load makes a ledger out of a dump, in one transaction: the ledger at url must
// have no tables yet, and has none afterwards if anything fails. The schema is
// the dump's; opening the ledger brings it up to date.
func Load(ctx context.Context, url string, versions []int64, fn func(l *Loader) error) error {
	const op = "ledger.load"
	db, err := connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // What was committed is on disk.
	steps, err := db.known(versions)
	if err != nil {
		return err
	}
	names, err := db.names(ctx)
	if err != nil {
		return fault.Wrap(op, err)
	}
	if len(names) > 0 {
		return fault.New(fault.Conflict, op, "the ledger to restore into holds tables already (%s …): give it an empty database", names[0])
	}
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fault.As(fault.Unavailable, op, err, "the ledger is away")
	}
	defer func() { _ = tx.Rollback() }() // After a commit it does nothing.
	if err := db.apply(ctx, tx, steps); err != nil {
		return fault.Wrap(op, err)
	}
	l := &Loader{db: db, tx: tx, left: map[string][]string{}}
	list, err := tables(ctx, db.queryer(tx), db.engine)
	if err != nil {
		return fault.Wrap(op, err)
	}
	for _, t := range list {
		l.left[t.Name] = t.Columns
	}
	if err := fn(l); err != nil {
		return err
	}
	for t := range l.left {
		return fault.New(fault.Invalid, op, "the dump lacks the table %s", t)
	}
	return fault.Wrap(op, tx.Commit())
}

// known finds the program's steps for the versions of a dump.
func (db *DB) known(versions []int64) ([]step, error) {
	all, err := db.steps()
	if err != nil {
		return nil, fault.Wrap("ledger.load", err)
	}
	u := upgrade{steps: all}
	missing, err := u.pending(versions)
	if err != nil {
		return nil, err
	}
	out := all[:0:0]
	for _, s := range all {
		if !contains(missing, s.version) {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Invalid, "ledger.load", "the dump names no version of the schema")
	}
	return out, nil
}

func contains(list []step, version int64) bool {
	for _, s := range list {
		if s.version == version {
			return true
		}
	}
	return false
}

func (db *DB) names(ctx context.Context) (names []string, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		names, err = tableNames(ctx, q, db.engine)
		return err
	})
	return names, err
}

// Loader fills the tables of a fresh ledger.
type Loader struct {
	db   *DB
	tx   *sql.Tx
	left map[string][]string // tables that were not filled yet, with their columns
}

// Bounds of a dump's line, and of the values that one statement takes.
const (
	maxLine   = 16 << 20
	maxValues = 4000
)

// Table fills a table from the lines that Dump.Rows wrote, and tells how many
// rows it has. The names must be the schema's own: they stand in a statement.
func (l *Loader) Table(ctx context.Context, t Table, r io.Reader) (n int64, err error) {
	const op = "ledger.load"
	columns, ok := l.left[t.Name]
	if !ok {
		return 0, fault.New(fault.Invalid, op, "the dump has a table %q that the schema lacks, or has it twice", t.Name)
	}
	if !slices.Equal(slices.Sorted(slices.Values(columns)), slices.Sorted(slices.Values(t.Columns))) {
		return 0, fault.New(fault.Invalid, op, "the columns of the table %s are not those of the schema", t.Name)
	}
	delete(l.left, t.Name)
	if err := l.empty(ctx, t.Name); err != nil {
		return 0, fault.Wrap(op, err)
	}
	ins := inserter{l: l, t: t, perRow: "(" + strings.Repeat("?,", len(t.Columns)-1) + "?)", most: max(1, maxValues/len(t.Columns))}
	err = Lines(r, len(t.Columns), func(values []any) error {
		n++
		return ins.add(ctx, values)
	})
	if err == nil {
		err = ins.flush(ctx)
	}
	if err == nil {
		err = l.restart(ctx, t)
	}
	if err != nil {
		return n, fault.As(fault.KindOf(err), op, err, "the table %s cannot be filled (row %d): %v", t.Name, n, err)
	}
	return n, nil
}

// empty removes what a migration itself wrote into a table. History is never
// written by one, and would refuse.
func (l *Loader) empty(ctx context.Context, table string) error {
	var n int
	if err := l.tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM "`+table+`"`).Scan(&n); err != nil || n == 0 {
		return err
	}
	_, err := l.tx.ExecContext(ctx, `DELETE FROM "`+table+`"`)
	return err
}

// restart lets PostgreSQL number new rows after those that were loaded. SQLite
// does so by itself.
func (l *Loader) restart(ctx context.Context, t Table) error {
	if l.db.engine != postgresEngine {
		return nil
	}
	q := l.db.queryer(l.tx)
	own, err := texts(ctx, q, `SELECT attname FROM pg_attribute WHERE attrelid = CAST(CAST(? AS TEXT) AS regclass) AND attidentity <> ''`, t.Name)
	if err != nil {
		return err
	}
	for _, c := range own {
		if _, err := l.tx.ExecContext(ctx, `SELECT setval(pg_get_serial_sequence('`+t.Name+`', '`+c+`'), COALESCE(MAX("`+c+`"), 0) + 1, false) FROM "`+t.Name+`"`); err != nil {
			return err
		}
	}
	return nil
}

// inserter gathers rows for one statement.
type inserter struct {
	l      *Loader
	t      Table
	perRow string
	most   int // rows
	rows   int
	args   []any
}

func (i *inserter) add(ctx context.Context, values []any) error {
	args, err := bind(values)
	if err != nil {
		return err
	}
	i.args = append(i.args, args...)
	if i.rows++; i.rows < i.most {
		return nil
	}
	return i.flush(ctx)
}

func (i *inserter) flush(ctx context.Context) error {
	if i.rows == 0 {
		return nil
	}
	own := "" // Numbers that the engine gives by itself are kept as they were.
	if i.l.db.engine == postgresEngine {
		own = "OVERRIDING SYSTEM VALUE "
	}
	query := `INSERT INTO "` + i.t.Name + `" ("` + strings.Join(i.t.Columns, `", "`) + `") ` + own + `VALUES ` + strings.Repeat(i.perRow+",", i.rows-1) + i.perRow
	_, err := i.l.tx.ExecContext(ctx, rebind(i.l.db.engine == postgresEngine, query), i.args...)
	i.rows, i.args = 0, i.args[:0]
	return err
}

// Lines reads the lines of a table's dump and checks their form.
func Lines(r io.Reader, columns int, fn func(values []any) error) error {
	in := bufio.NewReaderSize(r, 256<<10)
	for n := 1; ; n++ {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		var values []any
		if err == nil {
			values, err = parseRow(line, columns)
		}
		if err != nil {
			return fault.As(fault.Invalid, "ledger.lines", err, "this is not a row of %d values: %v", columns, err).At("line %d", n)
		}
		if err := fn(values); err != nil {
			return err
		}
	}
}

// readLine reads a whole line without its end; io.EOF says that there is none.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, errors.New("the line is too long")
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, errors.New("the last line is torn")
		case err != nil:
			return nil, err
		default:
			return line[:len(line)-1], nil
		}
	}
}

func parseRow(line []byte, columns int) ([]any, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var row []any
	if err := d.Decode(&row); err != nil {
		return nil, err
	}
	if d.More() || len(row) != columns {
		return nil, errors.New("the number of values differs")
	}
	for i, v := range row {
		switch v := v.(type) {
		case nil, string:
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				return nil, err
			}
			row[i] = n
		case map[string]any:
			s, ok := v["base64"].(string)
			if !ok || len(v) != 1 {
				return nil, errors.New("an object is not bytes")
			}
			b, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				return nil, err
			}
			row[i] = b
		default:
			return nil, errors.New("a value is neither a number nor a text")
		}
	}
	return row, nil
}
