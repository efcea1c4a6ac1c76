package push

import (
	"context"
	"time"

	"noroshi/fault"
	"noroshi/ledger"
)

// Behind is what was decided and is not where it must be.
type Behind struct {
	Unpushed      int64     // entries of feeds that were not pushed yet
	Unconfirmed   time.Time // when the oldest entry was pushed that an edge which is there has not confirmed; zero when all have
	WaitingToSave int       // acknowledgements that wait to be written
}

// Behind tells how far sharing is behind, over all edges.
func (p *Push) Behind(ctx context.Context) (Behind, error) {
	var b Behind
	heads, err := p.heads(ctx)
	if err != nil {
		return b, err
	}
	p.mu.Lock()
	b.WaitingToSave = len(p.acks)
	p.mu.Unlock()
	p.timing.mu.Lock()
	for name, h := range heads {
		if at, ok := p.timing.pushed[name]; ok && at.seq < h.seq {
			b.Unpushed += int64(h.seq - at.seq)
		}
	}
	p.timing.mu.Unlock()
	here := map[string]bool{}
	for _, e := range p.d.Edges() {
		for _, f := range FeedsFor(e.Org) {
			here[string(e.Node)+" "+f] = e.Here
		}
	}
	least := map[string]int64{} // by feed: the lowest sequence confirmed by an edge that is there and behind
	err = p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT a.node, a.feed, a.seq FROM edge_ack a JOIN feed f ON f.name = a.feed WHERE a.seq < f.seq`)
		err = ledger.Each(rows, err, func(scan func(...any) error) error {
			var node, feed string
			var seq int64
			err := scan(&node, &feed, &seq)
			if old, ok := least[feed]; here[node+" "+feed] && (!ok || seq < old) {
				least[feed] = seq
			}
			return err
		})
		if err != nil {
			return err
		}
		for feed, seq := range least {
			var at int64
			err := q.QueryRow(ctx, `SELECT durable FROM feed_entry WHERE feed = ? AND seq = ?`, feed, seq+1).Scan(&at)
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
