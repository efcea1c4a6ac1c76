package ledger

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"noroshi/ledger/sqlite"
)

// TestNodesThatJoinedBeforeRenewalKeepTheirKey brings a ledger of before
// migration 010 up to date.
func TestNodesThatJoinedBeforeRenewalKeepTheirKey(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "ledger.db")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	src, err := fs.Sub(migrations, "migrations")
	must(err)
	files, err := assemble(src, sqliteEngine)
	must(err)
	names, err := fs.Glob(files, "*")
	must(err)
	before := fstest.MapFS{}
	for _, name := range names {
		if name < "010" {
			b, err := fs.ReadFile(files, name)
			must(err)
			before[name] = &fstest.MapFile{Data: b}
		}
	}
	read, write, err := sqlite.Open(path)
	must(err)
	p, err := goose.NewProvider(database.DialectSQLite3, write, before, goose.WithDisableGlobalRegistry(true))
	must(err)
	_, err = p.Up(ctx)
	must(err)
	for _, q := range []string{
		`INSERT INTO organisation (id, parent, slug, tenant, body) VALUES ('org_a', '', 'a', 1, '{}')`,
		`INSERT INTO node (id, org, role, name, spki_sha256, state, enrolled_at, not_after, cut_at, cut_why) VALUES ('nod_a', 'org_a', 'sensor', 'a', 'ff', 'active', 3, 9, 0, '')`,
	} {
		_, err := write.ExecContext(ctx, q)
		must(err)
	}
	must(errors.Join(read.Close(), write.Close()))
	db, err := Open(ctx, "sqlite:"+path)
	must(err)
	defer func() { must(db.Close()) }()
	must(db.Read(ctx, func(q Queryer) error {
		var node string
		var issued, notAfter, retired int64
		err := q.QueryRow(ctx, `SELECT node, issued_at, not_after, retired_at FROM node_key WHERE spki_sha256 = 'ff'`).Scan(&node, &issued, &notAfter, &retired)
		if node != "nod_a" || issued != 3 || notAfter != 9 || retired != 0 {
			t.Errorf("its key is of %q from %d to %d, retired %d", node, issued, notAfter, retired)
		}
		return err
	}))
}
