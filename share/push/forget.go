package push

import (
	"context"
	"time"

	"noroshi/fault"
	"noroshi/ledger"
)

// How long a feed remembers. Of old entries those stay whose indicator is still
// enforced, so that its way can be told, and the newest maxDelta of each feed,
// from which an edge catches up; one that is further behind gets a snapshot.
const (
	keepSpans   = 30 * 24 * time.Hour  // when each edge enforced each change
	keepEntries = 400 * 24 * time.Hour // the changes, and the slowest edge of each organisation: a year's report and its leap
)

// How many sequences of a feed one transaction forgets, so that nobody who
// decides waits long behind it: one has a span for every edge.
const (
	spansAtOnce   = 50
	entriesAtOnce = 1000
)

// Forget drops what is older than a feed remembers.
func (p *Push) Forget(ctx context.Context) error {
	const op = "push.forget"
	now := p.d.Now()
	var all map[string]head
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) (err error) { all, err = heads(ctx, q, `1 = 1`); return err })
	if err != nil {
		return fault.Wrap(op, err)
	}
	for feed, h := range all {
		err := p.drop(ctx, feed, "edge_ack_span", now.Add(-keepSpans), int64(h.seq), spansAtOnce, `DELETE FROM edge_ack_span WHERE feed = ? AND seq >= ? AND seq < ?`)
		if err == nil && h.seq > maxDelta {
			err = p.drop(ctx, feed, "feed_entry", now.Add(-keepEntries), int64(h.seq-maxDelta), entriesAtOnce,
				`DELETE FROM feed_clock WHERE feed = ? AND seq >= ? AND seq < ? AND NOT EXISTS (SELECT 1 FROM feed_entry e
					JOIN feed_member m ON m.feed = e.feed AND m.indicator = e.indicator WHERE e.feed = feed_clock.feed AND e.seq = feed_clock.seq)`,
				`DELETE FROM feed_entry WHERE feed = ? AND seq >= ? AND seq < ? AND NOT EXISTS (
					SELECT 1 FROM feed_member m WHERE m.feed = feed_entry.feed AND m.indicator = feed_entry.indicator)`)
		}
		if err != nil {
			return fault.Wrap(op, err)
		}
	}
	return nil
}

// drop runs the statements over a table's sequences up to the last one that was
// pushed before a time, and not beyond a bound, a few at a time.
func (p *Push) drop(ctx context.Context, feed, table string, before time.Time, bound, width int64, statements ...string) error {
	var first, last *int64
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		if err := q.QueryRow(ctx, `SELECT MIN(seq) FROM `+table+` WHERE feed = ?`, feed).Scan(&first); err != nil {
			return err
		}
		return q.QueryRow(ctx, `SELECT MAX(seq) FROM feed_entry WHERE feed = ? AND seq <= ? AND durable > 0 AND durable < ?`, feed, bound, ledger.Micros(before)).Scan(&last)
	})
	if err != nil || first == nil || last == nil {
		return err
	}
	for at := *first; at <= *last; at += width {
		err := p.d.DB.Write(ctx, "hub:push", func(tx *ledger.Tx) error {
			for _, s := range statements {
				if _, err := tx.Exec(ctx, s, feed, at, min(at+width, *last+1)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
