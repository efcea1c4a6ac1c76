package ledger_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// set and get use the settings, the smallest table of the foundation.
func set(ctx context.Context, tx *ledger.Tx, key, value any) error {
	_, err := tx.Exec(ctx, `INSERT INTO setting (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
	return err
}

func get(ctx context.Context, q ledger.Queryer, key string) (v string, err error) {
	err = q.QueryRow(ctx, `SELECT value FROM setting WHERE key = ?`, key).Scan(&v)
	return v, err
}

func TestHistoryIsWrittenWithTheChangeAndCannotBeChanged(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		boom := errors.New("boom")
		for _, fail := range []error{nil, boom, nil} {
			err := db.Write(ctx, "person:x", func(tx *ledger.Tx) error {
				must(t, tx.Record(ctx, "thing", "thg_1", "org_1", "made", map[string]string{"a": "狼煙"}))
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
		c := h[0]
		if c.Actor != "person:x" || c.Kind != "thing" || c.ID != "thg_1" || c.Org != "org_1" || c.Action != "made" ||
			string(c.State) != `{"a":"狼煙"}` || c.At.IsZero() || c.Seq >= h[1].Seq {
			t.Errorf("the first line is %+v", c)
		}
		for _, q := range []string{
			`UPDATE history SET actor = 'y'`, `DELETE FROM history`, `UPDATE history SET actor = 'y' WHERE id = 'thg_1'`, `TRUNCATE history`,
			`INSERT OR REPLACE INTO history (seq, at, actor, kind, id, org, action, state) SELECT seq, 0, 'y', '', '', '', '', '' FROM history`,
			`INSERT INTO history (seq, at, actor, kind, id, org, action, state) SELECT seq, 0, 'y', '', '', '', '', '' FROM history ON CONFLICT (seq) DO UPDATE SET actor = 'y'`,
		} {
			if err := db.Write(ctx, "person:x", func(tx *ledger.Tx) error { _, err := tx.Exec(ctx, q); return err }); err == nil {
				t.Errorf("%s was allowed", q)
			}
		}
		if again, err := db.History(ctx, "thg_1"); err != nil || len(again) != 2 || again[0].Actor != "person:x" {
			t.Errorf("the history became %+v, %v", again, err)
		}
	})
}

func TestOptimisticWritersLoseNothing(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		must(t, db.Write(ctx, "t", func(tx *ledger.Tx) error { return set(ctx, tx, "n", "0") }))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					// What was read is from another transaction, as with a person's form.
					err := error(fault.New(fault.Conflict, "t", "first"))
					for fault.KindOf(err) == fault.Conflict {
						err = increment(ctx, db)
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		must(t, db.Read(ctx, func(q ledger.Queryer) error {
			n, err := get(ctx, q, "n")
			if n != "160" {
				t.Errorf("160 increments left %s", n)
			}
			return err
		}))
	})
}

// increment is the optimistic pattern: read, then update what was read.
func increment(ctx context.Context, db *ledger.DB) error {
	var seen string
	if err := db.Read(ctx, func(q ledger.Queryer) (err error) { seen, err = get(ctx, q, "n"); return err }); err != nil {
		return err
	}
	n, err := strconv.Atoi(seen)
	if err != nil {
		return err
	}
	return db.Write(ctx, "t", func(tx *ledger.Tx) error {
		return ledger.Changed(tx.Exec(ctx, `UPDATE setting SET value = ? WHERE key = 'n' AND value = ?`, strconv.Itoa(n+1), seen))
	})
}

// TestWritesHappenAsIfOneAfterTheOther lets writers read a table and add what
// follows from it. The callback hides the engine's errors, as a store that
// gives its own messages does; Write still runs it again.
func TestWritesHappenAsIfOneAfterTheOther(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				for range 10 {
					err := db.Write(ctx, "t", func(tx *ledger.Tx) error {
						var n int
						if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM setting`).Scan(&n); err != nil {
							return errors.New("hidden")
						}
						if err := set(ctx, tx, "k"+strconv.Itoa(n), "v"); err != nil {
							return errors.New("hidden")
						}
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		must(t, db.Read(ctx, func(q ledger.Queryer) error {
			var n int
			err := q.QueryRow(ctx, `SELECT COUNT(*) FROM setting`).Scan(&n)
			if n != 60 {
				t.Errorf("60 writers counted to %d", n)
			}
			return err
		}))
	})
}

func TestReadSeesOneMomentAndChangesNothing(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		put := func(v string) {
			must(t, db.Write(ctx, "t", func(tx *ledger.Tx) error { return set(ctx, tx, "k", v) }))
		}
		put("old")
		must(t, db.Read(ctx, func(q ledger.Queryer) error {
			before, err := get(ctx, q, "k")
			must(t, err)
			put("new")
			after, err := get(ctx, q, "k")
			if before != "old" || after != "old" {
				t.Errorf("one Read saw %q and then %q", before, after)
			}
			return err
		}))
		err := db.Read(ctx, func(q ledger.Queryer) error {
			return q.QueryRow(ctx, `INSERT INTO setting (key, value) VALUES ('x', 'y') RETURNING key`).Scan(new(string))
		})
		if err == nil || ledger.NoRows(err) {
			t.Errorf("a Read wrote: %v", err)
		}
	})
}

