package push

import (
	"context"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// Leave deletes the feeds that are an organisation's alone, and what its edges
// said; it returns how many changes they held. Its edges must be cut off before, so that none asks for them again.
func (p *Push) Leave(ctx context.Context, org ident.ID) (n int64, err error) {
	err = p.d.DB.Write(ctx, "hub:care", func(tx *ledger.Tx) error {
		n = 0
		for _, q := range []string{`DELETE FROM edge_ack_span WHERE node IN (SELECT id FROM node WHERE org = ?)`, `DELETE FROM edge_ack WHERE node IN (SELECT id FROM node WHERE org = ?)`} {
			if _, err := tx.Exec(ctx, q, string(org)); err != nil {
				return err
			}
		}
		for _, feed := range []string{label.Real.String() + "." + string(org), label.Exercise.String() + "." + string(org)} {
			for _, q := range []string{`DELETE FROM edge_ack_span WHERE feed = ?`, `DELETE FROM edge_ack WHERE feed = ?`, `DELETE FROM feed_member WHERE feed = ?`, `DELETE FROM feed_waiting WHERE feed = ?`, `DELETE FROM feed WHERE name = ?`} {
				if _, err := tx.Exec(ctx, q, feed); err != nil {
					return err
				}
			}
			r, err := tx.Exec(ctx, `DELETE FROM feed_entry WHERE feed = ?`, feed)
			if err != nil {
				return err
			}
			gone, err := r.RowsAffected()
			if err != nil {
				return err
			}
			n += gone
		}
		return nil
	})
	return n, fault.Wrap("push.leave", err)
}
