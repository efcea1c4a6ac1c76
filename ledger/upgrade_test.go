package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"noroshi/fault"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

// old makes a ledger as a program knew it that had the first two steps, with
// records in it.
func old(t *testing.T, url string) {
	t.Helper()
	db, err := ledger.OpenFirst(t.Context(), url, 2)
	must(t, err)
	must(t, db.Write(t.Context(), "person:x", func(tx *ledger.Tx) error {
		for i := range 3 {
			must(t, set(t.Context(), tx, "k"+strconv.Itoa(i), "狼煙 \"\\\n'?"))
			must(t, tx.Record(t.Context(), "thing", "thg_1", "org_1", "made", i))
		}
		for _, q := range []string{
			`INSERT INTO organisation (id, parent, slug, tenant, body) VALUES ('org_1', '', 'a', 4294967295, '{}')`,
			`INSERT INTO node (id, org, role, name, spki_sha256, state, enrolled_at, not_after, cut_at, cut_why) VALUES ('nod_1', 'org_1', 'sensor', 'n', 's', 'active', 1764000000000000, -1, 0, '')`,
		} {
			if _, err := tx.Exec(t.Context(), q); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, db.Close())
}

func open(t *testing.T, url string, options ...ledger.Option) *ledger.DB {
	t.Helper()
	db, err := ledger.Open(t.Context(), url, options...)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

// dump copies a ledger into memory.
func dump(t *testing.T, db *ledger.DB) (versions []int64, list []ledger.Table, rows map[string]string) {
	t.Helper()
	rows = map[string]string{}
	must(t, db.Dump(t.Context(), func(d *ledger.Dump) error {
		versions, list = d.Versions, d.Tables
		for _, tab := range d.Tables {
			var b bytes.Buffer
			n, err := d.Rows(t.Context(), tab, &b)
			must(t, err)
			if int(n) != strings.Count(b.String(), "\n") {
				t.Errorf("%s: %d rows were told, and %q written", tab.Name, n, b.String())
			}
			rows[tab.Name] = b.String()
		}
		return nil
	}))
	return versions, list, rows
}

func load(t *testing.T, url string, versions []int64, list []ledger.Table, rows map[string]string) error {
	t.Helper()
	return ledger.Load(t.Context(), url, versions, func(l *ledger.Loader) error {
		for _, tab := range list {
			if _, err := l.Table(t.Context(), tab, strings.NewReader(rows[tab.Name])); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestOldLedgerIsCopiedAndThenUpgraded(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, url string) {
		old(t, url)
		var before map[string]string
		called := 0
		hook := ledger.BeforeUpgrade(func(_ context.Context, db *ledger.DB, u ledger.Upgrade) (string, error) {
			called++
			if u.From != 3 || u.To <= 3 || len(u.Steps) == 0 {
				t.Errorf("the upgrade is told as %+v", u)
			}
			_, _, before = dump(t, db)
			return "", nil
		})
		db := open(t, url, hook)
		_, _, after := dump(t, db)
		if called != 1 || len(before) == 0 || before["quarantine"] != "" || len(after) <= len(before) {
			t.Fatalf("copied %d times, %d tables before and %d after", called, len(before), len(after))
		}
		for name := range before {
			// What step 010 makes of nodes has its own test.
			if before[name] != after[name] && name != "node" {
				t.Errorf("%s was %q and became %q", name, before[name], after[name])
			}
		}
		open(t, url, hook)
		if called != 1 {
			t.Error("a ledger that is up to date was copied")
		}
	})
}

func TestFreshLedgerIsNotCopied(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, url string) {
		open(t, url, ledger.BeforeUpgrade(func(context.Context, *ledger.DB, ledger.Upgrade) (string, error) {
			return "", errors.New("nothing is there to copy")
		}))
	})
}

func TestUpgradeThatFailsLeavesWhatWas(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, url string) {
		old(t, url)
		was := ledger.AsItIs()
		versions, _, before := dump(t, open(t, url, was))
		hook := ledger.BeforeUpgrade(func(context.Context, *ledger.DB, ledger.Upgrade) (string, error) { return "/backups/x", nil })
		_, err := ledger.Open(t.Context(), url, ledger.With(url, 900, "CREATE TABLE late (a TEXT);\nINSERT INTO setting (key, value) VALUES ('late', 'x');\nINSERT INTO nowhere VALUES (1);"), hook)
		if err == nil || !strings.Contains(fault.PublicOf(err), "/backups/x") || !strings.Contains(fault.PublicOf(err), "still of version 3") {
			t.Errorf("the upgrade ended with %v", err)
		}
		still, _, after := dump(t, open(t, url, was))
		if len(still) != len(versions) || !maps.Equal(before, after) {
			t.Errorf("%v %q became %v %q", versions, before, still, after)
		}
		_, err = ledger.Open(t.Context(), url, ledger.BeforeUpgrade(func(context.Context, *ledger.DB, ledger.Upgrade) (string, error) {
			return "", fault.New(fault.Exhausted, "t", "the disk is full")
		}))
		if fault.KindOf(err) != fault.Exhausted || !strings.Contains(fault.PublicOf(err), "the disk is full") {
			t.Errorf("without a copy: %v", err)
		}
		if _, _, after = dump(t, open(t, url, was)); !maps.Equal(before, after) {
			t.Error("a ledger without copy was changed")
		}
	})
}

// TestDumpOfOneEngineFillsTheOther moves a ledger whose schema is old from each
// engine to each.
func TestDumpOfOneEngineFillsTheOther(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, from string) {
		old(t, from)
		versions, list, rows := dump(t, open(t, from, ledger.AsItIs()))
		ledgertest.EachURL(t, func(t *testing.T, to string) {
			must(t, load(t, to, versions, list, rows))
			moved, _, same := dump(t, open(t, to, ledger.AsItIs()))
			if len(moved) != 2 || !maps.Equal(rows, same) {
				t.Fatalf("%q became %q", rows, same)
			}
			db := open(t, to)
			must(t, db.Write(t.Context(), "person:y", func(tx *ledger.Tx) error {
				return tx.Record(t.Context(), "thing", "thg_1", "org_1", "moved", 1)
			}))
			h, err := db.History(t.Context(), "thg_1")
			must(t, err)
			if len(h) != 4 || h[3].Action != "moved" || h[3].Seq <= h[2].Seq {
				t.Errorf("the history goes on as %+v", h)
			}
			if err := load(t, to, versions, list, rows); fault.KindOf(err) != fault.Conflict {
				t.Errorf("a ledger was loaded over another: %v", err)
			}
		})
	})
}

