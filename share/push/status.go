package push

import (
	"context"
	"slices"
	"sort"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/ledger"
)

// States of a delivery.
const (
	Confirmed = "confirmed" // the edge enforces the newest state, proved by the digest
	Waiting   = "waiting"   // it is there and has not said so yet
	Diverged  = "diverged"  // its set is not the feed's; it is catching up
	Away      = "away"      // it does not report
)

// Delivery is how one edge stands to one indicator. The times are those of the
// indicator's first push.
type Delivery struct {
	Node         ident.ID  `json:"node"`
	Org          ident.ID  `json:"org"`
	Name         string    `json:"name"`
	Feed         string    `json:"feed"`
	Seq          uint64    `json:"seq"`
	State        string    `json:"state"`
	Received     time.Time `json:"received"`
	Enforced     time.Time `json:"enforced"`
	Acknowledged time.Time `json:"acknowledged"`
}

// Way is what is known of an indicator's way to the edges.
type Way struct {
	Durable      time.Time  // t3
	Received     time.Time  // t4 of the slowest edge that answered
	Enforced     time.Time  // t5
	Acknowledged time.Time  // t6
	Deliveries   []Delivery // of the edges that may see it
	Confirmed    int
}

// entry is the first and the newest entry of an indicator in one feed.
type entry struct {
	feed        string
	first, last int64
	durable     int64
}

// Way tells how far an indicator is, for the edges of the scope.
func (p *Push) Way(ctx context.Context, s access.Scope, id ident.ID) (Way, error) {
	var w Way
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		entries, err := entriesOf(ctx, q, id)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if t := ledger.Time(e.durable); t.After(w.Durable) {
				w.Durable = t
			}
			if err := p.deliveries(ctx, q, s, e, &w); err != nil {
				return err
			}
		}
		return nil
	})
	sort.Slice(w.Deliveries, func(i, j int) bool { return w.Deliveries[i].Name < w.Deliveries[j].Name })
	return w, fault.Wrap("push.way", err)
}

func entriesOf(ctx context.Context, q ledger.Queryer, id ident.ID) ([]entry, error) {
	var out []entry
	rows, err := q.Query(ctx, `SELECT a.feed, a.first, a.last, e.durable FROM
		(SELECT feed, MIN(seq) AS first, MAX(seq) AS last FROM feed_entry WHERE indicator = ? GROUP BY feed) a
		JOIN feed_entry e ON e.feed = a.feed AND e.seq = a.first`, string(id))
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var e entry
		err := scan(&e.feed, &e.first, &e.last, &e.durable)
		out = append(out, e)
		return err
	})
	return out, err
}

// deliveries adds the edges of one feed.
func (p *Push) deliveries(ctx context.Context, q ledger.Queryer, s access.Scope, e entry, w *Way) error {
	type answer struct {
		seq                       int64
		diverged                  int
		received, enforced, acked int64
	}
	got := map[ident.ID]answer{}
	rows, err := q.Query(ctx, `SELECT a.node, a.seq, a.diverged, COALESCE(b.received, 0), COALESCE(b.enforced, 0), COALESCE(b.acked, 0)
		FROM edge_ack a LEFT JOIN edge_ack_span b ON b.feed = a.feed AND b.node = a.node AND b.after_seq < ? AND b.seq >= ?
		WHERE a.feed = ?`, e.first, e.first, e.feed)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var node string
		var a answer
		err := scan(&node, &a.seq, &a.diverged, &a.received, &a.enforced, &a.acked)
		got[ident.ID(node)] = a
		return err
	})
	if err != nil {
		return err
	}
	for _, x := range p.d.Edges() {
		if !s.Allows(x.Org) || !slices.Contains(FeedsFor(x.Org), e.feed) {
			continue
		}
		a := got[x.Node]
		d := Delivery{Node: x.Node, Org: x.Org, Name: x.Name, Feed: e.feed, Seq: uint64(a.seq), State: Waiting}
		// An edge that joined later was never late for this one.
		if x.Joined.Before(ledger.Time(e.durable)) {
			d.Received, d.Enforced, d.Acknowledged = ledger.Time(a.received), ledger.Time(a.enforced), ledger.Time(a.acked)
		}
		switch {
		case a.diverged == 1:
			d.State = Diverged
		case a.seq >= e.last:
			d.State = Confirmed
			w.Confirmed++
		case !x.Here:
			d.State = Away
		}
		w.Deliveries = append(w.Deliveries, d)
		w.Received, w.Enforced, w.Acknowledged = later(w.Received, d.Received), later(w.Enforced, d.Enforced), later(w.Acknowledged, d.Acknowledged)
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Clock completes an indicator's clock with what the push knows.
func (w Way) Clock(c indicator.Clock) indicator.Clock {
	c.T3Durable, c.T4Received, c.T5Enforced, c.T6Acknowledged = w.Durable, w.Received, w.Enforced, w.Acknowledged
	return c
}

// EdgeState is how one edge stands to all its feeds.
type EdgeState struct {
	Edge
	State string    // Confirmed, Waiting, Diverged or Away
	Since time.Time // of its last acknowledgement
}

// EdgeStates tells who is protected and who is not, for the edges of the scope.
func (p *Push) EdgeStates(ctx context.Context, s access.Scope) ([]EdgeState, error) {
	type ack struct {
		seq      uint64
		diverged bool
		at       time.Time
	}
	acks := map[string]ack{}
	heads, err := p.heads(ctx)
	if err != nil {
		return nil, err
	}
	err = p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT node, feed, seq, diverged, at FROM edge_ack`)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var node, feed string
			var seq, at int64
			var diverged int
			err := scan(&node, &feed, &seq, &diverged, &at)
			acks[node+" "+feed] = ack{uint64(seq), diverged == 1, ledger.Time(at)}
			return err
		})
	})
	if err != nil {
		return nil, fault.Wrap("push.edges", err)
	}
	var out []EdgeState
	for _, e := range p.d.Edges() {
		if !s.Allows(e.Org) {
			continue
		}
		x := EdgeState{Edge: e, State: Confirmed}
		for _, f := range FeedsFor(e.Org) {
			h, ok := heads[f]
			a := acks[string(e.Node)+" "+f]
			x.Since = later(x.Since, a.at)
			switch {
			case a.diverged:
				x.State = Diverged
			case ok && a.seq < h.seq && x.State == Confirmed:
				x.State = Waiting
			}
		}
		if !e.Here {
			x.State = Away
		}
		out = append(out, x)
	}
	return out, nil
}
