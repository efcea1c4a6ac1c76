// Package pdns keeps passive DNS: which name had which data, first and last
// seen and how often, by organisation. The ingest loop shows it every event and
// commits what it gathered together with the mark of the bus, so that a batch
// delivered twice is counted once. The API looks names and data up. What the
// platform itself answered to block a name is no data of that name.
package pdns

import (
	"context"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Store is what was kept.
type Store struct{ db *ledger.DB }

// New opens the store.
func New(db *ledger.DB) *Store { return &Store{db} }

// ForgetOrg removes what an organisation last saw before a moment; the zero time
// means all.
func (s *Store) ForgetOrg(ctx context.Context, org ident.ID, before time.Time) (n int64, err error) {
	query, args := `DELETE FROM passive_dns WHERE org = ?`, []any{string(org)}
	if !before.IsZero() {
		query += ` AND last < ?`
		args = append(args, ledger.Micros(before))
	}
	err = s.db.Write(ctx, "hub:care", func(tx *ledger.Tx) error {
		r, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return n, fault.Wrap("pdns.forget_org", err)
}

// Forget removes what was last seen before a moment, and returns how many pairs.
func (s *Store) Forget(ctx context.Context, before time.Time) (n int64, err error) {
	err = s.db.Write(ctx, "hub:pdns", func(tx *ledger.Tx) error {
		r, err := tx.Exec(ctx, `DELETE FROM passive_dns WHERE last < ?`, ledger.Micros(before))
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return n, fault.Wrap("pdns.forget", err)
}
