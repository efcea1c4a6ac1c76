package intel

import (
	"context"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/ledger"
)

// Leave lifts every indicator of an organisation that leaves, at all edges, and
// then deletes what it owned. It may be called again.
func (in *Intel) Leave(ctx context.Context, actor string, org ident.ID, why string) (n int64, err error) {
	const op = "intel.leave"
	standing, err := in.query(ctx, `org = ? AND state IN ('active','held')`, string(org))
	if err != nil {
		return 0, err
	}
	for _, x := range standing {
		ind := x
		err := in.d.DB.Write(ctx, actor, func(tx *ledger.Tx) (err error) {
			if ind, err = read(ctx, tx, x.ID); err != nil || (ind.State != indicator.Active && ind.State != indicator.Held) {
				return err
			}
			ind.State, ind.RevokedWhy, ind.Modified = indicator.Revoked, why, in.d.Now().UTC().Truncate(time.Microsecond)
			return in.save(ctx, tx, &ind, "revoked: "+why)
		})
		if err != nil {
			return 0, fault.Wrap(op, err)
		}
		in.announce(ind)
	}
	err = in.d.DB.Write(ctx, actor, func(tx *ledger.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM indicator_audience WHERE org = ? OR indicator IN (SELECT id FROM indicator WHERE org = ?)`, string(org), string(org)); err != nil {
			return err
		}
		r, err := tx.Exec(ctx, `DELETE FROM indicator WHERE org = ?`, string(org))
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return n, fault.Wrap(op, err)
}
