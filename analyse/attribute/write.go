package attribute

import (
	"context"
	"strconv"
	"time"

	"noroshi/ident"
	"noroshi/ledger"
)

// writer is a transaction that keeps the counts beside what it writes.
type writer struct {
	*ledger.Tx
	counts ledger.Tally
}

func (a *Attribution) keeping(ctx context.Context, actor string, fn func(w *writer) error) error {
	return a.d.DB.Write(ctx, actor, func(tx *ledger.Tx) error {
		w := &writer{tx, ledger.Tally{}}
		if err := fn(w); err != nil {
			return err
		}
		return w.counts.Write(ctx, tx, "discovery_count")
	})
}

// count notes that one more discovery, or one fewer, is in a state.
func (w *writer) count(org ident.ID, state State, firstSeen time.Time, n int64) {
	w.counts.Add(org, string(state), n)
	w.counts.Add(org, day(firstSeen), n)
}

// day is the tab of what was first seen on the same day. Digits stand before the
// letters of states.
func day(t time.Time) string { return strconv.FormatInt(t.Unix()/(24*60*60), 10) }

// write weighs a row and keeps it.
func (w *writer) write(ctx context.Context, r *row, weigh func(*row), now time.Time, isNew bool) error {
	was, returned := r.State, len(r.Returned)
	weigh(r)
	if len(r.Returned) > 0 && returned == 0 {
		if err := w.Record(ctx, "discovery", r.ID, r.Org, "returned", map[string]any{"asset": r.Asset, "kinds": r.Returned}); err != nil {
			return err
		}
	}
	w.count(r.Org, r.State, r.FirstSeen, 1)
	if isNew {
		if _, err := w.Exec(ctx, `INSERT INTO discovery (id, org, kind, value, state, judged, third_party, confidence, first_seen, last_seen, looked, version) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`,
			r.ID, r.Org, string(r.Asset.Kind), r.Asset.Value, string(r.State), ledger.Bit(r.Judgement != nil), ledger.Bit(r.ThirdParty), r.Confidence, ledger.Micros(r.FirstSeen), ledger.Micros(r.LastSeen), ledger.Micros(now), r.Version); err != nil {
			return err
		}
		_, err := w.Exec(ctx, `INSERT INTO discovery_body (id, body) VALUES (?,?)`, r.ID, ledger.JSON(r))
		return err
	}
	w.count(r.Org, was, r.FirstSeen, -1)
	if err := ledger.Changed(w.Exec(ctx, `UPDATE discovery SET state = ?, judged = ?, third_party = ?, confidence = ?, last_seen = ?, looked = ?, version = ? WHERE id = ?`,
		string(r.State), ledger.Bit(r.Judgement != nil), ledger.Bit(r.ThirdParty), r.Confidence, ledger.Micros(r.LastSeen), ledger.Micros(now), r.Version, r.ID)); err != nil {
		return err
	}
	return ledger.Changed(w.Exec(ctx, `UPDATE discovery_body SET body = ? WHERE id = ?`, ledger.JSON(r), r.ID))
}

// delete forgets what a condition holds for, and says how many that were.
func (w *writer) delete(ctx context.Context, where string, args ...any) (n int64, err error) {
	if _, err := w.Exec(ctx, `DELETE FROM discovery_body WHERE id IN (SELECT id FROM discovery WHERE `+where+`)`, args...); err != nil {
		return 0, err
	}
	rows, err := w.Query(ctx, `DELETE FROM discovery WHERE `+where+` RETURNING org, state, first_seen`, args...)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var org ident.ID
		var state State
		var firstSeen int64
		err := scan(&org, &state, &firstSeen)
		w.count(org, state, ledger.Time(firstSeen), -1)
		n++
		return err
	})
	return n, err
}
