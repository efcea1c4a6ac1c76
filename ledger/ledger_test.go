package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

func TestHistoryIsWrittenWithTheChangeAndCannotBeChanged(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		boom := errors.New("boom")
		for _, fail := range []error{nil, boom, nil} {
			err := db.Write(ctx, "person:x", func(tx *ledger.Tx) error {
				if err := tx.Record(ctx, "thing", "thg_1", "org_1", "made", map[string]string{"a": "狼煙"}); err != nil {
					return err
				}
				return fail
			})
			if !errors.Is(err, fail) {
				t.Fatalf("write ended with %v, not %v", err, fail)
			}
		}
		h, err := db.History(ctx, "thg_1")
		if err != nil || len(h) != 2 {
			t.Fatalf("two lines of history were expected: %v, %v", h, err)
		}
		if h[0].Actor != "person:x" || string(h[0].State) != `{"a":"狼煙"}` || h[0].At.IsZero() || h[0].Seq >= h[1].Seq {
			t.Errorf("the first line is %+v", h[0])
		}
		for _, q := range []string{`UPDATE history SET actor = 'y'`, `DELETE FROM history`} {
			if err := db.Write(ctx, "person:x", func(tx *ledger.Tx) error { _, err := tx.Exec(ctx, q); return err }); err == nil {
				t.Errorf("%s was allowed", q)
			}
		}
	})
}

func TestConcurrentWritersLoseNothing(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		must(t, db.Write(ctx, "t", func(tx *ledger.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO person (id, name, roles) VALUES (?,?,?)`, "p", "0", "")
			return err
		}))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					for {
						err := increment(ctx, db)
						if err == nil {
							break
						}
						if fault.KindOf(err) != fault.Conflict {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		wg.Wait()
		must(t, db.Read(ctx, func(q ledger.Queryer) error {
			var n string
			if err := q.QueryRow(ctx, `SELECT name FROM person WHERE id = ?`, "p").Scan(&n); err != nil {
				return err
			}
			if n != "160" {
				t.Errorf("160 increments left %s", n)
			}
			return nil
		}))
	})
}

// increment is the optimistic pattern: read, then update what was read.
func increment(ctx context.Context, db *ledger.DB) error {
	return db.Write(ctx, "t", func(tx *ledger.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT CAST(name AS INTEGER) FROM person WHERE id = ?`, "p").Scan(&n); err != nil {
			return err
		}
		return ledger.Changed(tx.Exec(ctx, `UPDATE person SET name = CAST(CAST(? AS INTEGER) AS TEXT) WHERE id = ? AND name = CAST(CAST(? AS INTEGER) AS TEXT)`, n+1, "p", n))
	})
}

func TestTextThatOneEngineRefusesIsRefusedOnBoth(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		for _, bad := range []string{"a\x00b", "\xff"} {
			err := db.Write(t.Context(), "t", func(tx *ledger.Tx) error {
				_, err := tx.Exec(t.Context(), `INSERT INTO person (id, name, roles) VALUES (?,?,?)`, "p", bad, "")
				return err
			})
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

func TestReadersCannotWriteAndSeeQuestionMarksInText(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		must(t, db.Read(t.Context(), func(q ledger.Queryer) error {
			var s string
			if err := q.QueryRow(t.Context(), `SELECT '?' || CAST(? AS TEXT)`, "x").Scan(&s); err != nil {
				return err
			}
			if s != "?x" {
				t.Errorf("the query gave %q", s)
			}
			err := q.QueryRow(t.Context(), `SELECT id FROM person WHERE id IN (NULL)`).Scan(&s)
			if !errors.Is(err, sql.ErrNoRows) {
				t.Errorf("the empty list found %v", err)
			}
			return nil
		}))
	})
}

func TestLedgerOpensAgainWithItsRecords(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "dir", "ledger.db")
	for i := range 2 {
		db, err := ledger.Open(t.Context(), url)
		must(t, err)
		must(t, db.Write(t.Context(), "t", func(tx *ledger.Tx) error {
			return tx.Record(t.Context(), "k", ident.ID("id"), "", "opened", i)
		}))
		h, err := db.History(t.Context(), "id")
		must(t, err)
		if len(h) != i+1 {
			t.Errorf("opening %d finds %d lines", i, len(h))
		}
		must(t, db.Close())
	}
	if _, err := ledger.Open(t.Context(), "mysql://x"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a foreign address says %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
