package push

import (
	"context"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Behind is what was decided and is not where it must be.
type Behind struct {
	Unpushed      int64     // changes of feeds that were not pushed yet
	Unconfirmed   time.Time // when the oldest entry was pushed that an edge which is there has not confirmed; zero when all have
	WaitingToSave int       // acknowledgements that wait to be written
}

// Behind tells how far sharing is behind, over all edges.
func (p *Push) Behind(ctx context.Context) (Behind, error) {
	var b Behind
	p.mu.Lock()
	b.WaitingToSave = len(p.acks)
	p.mu.Unlock()
	here := map[ident.ID]bool{}
	for _, e := range p.d.Edges() {
		here[e.Node] = e.Here
	}
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		if err := q.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM feed_entry WHERE durable = 0) + (SELECT COUNT(*) FROM feed_waiting)`).Scan(&b.Unpushed); err != nil {
			return err
		}
		least := map[string]int64{} // by feed: the lowest sequence confirmed by an edge that is there and behind
		rows, err := q.Query(ctx, `SELECT a.node, a.feed, a.seq FROM edge_ack a JOIN feed f ON f.name = a.feed WHERE a.seq < f.seq`)
		err = ledger.Each(rows, err, func(scan func(...any) error) error {
			var node ident.ID
			var feed string
			var seq int64
			err := scan(&node, &feed, &seq)
			if old, ok := least[feed]; here[node] && (!ok || seq < old) {
				least[feed] = seq
			}
			return err
		})
		if err != nil {
			return err
		}
		b.Unconfirmed = time.Time{}
		for feed, seq := range least {
			var at int64
			err := q.QueryRow(ctx, `SELECT durable FROM feed_entry WHERE feed = ? AND seq > ? ORDER BY seq LIMIT 1`, feed, seq).Scan(&at)
			if err != nil && !ledger.NoRows(err) {
				return err
			}
			if t := ledger.Time(at); at > 0 && (b.Unconfirmed.IsZero() || t.Before(b.Unconfirmed)) {
				b.Unconfirmed = t
			}
		}
		return nil
	})
	return b, fault.Wrap("push.behind", err)
}
