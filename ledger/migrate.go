package ledger

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"testing/fstest"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate applies the numbered files in order: NNN_stage.sql is for both
// engines, NNN_stage.sqlite.sql and NNN_stage.postgres.sql for one of them.
func (db *DB) migrate(ctx context.Context) error {
	files, err := db.files()
	if err != nil {
		return err
	}
	dialect := database.DialectSQLite3
	if db.engine == "postgres" {
		dialect = database.DialectPostgres
	}
	p, err := goose.NewProvider(dialect, db.write, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	_, err = p.Up(ctx)
	return err
}

func (db *DB) files() (fs.FS, error) {
	out := fstest.MapFS{}
	list, err := fs.ReadDir(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		base := strings.TrimSuffix(e.Name(), ".sql")
		stage, engine, special := strings.Cut(base, ".")
		if special && engine != db.engine {
			continue
		}
		b, err := fs.ReadFile(migrations, "migrations/"+e.Name())
		if err != nil {
			return nil, err
		}
		out[stage+".sql"] = &fstest.MapFile{Data: b}
	}
	return out, nil
}
