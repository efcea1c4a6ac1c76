package ledger

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"testing/fstest"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date. A ledger that a newer program made is
// refused: this one would not know what its tables mean.
func (db *DB) migrate(ctx context.Context) error {
	src, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	files, err := assemble(src, db.engine)
	if err != nil {
		return err
	}
	options := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true),
		// Numbers belong to stages, whose tables are their own: a lower number may come later.
		goose.WithAllowOutofOrder(true),
	}
	dialect := database.DialectSQLite3
	if db.engine == postgresEngine {
		dialect = database.DialectPostgres
		// Several hubs may start at once on one database.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db.write, files, options...)
	if err != nil {
		return err
	}
	if current, target, err := p.GetVersions(ctx); err != nil {
		return err
	} else if current > target {
		return fmt.Errorf("the ledger has version %d, but this program knows %d at most", current, target)
	}
	_, err = p.Up(ctx)
	return err
}

// A migration is NNN_stage.sql, for both engines. Where the engines differ, it
// has a second part, NNN_stage.sqlite.sql and NNN_stage.postgres.sql, or
// consists of these alone. A number without a file does not exist. There is no
// way down: a wrong step is mended by the next one.
var migrationName = regexp.MustCompile(`^([0-9]{3}_[a-z_]+)(?:\.(sqlite|postgres))?\.sql$`)

var up = []byte("-- +goose Up\n")

// assemble makes one file per number out of the parts for an engine, the common
// part first.
func assemble(src fs.FS, engine string) (fs.FS, error) {
	list, err := fs.ReadDir(src, ".")
	if err != nil {
		return nil, err
	}
	common, special := map[string][]byte{}, map[string][]byte{}
	for _, e := range list {
		m := migrationName.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("%s: a migration is named NNN_stage.sql, NNN_stage.sqlite.sql or NNN_stage.postgres.sql", e.Name())
		}
		b, err := fs.ReadFile(src, e.Name())
		if err != nil {
			return nil, err
		}
		body, ok := bytes.CutPrefix(b, up)
		if !ok || bytes.Contains(body, []byte("+goose Up")) || bytes.Contains(body, []byte("+goose Down")) {
			return nil, fmt.Errorf("%s: a migration begins with the line %q, and goes one way", e.Name(), bytes.TrimSpace(up))
		}
		switch m[2] {
		case "":
			common[m[1]] = body
		case engine:
			special[m[1]] = body
		}
	}
	out := fstest.MapFS{}
	for name := range common {
		out[name+".sql"] = &fstest.MapFile{Data: bytes.Join([][]byte{up, common[name], special[name]}, nil)}
	}
	for name := range special {
		if _, ok := common[name]; !ok {
			out[name+".sql"] = &fstest.MapFile{Data: append(bytes.Clone(up), special[name]...)}
		}
	}
	return out, nil
}
