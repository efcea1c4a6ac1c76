package analyse

import (
	"context"
	"time"

	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/ledger"
)

// Forget deletes the findings of an organisation that were closed or dismissed
// and last happened before a moment; the zero time means all, whatever their
// state.
func (a *Analyser) Forget(ctx context.Context, org ident.ID, before time.Time) (n int64, err error) {
	query, args := `DELETE FROM finding WHERE org = ?`, []any{string(org)}
	if !before.IsZero() {
		query += ` AND state IN (?,?) AND last_seen < ?`
		args = append(args, string(finding.Closed), string(finding.Dismissed), ledger.Micros(before))
	}
	err = a.d.DB.Write(ctx, "hub:care", func(tx *ledger.Tx) error {
		r, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return n, fault.Wrap("analyse.forget", err)
}
