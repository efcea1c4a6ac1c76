package intel

import (
	"context"
	"strconv"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/ledger"
)

// toHunt notes, in the transaction that makes it active, that nobody has looked
// for the past sightings of an indicator yet.
func (in *Intel) toHunt(ctx context.Context, tx *ledger.Tx, ind *indicator.Indicator) error {
	_, err := tx.Exec(ctx, `INSERT INTO indicator_unhunted (indicator, since) VALUES (?,?) ON CONFLICT (indicator) DO NOTHING`,
		string(ind.ID), ledger.Micros(ind.Modified))
	return err
}

// Unhunted lists active indicators whose past sightings nobody has looked for
// yet, those that wait longest first, at most limit.
func (in *Intel) Unhunted(ctx context.Context, limit int) ([]indicator.Indicator, error) {
	var out []indicator.Indicator
	err := in.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT i.body, i.version FROM indicator_unhunted u JOIN indicator i ON i.id = u.indicator
			ORDER BY u.since, u.indicator LIMIT `+strconv.Itoa(limit))
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			ind, err := scan(scanner(sc))
			out = append(out, ind)
			return err
		})
	})
	return out, fault.Wrap("intel.unhunted", err)
}

// Hunted notes in tx that an indicator's past sightings were looked for. It
// tells false when there was nothing to look for any more: it ended meanwhile, or
// somebody else was faster, and the sightings are not to be counted.
func (in *Intel) Hunted(ctx context.Context, tx *ledger.Tx, id ident.ID) (bool, error) {
	r, err := tx.Exec(ctx, `DELETE FROM indicator_unhunted WHERE indicator = ?`, string(id))
	if err != nil {
		return false, fault.Wrap("intel.hunted", err)
	}
	n, err := r.RowsAffected()
	return n > 0, fault.Wrap("intel.hunted", err)
}

// Hunts is how many wait to be looked for, and since when.
type Hunts struct {
	Waiting int64
	Oldest  time.Time // zero when none waits
}

// Hunts counts what Unhunted lists.
func (in *Intel) Hunts(ctx context.Context) (h Hunts, err error) {
	err = in.d.DB.Read(ctx, func(q ledger.Queryer) error {
		var oldest int64
		err := q.QueryRow(ctx, `SELECT COUNT(*), COALESCE(MIN(since), 0) FROM indicator_unhunted`).Scan(&h.Waiting, &oldest)
		h.Oldest = ledger.Time(oldest)
		return err
	})
	return h, fault.Wrap("intel.hunts", err)
}