func TestDumpThatIsWrongLeavesNothing(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, url string) {
		source := "sqlite:" + filepath.Join(t.TempDir(), "source.db")
		old(t, source)
		versions, list, rows := dump(t, open(t, source, ledger.AsItIs()))
		for name, spoil := range map[string]func(v []int64, l []ledger.Table, r map[string]string) ([]int64, []ledger.Table){
			"newer": func(v []int64, l []ledger.Table, _ map[string]string) ([]int64, []ledger.Table) {
				return append(v, 999), l
			},
			"no version":    func(_ []int64, l []ledger.Table, _ map[string]string) ([]int64, []ledger.Table) { return nil, l },
			"table missing": func(v []int64, l []ledger.Table, _ map[string]string) ([]int64, []ledger.Table) { return v, l[1:] },
			"table twice": func(v []int64, l []ledger.Table, _ map[string]string) ([]int64, []ledger.Table) {
				return v, append(l, l[0])
			},
			"strange column": func(v []int64, l []ledger.Table, _ map[string]string) ([]int64, []ledger.Table) {
				l[0].Columns = append([]string{`x" FROM y; --`}, l[0].Columns[1:]...)
				return v, l
			},
			"too few values": func(v []int64, l []ledger.Table, r map[string]string) ([]int64, []ledger.Table) {
				r["setting"] += "[\"k9\"]\n"
				return v, l
			},
			"torn": func(v []int64, l []ledger.Table, r map[string]string) ([]int64, []ledger.Table) {
				r["setting"] += "[\"k9\",\"v\"]"
				return v, l
			},
			"truth": func(v []int64, l []ledger.Table, r map[string]string) ([]int64, []ledger.Table) {
				r["setting"] += "[\"k9\",true]\n"
				return v, l
			},
			"NUL": func(v []int64, l []ledger.Table, r map[string]string) ([]int64, []ledger.Table) {
				r["setting"] += "[\"k9\",\"\\u0000\"]\n"
				return v, l
			},
			"twice": func(v []int64, l []ledger.Table, r map[string]string) ([]int64, []ledger.Table) {
				r["setting"] += r["setting"]
				return v, l
			},
			"nobody's node": func(v []int64, l []ledger.Table, r map[string]string) ([]int64, []ledger.Table) {
				r["organisation"] = ""
				return v, l
			},
		} {
			bad := maps.Clone(rows)
			own := make([]ledger.Table, len(list))
			for i, x := range list {
				own[i] = ledger.Table{Name: x.Name, Columns: append([]string{}, x.Columns...)}
			}
			v, l := spoil(append([]int64{}, versions...), own, bad)
			if err := load(t, url, v, l, bad); err == nil {
				t.Fatalf("%s: it was loaded", name)
			}
		}
		must(t, load(t, url, versions, list, rows)) // Nothing of it is in the way.
	})
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("[1,\"a\",null]\n[2,{\"base64\":\"AA==\"},-9223372036854775808]\n"), 3)
	f.Add([]byte("[1e3]\n"), 1)
	f.Fuzz(func(t *testing.T, b []byte, columns int) {
		rows := 0
		err := ledger.Lines(bytes.NewReader(b), columns, func(values []any) error {
			rows++
			if len(values) != columns {
				t.Errorf("%d values instead of %d", len(values), columns)
			}
			return nil
		})
		if err == nil && rows != bytes.Count(b, []byte("\n")) {
			t.Errorf("%d rows of %d lines", rows, bytes.Count(b, []byte("\n")))
		}
	})
}
