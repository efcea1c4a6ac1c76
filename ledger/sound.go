package ledger

import (
	"context"

	"noroshi/fault"
)

// Sound looks whether SQLite's file is whole; PostgreSQL looks after itself.
func (db *DB) Sound(ctx context.Context) error {
	const op = "ledger.sound"
	if db.engine != sqliteEngine {
		return nil
	}
	return db.Read(ctx, func(q Queryer) error {
		says, err := texts(ctx, q, `PRAGMA quick_check(1)`)
		if err != nil {
			return fault.As(fault.Internal, op, err, "the ledger's file is damaged: %v", err)
		}
		if len(says) != 1 || says[0] != "ok" {
			return fault.New(fault.Internal, op, "the ledger's file is damaged: %.300q", says)
		}
		return nil
	})
}
