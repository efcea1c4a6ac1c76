package identity

import (
	"context"
	"strconv"

	"noroshi/ledger"
)

// An edition is a number in the ledger that grows with every change that any
// hub makes to one kind of record. A hub that remembers the one it read last
// learns with one small question whether there is anything new. Changes take
// their numbers one after the other, in the transaction itself, so that a lower
// number is never seen after a higher one.
type editionKey string

const (
	organisationsEdition editionKey = "organisations.edition"
	nodesEdition         editionKey = "nodes.edition"
)

func (k editionKey) read(ctx context.Context, q ledger.Queryer) (int64, error) {
	var number string
	err := q.QueryRow(ctx, `SELECT value FROM setting WHERE key = ?`, string(k)).Scan(&number)
	if ledger.NoRows(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(number, 10, 64)
}

// next takes the number of a change.
func (k editionKey) next(ctx context.Context, tx *ledger.Tx) (int64, error) {
	number, err := k.read(ctx, tx)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO setting (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
		string(k), strconv.FormatInt(number+1, 10))
	return number + 1, err
}
