package push

import (
	"context"
	"encoding/base64"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/ledger"
	"noroshi/share/set"
)

// What is decided waits until it gets its place in a feed: a feed is a sequence,
// in which nothing can be overtaken any more. Who decides much, as an import does,
// waits for its own changes and not others for it: whoever decides has a flow, and
// the flows take turns (start-time fair queueing of Goyal, Vin and Cheng, 1996).
// A flow that had nothing to say begins at the turn that the feed is at.
//
// What waits is what a feed is to show of an indicator, not a change of it. So
// there is one of each, the last decision holds, and no two can change places.

// flow names whose turn it is. Lifting has turns of its own, so that who imports a
// mistake can take it back at once.
func flow(tx *ledger.Tx, ind indicator.Indicator, op indicator.Op) string {
	return string(op) + " " + tx.Actor() + " " + string(ind.Org) + " " + ind.Policy
}

// wait notes what a feed is to show of an indicator; an empty body is nothing.
func wait(ctx context.Context, tx *ledger.Tx, feed, flow string, id ident.ID, body string) error {
	_, err := tx.Exec(ctx, `INSERT INTO feed_waiting (feed, indicator, flow, turn, body) VALUES (?,?,?,
		1 + COALESCE((SELECT MAX(turn) FROM feed_waiting WHERE feed = ? AND flow = ?), (SELECT MIN(turn) - 1 FROM feed_waiting WHERE feed = ?), 0), ?)
		ON CONFLICT (feed, indicator) DO UPDATE SET body = excluded.body,
		flow = CASE WHEN excluded.turn < feed_waiting.turn THEN excluded.flow ELSE feed_waiting.flow END,
		turn = CASE WHEN excluded.turn < feed_waiting.turn THEN excluded.turn ELSE feed_waiting.turn END`,
		feed, string(id), flow, feed, flow, feed, body)
	return err
}

// maxStaged is how many changes of a feed get their place at once, and so how many
// a fresh one may find before it.
const maxStaged = 200

// waiting lists the feeds for which something waits.
func waiting(ctx context.Context, q ledger.Queryer) (out []string, err error) {
	rows, err := q.Query(ctx, `SELECT DISTINCT feed FROM feed_waiting`)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var feed string
		err := scan(&feed)
		out = append(out, feed)
		return err
	})
	return out, err
}

// staged tells after which sequence the new changes of a feed begin, and whether
// there were as many as may be: then more of them wait.
type staged struct {
	after uint64
	full  bool
}

// stage gives what waits its place, some of each feed in one transaction.
func (p *Push) stage(ctx context.Context, feeds []string) (fresh map[string]staged, err error) {
	if len(feeds) == 0 {
		return nil, nil
	}
	more := false
	err = p.d.DB.Write(ctx, "hub:push", func(tx *ledger.Tx) error {
		fresh, more = map[string]staged{}, false
		for _, feed := range feeds {
			list, err := next(ctx, tx, feed)
			if err != nil {
				return err
			}
			after, changed, err := enter(ctx, tx, feed, list)
			if err != nil {
				return err
			}
			full := len(list) == maxStaged
			if changed {
				fresh[feed] = staged{after, full}
			} else {
				more = more || full
			}
		}
		return nil
	})
	if more && err == nil {
		p.Kick() // What was taken back before it was pushed is gone, and made nobody speak.
	}
	return fresh, fault.Wrap("push.stage", err)
}

// turn is what a feed is to show of an indicator, and what it shows now.
type turn struct {
	id        ident.ID
	body, old string
}

// next takes those whose turn it is from what waits.
func next(ctx context.Context, tx *ledger.Tx, feed string) (out []turn, err error) {
	var ids []ident.ID
	rows, err := tx.Query(ctx, `SELECT w.indicator, w.body, COALESCE(m.body, '') FROM feed_waiting w
		LEFT JOIN feed_member m ON m.feed = w.feed AND m.indicator = w.indicator
		WHERE w.feed = ? ORDER BY w.turn, w.indicator LIMIT ?`, feed, maxStaged)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var t turn
		err := scan(&t.id, &t.body, &t.old)
		out, ids = append(out, t), append(ids, t.id)
		return err
	})
	if err != nil {
		return nil, err
	}
	in, args := ledger.In(ids)
	_, err = tx.Exec(ctx, `DELETE FROM feed_waiting WHERE feed = ? AND indicator IN `+in, append([]any{feed}, args...)...)
	return out, err
}

// enter adds entries to a feed: the sequence, the digest after each, the members.
func enter(ctx context.Context, tx *ledger.Tx, feed string, list []turn) (after uint64, changed bool, err error) {
	var seq int64
	var state string
	if err := tx.QueryRow(ctx, `SELECT seq, state FROM feed WHERE name = ?`, feed).Scan(&seq, &state); err != nil && !ledger.NoRows(err) {
		return 0, false, err
	}
	raw, err := base64.StdEncoding.DecodeString(state)
	if err != nil {
		return 0, false, err
	}
	d, err := set.FromBytes(raw)
	if err != nil {
		return 0, false, err
	}
	after = uint64(seq)
	var entries, puts [][]any
	var gone []ident.ID
	sum := ""
	for _, t := range list {
		if t.body == t.old {
			continue
		}
		if t.old != "" {
			d.Sub([]byte(t.old))
		}
		op := indicator.Remove
		if t.body != "" {
			op = indicator.Put
			d.Add([]byte(t.body))
			puts = append(puts, []any{feed, string(t.id), t.body})
		} else {
			gone = append(gone, t.id)
		}
		seq++
		sum = d.Sum()
		entries = append(entries, []any{feed, seq, string(op), string(t.id), t.body, sum, 0})
	}
	if len(entries) == 0 {
		return after, false, nil
	}
	if _, err := tx.Exec(ctx, `INSERT INTO feed (name, seq, state, digest) VALUES (?,?,?,?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, state = excluded.state, digest = excluded.digest`,
		feed, seq, base64.StdEncoding.EncodeToString(d.Bytes()), sum); err != nil {
		return 0, false, err
	}
	in, args := ledger.In(gone)
	if _, err := tx.Exec(ctx, `DELETE FROM feed_member WHERE feed = ? AND indicator IN `+in, append([]any{feed}, args...)...); err != nil {
		return 0, false, err
	}
	if err := many(ctx, tx, `INSERT INTO feed_member (feed, indicator, body) VALUES `, ` ON CONFLICT (feed, indicator) DO UPDATE SET body = excluded.body`, puts); err != nil {
		return 0, false, err
	}
	return after, true, many(ctx, tx, `INSERT INTO feed_entry (feed, seq, op, indicator, body, digest, durable) VALUES `, ``, entries)
}
