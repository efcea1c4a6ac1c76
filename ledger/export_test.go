package ledger

import (
	"context"
	"slices"
)

// OpenFirst opens a ledger as a program did that knew only the first n steps.
func OpenFirst(ctx context.Context, url string, n int) (*DB, error) {
	steps, err := stepsFor(url)
	if err != nil {
		return nil, err
	}
	return Open(ctx, url, only(steps[:n]))
}

// With adds a step to those that Open makes.
func With(url string, version int64, sql string) Option {
	return func(u *upgrade) {
		steps, _ := stepsFor(url)
		u.steps = append(slices.Clone(steps), step{version, "900_late", []byte(sql)})
	}
}

func stepsFor(url string) ([]step, error) {
	db := &DB{engine: sqliteEngine}
	if url[0] == 'p' {
		db.engine = postgresEngine
	}
	return db.steps()
}
