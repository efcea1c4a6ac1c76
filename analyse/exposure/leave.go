package exposure

import (
	"context"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Leave deletes everything that is kept of an organisation. A run of it that is
// under way finds no scope any more and stops. That somebody asked not to be
// scanned outlives it: the organisation above all answers for it from then on.
func (st *Store) Leave(ctx context.Context, org ident.ID) (n int64, err error) {
	err = st.d.DB.Write(ctx, "hub:exposure", func(tx *ledger.Tx) error {
		var list []OptOut
		rows, err := tx.Query(ctx, `SELECT body FROM scan_optout WHERE org = ?`, org)
		if err := ledger.Each(rows, err, func(scan func(...any) error) error {
			o, err := scanOptOut(scan)
			list = append(list, o)
			return err
		}); err != nil {
			return err
		}
		for _, o := range list {
			o.Org = st.root()
			if _, err := tx.Exec(ctx, `UPDATE scan_optout SET org = ?, body = ? WHERE id = ?`, o.Org, ledger.JSON(o), o.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fault.Wrap("exposure.leave", err)
	}
	return st.drop(ctx, "exposure.leave", []string{
		`DELETE FROM scan_scope WHERE org = ?`, `DELETE FROM scan_part WHERE org = ?`, `DELETE FROM scan_run WHERE org = ?`,
		`DELETE FROM surface_change WHERE org = ?`, `DELETE FROM surface_service WHERE org = ?`, `DELETE FROM surface_asset WHERE org = ?`,
	}, org)
}

// Forget drops what an organisation does not keep any longer: changes, runs that
// ended and services that are gone. That somebody asked not to be scanned, and
// what is there, stays.
func (st *Store) Forget(ctx context.Context, org ident.ID, before time.Time) (int64, error) {
	return st.drop(ctx, "exposure.forget", []string{
		`DELETE FROM surface_change WHERE org = ? AND at < ?`,
		`DELETE FROM scan_run WHERE org = ? AND began < ? AND state IN ('done','ended')`,
		`DELETE FROM surface_service WHERE org = ? AND state = 'gone' AND last_looked < ?`,
		`DELETE FROM surface_asset WHERE org = ? AND last_looked < ? AND NOT EXISTS (SELECT 1 FROM surface_service s WHERE s.asset = surface_asset.id)`,
	}, org, ledger.Micros(before))
}

func (st *Store) drop(ctx context.Context, op string, statements []string, args ...any) (n int64, err error) {
	err = st.d.DB.Write(ctx, "hub:exposure", func(tx *ledger.Tx) error {
		n = 0
		for _, s := range statements {
			r, err := tx.Exec(ctx, s, args...)
			if err != nil {
				return err
			}
			m, err := r.RowsAffected()
			if err != nil {
				return err
			}
			n += m
		}
		_, err := edition.Next(ctx, tx)
		return err
	})
	return n, fault.Wrap(op, err)
}
