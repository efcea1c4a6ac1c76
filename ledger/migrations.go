package ledger

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
)

//go:embed migrations/*.sql
var migrations embed.FS

// A migration is NNN_stage.sql, for both engines. Where the engines differ, it
// has a second part, NNN_stage.sqlite.sql and NNN_stage.postgres.sql, or
// consists of these alone. A number without a file does not exist. There is no
// way down: a wrong step is mended by the next one, and a program that
// disappoints is left by its backup.
var migrationName = regexp.MustCompile(`^(([0-9]{3})_[a-z_]+)(?:\.(sqlite|postgres))?\.sql$`)

// step is one migration for one engine.
type step struct {
	version int64
	name    string // NNN_stage
	sql     []byte
}

// up is the first line of a migration, which says that it goes one way.
var up = []byte("-- +goose Up\n")

// assemble makes one step per number out of the parts for an engine, the common
// part first, in the order of their numbers.
func assemble(src fs.FS, engine string) ([]step, error) {
	list, err := fs.ReadDir(src, ".")
	if err != nil {
		return nil, err
	}
	common, special := map[string]step{}, map[string]step{}
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
		version, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			return nil, err
		}
		switch m[3] {
		case "":
			common[m[1]] = step{version, m[1], body}
		case engine:
			special[m[1]] = step{version, m[1], body}
		}
	}
	var out []step
	for name, s := range common {
		s.sql = append(bytes.Clone(s.sql), special[name].sql...)
		out = append(out, s)
	}
	for name, s := range special {
		if _, ok := common[name]; !ok {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b step) int { return int(a.version - b.version) })
	return out, nil
}

// steps are the program's own migrations for the engine.
func (db *DB) steps() ([]step, error) {
	src, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return assemble(src, db.engine)
}
