package ledger

import (
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

func TestAssembleJoinsTheCommonPartAndTheEnginesOwn(t *testing.T) {
	src := fstest.MapFS{}
	for _, name := range []string{
		"001_a.sql", "001_a.sqlite.sql", "001_a.postgres.sql", "003_only.sqlite.sql", "003_only.postgres.sql", "004_b.sql", "005_lite.sqlite.sql",
	} {
		src[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + name + ";\n")}
	}
	want := map[string]map[string]string{
		sqliteEngine: {
			"001_a.sql": "001_a.sql;\n001_a.sqlite.sql;\n", "003_only.sql": "003_only.sqlite.sql;\n",
			"004_b.sql": "004_b.sql;\n", "005_lite.sql": "005_lite.sqlite.sql;\n",
		},
		postgresEngine: {
			"001_a.sql": "001_a.sql;\n001_a.postgres.sql;\n", "003_only.sql": "003_only.postgres.sql;\n", "004_b.sql": "004_b.sql;\n",
		},
	}
	for engine, files := range want {
		out, err := assemble(src, engine)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, s := range out {
			got[s.name+".sql"] = string(s.sql)
		}
		if !maps.Equal(got, files) {
			t.Errorf("%s: %q instead of %q", engine, got, files)
		}
	}
}

func TestAssembleRefusesWhatWouldBeOverlooked(t *testing.T) {
	for name, body := range map[string]string{
		"001_a.sqlit.sql": "-- +goose Up\n",
		"1_a.sql":         "-- +goose Up\n",
		"001_a.txt":       "-- +goose Up\n",
		"001_a.sql":       "CREATE TABLE x (y TEXT);\n",
		"002_a.sql":       "-- +goose Up\n-- +goose Down\nDROP TABLE x;\n",
	} {
		if _, err := assemble(fstest.MapFS{name: {Data: []byte(body)}}, sqliteEngine); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s with %q: %v", name, body, err)
		}
	}
}

func TestRebindLeavesTextNamesAndCommentsAlone(t *testing.T) {
	for in, want := range map[string]string{
		`SELECT 1`:                         `SELECT 1`,
		`a = ? AND b = ?`:                  `a = $1 AND b = $2`,
		`a = '?' AND b = ?`:                `a = '?' AND b = $1`,
		`a = 'it''s ?' AND b = ?`:          `a = 'it''s ?' AND b = $1`,
		`"who?" = ? AND '"' = ?`:           `"who?" = $1 AND '"' = $2`,
		"a -- why? isn't\n = ?":            "a -- why? isn't\n = $1",
		`a /* what's this? */ = ?`:         `a /* what's this? */ = $1`,
		`a - ? / ? * ?`:                    `a - $1 / $2 * $3`,
		`'open ?`:                          `'open ?`,
		`-- ?`:                             `-- ?`,
		`'狼煙?' || ?`:                       `'狼煙?' || $1`,
		`?,?,?,?,?,?,?,?,?,?,?`:            `$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11`,
		`x LIKE ? ESCAPE '\' AND y IN (?)`: `x LIKE $1 ESCAPE '\' AND y IN ($2)`,
	} {
		if got := rebind(true, in); got != want {
			t.Errorf("%s became %s instead of %s", in, got, want)
		}
		if got := rebind(false, in); got != in {
			t.Errorf("%s became %s for SQLite", in, got)
		}
	}
}

func TestEveryStageHasItsOwnNumber(t *testing.T) {
	src, _ := fs.Sub(migrations, "migrations")
	for _, engine := range []string{sqliteEngine, postgresEngine} {
		out, err := assemble(src, engine)
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(out); i++ {
			if out[i].version == out[i-1].version {
				t.Errorf("%s and %s have the same number; take the next free one", out[i-1].name, out[i].name)
			}
		}
	}
}
