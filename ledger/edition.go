package ledger

import (
	"context"
	"strconv"
)

// An Edition is a number in the ledger that grows with every change that any
// hub makes to one kind of record. A hub that remembers the one it read last
// learns with one small question whether there is anything new. Changes take
// their numbers one after the other, in the transaction itself, so that a lower
// number is never seen after a higher one.
type Edition string

// Read returns the number of the last change.
func (e Edition) Read(ctx context.Context, q Queryer) (int64, error) {
	var number string
	err := q.QueryRow(ctx, `SELECT value FROM setting WHERE key = ?`, string(e)).Scan(&number)
	if NoRows(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(number, 10, 64)
}

// Next takes the number of a change.
func (e Edition) Next(ctx context.Context, tx *Tx) (int64, error) {
	number, err := e.Read(ctx, tx)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO setting (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
		string(e), strconv.FormatInt(number+1, 10))
	return number + 1, err
}
