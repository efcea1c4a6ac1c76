package systems

import (
	"context"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Forget deletes the bills of materials of an organisation that are not in force
// and were handed in before a moment; the zero time means all of its systems.
func (x *Systems) Forget(ctx context.Context, org ident.ID, before time.Time) (n int64, err error) {
	query, args := `DELETE FROM system_bill WHERE org = ?`, []any{string(org)}
	if !before.IsZero() {
		query += ` AND at < ? AND number < (SELECT MAX(newer.number) FROM system_bill newer WHERE newer.system = system_bill.system)`
		args = append(args, ledger.Micros(before))
	}
	err = x.d.DB.Write(ctx, "hub:care", func(tx *ledger.Tx) error {
		r, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return err
		}
		if n, err = r.RowsAffected(); err != nil || !before.IsZero() {
			return err
		}
		if r, err = tx.Exec(ctx, `DELETE FROM system WHERE org = ?`, string(org)); err != nil {
			return err
		}
		if n, err = r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		_, err = edition.Next(ctx, tx)
		return err
	})
	if n > 0 && before.IsZero() {
		err = x.after(ctx, "systems.forget", err)
	}
	return n, fault.Wrap("systems.forget", err)
}
