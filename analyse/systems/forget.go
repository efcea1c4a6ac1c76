package systems

import (
	"context"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Forget deletes the bills of materials of an organisation that are not in force,
// and the decisions that do not hold any more, from before a moment; the zero time means
// all of its systems and decisions.
func (x *Systems) Forget(ctx context.Context, org ident.ID, before time.Time) (n int64, err error) {
	all := before.IsZero()
	o, at := string(org), ledger.Micros(before)
	type deletion struct {
		query string
		args  []any
	}
	list := []deletion{
		{`DELETE FROM system_bill WHERE org = ? AND at < ? AND number < (SELECT MAX(newer.number) FROM system_bill newer WHERE newer.system = system_bill.system)`, []any{o, at}},
		{`DELETE FROM vex_document WHERE org = ? AND at < ? AND state <> ?`, []any{o, at, InForce}},
	}
	if all {
		list = []deletion{{`DELETE FROM system_bill WHERE org = ?`, []any{o}}, {`DELETE FROM vex_document WHERE org = ?`, []any{o}}, {`DELETE FROM system WHERE org = ?`, []any{o}}}
	}
	err = x.d.DB.Write(ctx, "hub:care", func(tx *ledger.Tx) error {
		n = 0
		for _, d := range list {
			r, err := tx.Exec(ctx, d.query, d.args...)
			if err != nil {
				return err
			}
			some, err := r.RowsAffected()
			if err != nil {
				return err
			}
			n += some
		}
		if n == 0 || !all {
			return nil
		}
		_, err := edition.Next(ctx, tx)
		return err
	})
	if n > 0 && all {
		err = x.after(ctx, "systems.forget", err)
	}
	return n, fault.Wrap("systems.forget", err)
}
