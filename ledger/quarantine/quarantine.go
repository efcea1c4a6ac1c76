// Package quarantine keeps what could not be used, with its place and its
// reason, so that nothing is dropped in silence. It is bounded: the newest
// entries of each organisation stay, all are counted. The ingest loop writes,
// the API reads.
package quarantine

import (
	"context"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// keep is how many entries of an organisation stay for people to look at.
const keep = 1000

// Quarantined is one refused piece of input.
type Quarantined struct {
	At     time.Time `json:"at"`
	Org    ident.ID  `json:"org"`
	Node   ident.ID  `json:"node"`
	Place  string    `json:"place"`
	Reason string    `json:"reason"`
	Sample string    `json:"sample"` // printable beginning of the input
}

// Store keeps the entries.
type Store struct {
	db    *ledger.DB
	now   func() time.Time
	ident ident.Maker
}

// New opens the store.
func New(db *ledger.DB, now func() time.Time, maker ident.Maker) *Store {
	return &Store{db, now, maker}
}

// Put keeps and counts entries.
func (s *Store) Put(ctx context.Context, list []Quarantined) error {
	err := s.db.Write(ctx, "hub:intake", func(tx *ledger.Tx) error {
		orgs := map[ident.ID]bool{}
		for _, e := range list {
			orgs[e.Org] = true
			if _, err := tx.Exec(ctx, `INSERT INTO quarantine (id, at, org, node, place, reason, sample) VALUES (?,?,?,?,?,?,?)`,
				string(s.ident.New("qua")), ledger.Micros(s.now()), string(e.Org), string(e.Node), printable(e.Place), printable(e.Reason), printable(e.Sample)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO quarantine_count (org, node, count) VALUES (?,?,1)
				ON CONFLICT (org, node) DO UPDATE SET count = quarantine_count.count + 1`, string(e.Org), string(e.Node)); err != nil {
				return err
			}
		}
		for o := range orgs {
			if _, err := tx.Exec(ctx, `DELETE FROM quarantine WHERE org = ? AND id NOT IN (SELECT id FROM quarantine WHERE org = ? ORDER BY at DESC, id DESC LIMIT 1000)`, string(o), string(o)); err != nil {
				return err
			}
		}
		return nil
	})
	return fault.Wrap("quarantine.put", err)
}

// Forget deletes an organisation's entries from before a moment; the zero time
// means all, and their number too.
func (s *Store) Forget(ctx context.Context, org ident.ID, before time.Time) (n int64, err error) {
	err = s.db.Write(ctx, "hub:care", func(tx *ledger.Tx) error {
		query, args := `DELETE FROM quarantine WHERE org = ?`, []any{string(org)}
		if before.IsZero() {
			if _, err := tx.Exec(ctx, `DELETE FROM quarantine_count WHERE org = ?`, string(org)); err != nil {
				return err
			}
		} else {
			query += ` AND at < ?`
			args = append(args, ledger.Micros(before))
		}
		r, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return n, fault.Wrap("quarantine.forget", err)
}

// printable makes hostile bytes safe to keep and to show.
func printable(s string) string {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' || r == 0x7f || r == 0xfffd {
			r = '·'
		}
		out = append(out, r)
	}
	return string(out)
}

// List returns the newest entries of the scope and how many there ever were.
func (s *Store) List(ctx context.Context, sc access.Scope, limit int) (list []Quarantined, total int64, err error) {
	if limit <= 0 || limit > keep {
		limit = 100
	}
	in, args := ledger.In(sc.Orgs())
	err = s.db.Read(ctx, func(q ledger.Queryer) error {
		if err := q.QueryRow(ctx, `SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM quarantine_count WHERE org IN `+in, args...).Scan(&total); err != nil {
			return err
		}
		rows, err := q.Query(ctx, `SELECT at, org, node, place, reason, sample FROM quarantine WHERE org IN `+in+` ORDER BY at DESC, id DESC LIMIT ?`, append(args, limit)...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var e Quarantined
			var at int64
			if err := scan(&at, &e.Org, &e.Node, &e.Place, &e.Reason, &e.Sample); err != nil {
				return err
			}
			e.At = ledger.Time(at)
			list = append(list, e)
			return nil
		})
	})
	return list, total, fault.Wrap("quarantine.list", err)
}
