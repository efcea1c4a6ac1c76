package ledger

import (
	"context"
	"time"

	"noroshi/fault"
)

// settledAfter is how long a transaction may take from its first moment until
// its lines are seen: PostgreSQL numbers lines before they are committed, so a
// lower number may appear after a higher one.
const settledAfter = time.Minute

// maxFollow bounds the changes of one look.
const maxFollow = 5000

// Follower tells what changed in the ledger, whichever hub changed it. It is for
// one goroutine.
type Follower struct {
	db    *DB
	floor int64          // every line up to it was told, or was there before
	told  map[int64]bool // lines above it that were told
}

// Follow begins to follow with what comes from now on.
func (db *DB) Follow(ctx context.Context) (*Follower, error) {
	f := &Follower{db: db, told: map[int64]bool{}}
	err := db.Read(ctx, func(q Queryer) error {
		// What is committed late, with a lower number than the last, is news too.
		if err := q.QueryRow(ctx, `SELECT COALESCE(MAX(seq), 0) FROM history WHERE at < ?`, Micros(db.now().Add(-settledAfter))).Scan(&f.floor); err != nil {
			return err
		}
		rows, err := q.Query(ctx, `SELECT seq FROM history WHERE seq > ?`, f.floor)
		return Each(rows, err, func(scan func(...any) error) error {
			var seq int64
			err := scan(&seq)
			f.told[seq] = true
			return err
		})
	})
	return f, fault.Wrap("ledger.follow", err)
}

// Next returns what changed since the last call, without the states, each change
// once. More tells that there is more to fetch at once.
func (f *Follower) Next(ctx context.Context) (list []Change, more bool, err error) {
	settled, floor, lines := f.db.now().Add(-settledAfter), f.floor, 0
	err = f.db.Read(ctx, func(q Queryer) error {
		list, floor, lines = nil, f.floor, 0
		rows, err := q.Query(ctx, `SELECT seq, at, actor, kind, id, org, action FROM history WHERE seq > ? ORDER BY seq LIMIT ?`, f.floor, maxFollow+len(f.told))
		return Each(rows, err, func(scan func(...any) error) error {
			var c Change
			var at int64
			if err := scan(&c.Seq, &at, &c.Actor, &c.Kind, &c.ID, &c.Org, &c.Action); err != nil {
				return err
			}
			c.At = Time(at)
			if !f.told[c.Seq] {
				list = append(list, c)
			}
			if c.At.Before(settled) {
				floor = c.Seq
			}
			lines++
			return nil
		})
	})
	if err != nil {
		return nil, false, fault.As(fault.Unavailable, "ledger.follow", err, "the ledger does not tell what changed")
	}
	more = lines == maxFollow+len(f.told)
	f.floor = floor
	for _, c := range list {
		f.told[c.Seq] = true
	}
	for seq := range f.told {
		if seq <= floor {
			delete(f.told, seq)
		}
	}
	return list, more, nil
}
