package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// one is the only connection of a new ledger, with numbers from 1 to 3.
func one(t *testing.T) *sql.DB {
	t.Helper()
	read, write, err := Open(filepath.Join(t.TempDir(), "l.db"))
	must(t, err)
	t.Cleanup(func() { _, _ = read.Close(), write.Close() })
	for _, text := range []string{`CREATE TABLE thing (n BIGINT PRIMARY KEY)`, `INSERT INTO thing VALUES (1), (2), (3)`} {
		_, err := write.Exec(text)
		must(t, err)
	}
	return write
}

// kept is how many statements the connection holds.
func kept(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	c, err := db.Conn(t.Context())
	must(t, err)
	must(t, c.Raw(func(x any) error { n = x.(*conn).kept.Len(); return nil }))
	must(t, c.Close())
	return n
}

const above = `SELECT n FROM thing WHERE n > ? ORDER BY n`

// readAll reads what a query gives, and between rows does something else.
func readAll(t *testing.T, tx *sql.Tx, from int, between func()) string {
	t.Helper()
	rows, err := tx.Query(above, from)
	must(t, err)
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var n int
		must(t, rows.Scan(&n))
		out = append(out, fmt.Sprint(n))
		between()
	}
	must(t, rows.Err())
	return strings.Join(out, " ")
}

func TestOneTextIsReadTwiceAtOnce(t *testing.T) {
	db := one(t)
	tx, err := db.Begin()
	must(t, err)
	outer := readAll(t, tx, 0, func() {
		if inner := readAll(t, tx, 1, func() {}); inner != "2 3" {
			t.Errorf("the inner reads %q", inner)
		}
	})
	if outer != "1 2 3" {
		t.Errorf("the outer reads %q", outer)
	}
	must(t, tx.Rollback())
}

func TestStatementsAreKeptUpToABound(t *testing.T) {
	db := one(t)
	before := kept(t, db)
	for range 5 {
		_, err := db.Exec(`UPDATE thing SET n = n WHERE n = 1`)
		must(t, err)
	}
	if n := kept(t, db); n != before+1 {
		t.Errorf("one text is kept %d times", n-before)
	}
	for i := range 3 * maxKept {
		_, err := db.Exec(fmt.Sprintf(`UPDATE thing SET n = n WHERE n = %d`, i))
		must(t, err)
	}
	_, err := db.Exec(`UPDATE thing SET n = n WHERE n IN (1` + strings.Repeat(", 1", maxText) + `)`)
	must(t, err)
	if n := kept(t, db); n != maxKept {
		t.Errorf("%d statements are kept, not %d", n, maxKept)
	}
}

func TestAStatementWorksAfterItFailedAndAfterTheSchemaChanged(t *testing.T) {
	db := one(t)
	add := `INSERT INTO thing (n) VALUES (?)`
	if _, err := db.Exec(add, 1); err == nil || !strings.Contains(err.Error(), "UNIQUE") {
		t.Fatalf("a number was taken twice: %v", err)
	}
	_, err := db.Exec(add, 4)
	must(t, err)
	width := func() int {
		rows, err := db.Query(`SELECT * FROM thing`)
		must(t, err)
		defer func() { _ = rows.Close() }()
		names, err := rows.Columns()
		must(t, err)
		return len(names)
	}
	if n := width(); n != 1 {
		t.Fatalf("%d columns", n)
	}
	_, err = db.Exec(`ALTER TABLE thing ADD COLUMN what TEXT`)
	must(t, err)
	if n := width(); n != 2 {
		t.Errorf("%d columns after one was added", n)
	}
}

func TestAStatementWorksAfterItsReaderWentAway(t *testing.T) {
	db := one(t)
	ctx, leave := context.WithCancel(t.Context())
	tx, err := db.BeginTx(ctx, nil)
	must(t, err)
	rows, err := tx.QueryContext(ctx, above, 0)
	must(t, err)
	rows.Next()
	leave()
	for rows.Next() {
	}
	_ = rows.Close()
	_ = tx.Rollback()
	again, err := db.Begin()
	must(t, err)
	if got := readAll(t, again, 0, func() {}); got != "1 2 3" {
		t.Errorf("it reads %q", got)
	}
	must(t, again.Rollback())
}
