package remediation

import (
	"context"
	"time"

	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// Forget deletes the actions of an organisation that ended before a moment, with
// their reminders; the zero time means all, whatever their state.
func (r *Remediation) Forget(ctx context.Context, o ident.ID, before time.Time) (n int64, err error) {
	const op = "remediation.forget"
	old, surveys, args, asked := `org = ?`, `org = ?`, []any{string(o)}, []any{string(o)}
	whole := ``
	if !before.IsZero() {
		whole = ` AND 1 = 0` // What it found for others stays found by it.
		ended, more := ledger.In([]string{tabOf(action.Proved, label.Real), tabOf(action.Proved, label.Exercise), tabOf(action.Refuted, label.Real), tabOf(action.Refuted, label.Exercise)})
		old += ` AND tab IN ` + ended + ` AND last_seen < ? AND ended < ?`
		args = append(append(args, more...), ledger.Micros(before), ledger.Micros(before))
		surveys += ` AND ended < ?`
		asked = append(asked, ledger.Micros(before))
	}
	err = r.d.DB.Write(ctx, "hub:care", func(tx *ledger.Tx) error {
		c := ledger.Tally{}
		rows, err := tx.Query(ctx, `SELECT tab, COUNT(*) FROM action WHERE `+old+` GROUP BY tab`, args...)
		n = 0
		err = ledger.Each(rows, err, func(sc func(...any) error) error {
			var tab string
			var k int64
			err := sc(&tab, &k)
			c.Add(o, tab, -k)
			n += k
			return err
		})
		if err != nil {
			return err
		}
		if err := c.Write(ctx, tx, "action_count"); err != nil {
			return err
		}
		for _, x := range []struct {
			query string
			args  []any
		}{
			{`DELETE FROM action_reminder WHERE action IN (SELECT id FROM action WHERE ` + old + `)`, args},
			{`DELETE FROM action WHERE ` + old, args},
			{`UPDATE action SET origin = org WHERE origin = ? AND origin <> org` + whole, []any{string(o)}},
			{`DELETE FROM action_survey WHERE ` + surveys, asked},
			{`DELETE FROM action_count WHERE org = ? AND n = 0`, []any{string(o)}},
			{`DELETE FROM action_topic WHERE NOT EXISTS (SELECT 1 FROM action WHERE topic = action_topic.id)`, nil},
		} {
			if _, err := tx.Exec(ctx, x.query, x.args...); err != nil {
				return err
			}
		}
		return nil
	})
	return n, fault.Wrap(op, err)
}
