package ledger

import (
	"context"
	"encoding/json"
	"time"

	"noroshi/fault"
	"noroshi/ident"
)

// Change is one line of history. Seq orders all changes of the platform, and
// would tell a reader how many there are: it stays inside.
type Change struct {
	Seq    int64           `json:"-"`
	At     time.Time       `json:"at"`
	Actor  string          `json:"actor"`
	Kind   string          `json:"kind"`
	ID     ident.ID        `json:"id"`
	Org    ident.ID        `json:"org,omitempty"`
	Action string          `json:"action"`
	State  json.RawMessage `json:"state"`
}

// History returns the changes of a record, oldest first. Whoever asks for
// another must have made sure of the right to: it takes no Scope, because only
// the record's own store knows who may see it.
func (db *DB) History(ctx context.Context, id ident.ID) ([]Change, error) {
	var out []Change
	err := db.Read(ctx, func(q Queryer) error {
		rows, err := q.Query(ctx, `SELECT seq, at, actor, kind, id, org, action, state FROM history WHERE id = ? ORDER BY seq`, id)
		return Each(rows, err, func(scan func(...any) error) error {
			var c Change
			var at int64
			var state string
			if err := scan(&c.Seq, &at, &c.Actor, &c.Kind, &c.ID, &c.Org, &c.Action, &state); err != nil {
				return err
			}
			c.At, c.State = Time(at), json.RawMessage(state)
			out = append(out, c)
			return nil
		})
	})
	return out, fault.Wrap("ledger.history", err)
}