func TestBothEnginesTakeAndRefuseTheSameArguments(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		for _, c := range []struct {
			value any
			want  fault.Kind
		}{
			{"a\x00b", fault.Invalid}, {"\xff", fault.Invalid}, {ident.ID("a\x00"), fault.Invalid},
			{sql.NullString{String: "\xc0\xaf", Valid: true}, fault.Invalid},
			{time.Now(), fault.Internal}, {true, fault.Internal}, {json.RawMessage(`{}`), fault.Internal},
			{[]string{"a"}, fault.Internal},
		} {
			err := db.Write(ctx, "t", func(tx *ledger.Tx) error { return set(ctx, tx, "k", c.value) })
			if err == nil || fault.KindOf(err) != c.want {
				t.Errorf("writing %v: %v", c.value, err)
			}
			err = db.Read(ctx, func(q ledger.Queryer) error {
				return q.QueryRow(ctx, `SELECT key FROM setting WHERE value = ?`, c.value).Scan(new(string))
			})
			if err == nil || ledger.NoRows(err) || fault.KindOf(err) != c.want {
				t.Errorf("asking for %v: %v", c.value, err)
			}
		}
		for _, ok := range []any{"狼煙 'x' ?", ident.ID("org_1"), ""} {
			must(t, db.Write(ctx, "t", func(tx *ledger.Tx) error { return set(ctx, tx, "k", ok) }))
			in, args := ledger.In([]string{"k", "l"})
			must(t, db.Read(ctx, func(q ledger.Queryer) error {
				return q.QueryRow(ctx, `SELECT key FROM setting WHERE value = ? AND key IN `+in, append([]any{ok}, args...)...).Scan(new(string))
			}))
		}
		must(t, db.Read(ctx, func(q ledger.Queryer) error {
			none, args := ledger.In([]ident.ID{})
			err := q.QueryRow(ctx, `SELECT key FROM setting WHERE key IN `+none, args...).Scan(new(string))
			if !ledger.NoRows(err) {
				t.Errorf("the empty list found %v", err)
			}
			return nil
		}))
	})
}

func TestTimesAreMicrosecondsAndZeroStaysZero(t *testing.T) {
	if ledger.Micros(time.Time{}) != 0 || !ledger.Time(0).IsZero() {
		t.Error("the zero time is not 0")
	}
	at := time.Date(2026, 11, 24, 9, 0, 0, 123456789, time.FixedZone("JST", 9*3600))
	if got := ledger.Time(ledger.Micros(at)); !got.Equal(at.Truncate(time.Microsecond)) || got.Location() != time.UTC {
		t.Errorf("%s became %s", at, got)
	}
}

func TestLedgerOpensAgainWithItsRecords(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, url string) {
		for i := range 2 {
			db, err := ledger.Open(t.Context(), url)
			must(t, err)
			must(t, db.Write(t.Context(), "t", func(tx *ledger.Tx) error {
				return tx.Record(t.Context(), "k", "id", "", "opened", i)
			}))
			h, err := db.History(t.Context(), "id")
			must(t, err)
			if len(h) != i+1 {
				t.Errorf("opening %d finds %d lines", i, len(h))
			}
			must(t, db.Close())
		}
	})
}

func TestLedgerOfANewerProgramIsRefused(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, url string) {
		db, err := ledger.Open(t.Context(), url)
		must(t, err)
		must(t, db.Write(t.Context(), "t", func(tx *ledger.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) SELECT 999, is_applied FROM goose_db_version WHERE version_id = 1`)
			return err
		}))
		must(t, db.Close())
		if _, err := ledger.Open(t.Context(), url); err == nil || !strings.Contains(err.Error(), "999") {
			t.Errorf("opened: %v", err)
		}
	})
}

func TestHubsMayStartAtOnce(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, url string) {
		if strings.HasPrefix(url, "sqlite:") {
			t.Skip("a file has one hub")
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				db, err := ledger.Open(t.Context(), url)
				if err == nil {
					err = db.Close()
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestFileIsItsUsersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%e") // Characters that mean something in an address.
	db, err := ledger.Open(t.Context(), "sqlite:"+filepath.Join(dir, "ledger.db"))
	must(t, err)
	defer func() { must(t, db.Close()) }()
	list, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range list {
		info, err := e.Info()
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the rights %s", e.Name(), info.Mode())
		}
	}
	if len(list) == 0 {
		t.Error("there is no file")
	}
}

func TestAddressesThatNameNoLedgerAreRefused(t *testing.T) {
	for _, url := range []string{"", "mysql://x", "sqlite:", "sqlite::memory:", "/var/lib/x.db"} {
		if _, err := ledger.Open(t.Context(), url); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := ledger.Open(t.Context(), "postgres://x@/y?host="+t.TempDir()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a server that is not there: %v", err)
	}
}
