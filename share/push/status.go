package push

import (
	"context"
	"math"
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

// Way is what is known of an indicator's way to the edges of a scope. T4 to T6
// are those of the slowest edge that was there: whoever came back more than an
// hour later was away.
type Way struct {
	Durable      time.Time // t3
	Received     time.Time // t4
	Enforced     time.Time // t5
	Acknowledged time.Time // t6
	Edges        int       // that may see it
	Confirmed    int       // that enforce its newest state
}

// notYet stands for the sequence of what has no place in its feed yet.
const notYet = math.MaxInt64

// entry is the first and the newest entry of an indicator in one feed.
type entry struct {
	indicator   ident.ID
	feed        string
	first, last uint64
	durable     int64
}

// Ways tells how far indicators are, for the edges of the scope.
func (p *Push) Ways(ctx context.Context, s access.Scope, ids []ident.ID) (map[ident.ID]Way, error) {
	var out map[ident.ID]Way
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) (err error) { out, _, _, err = p.ways(ctx, q, s, ids); return err })
	return out, fault.Wrap("push.ways", err)
}

func (p *Push) ways(ctx context.Context, q ledger.Queryer, s access.Scope, ids []ident.ID) (map[ident.ID]Way, []entry, *standing, error) {
	out := map[ident.ID]Way{}
	entries, err := entriesOf(ctx, q, ids)
	if err != nil || len(entries) == 0 {
		return out, nil, nil, err
	}
	var feeds []string
	for _, e := range entries {
		feeds = append(feeds, e.feed)
	}
	slices.Sort(feeds)
	st, err := p.standing(ctx, q, s, slices.Compact(feeds))
	if err != nil {
		return nil, nil, nil, err
	}
	for _, e := range entries {
		w := out[e.indicator]
		w.Durable = later(w.Durable, ledger.Time(e.durable))
		slow, err := clockOf(ctx, q, s, e)
		if err != nil {
			return nil, nil, nil, err
		}
		w.Received, w.Enforced, w.Acknowledged = later(w.Received, ledger.Time(slow.received)), later(w.Enforced, ledger.Time(slow.enforced)), later(w.Acknowledged, ledger.Time(slow.acked))
		for _, x := range st.edges {
			if !reads(x.Org, e.feed) {
				continue
			}
			w.Edges++
			if st.of(x, e.feed, e.last) == Confirmed {
				w.Confirmed++
			}
		}
		out[e.indicator] = w
	}
	return out, entries, st, nil
}

func entriesOf(ctx context.Context, q ledger.Queryer, ids []ident.ID) ([]entry, error) {
	in, args := ledger.In(ids)
	var out []entry
	rows, err := q.Query(ctx, `SELECT a.indicator, a.feed, a.first, a.last, e.durable FROM
		(SELECT indicator, feed, MIN(seq) AS first, MAX(seq) AS last FROM feed_entry WHERE indicator IN `+in+` GROUP BY indicator, feed) a
		JOIN feed_entry e ON e.feed = a.feed AND e.seq = a.first`, args...)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var e entry
		var first, last int64
		err := scan(&e.indicator, &e.feed, &first, &last, &e.durable)
		e.first, e.last = uint64(first), uint64(last)
		out = append(out, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	rows, err = q.Query(ctx, `SELECT indicator, feed FROM feed_waiting WHERE indicator IN `+in, args...)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		e := entry{first: notYet, last: notYet}
		err := scan(&e.indicator, &e.feed)
		if i := slices.IndexFunc(out, func(x entry) bool { return x.indicator == e.indicator && x.feed == e.feed }); i >= 0 {
			out[i].last = notYet
		} else {
			out = append(out, e)
		}
		return err
	})
	return out, err
}

// clockOf reads the slowest edge of the scope for an entry's first push.
func clockOf(ctx context.Context, q ledger.Queryer, s access.Scope, e entry) (x slowest, err error) {
	rows, err := q.Query(ctx, `SELECT org, received, enforced, acked FROM feed_clock WHERE feed = ? AND seq = ?`, e.feed, int64(e.first))
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var o ident.ID
		var y slowest
		err := scan(&o, &y.received, &y.enforced, &y.acked)
		if s.Allows(o) {
			x = x.with(y)
		}
		return err
	})
	return x, err
}

// Deliveries tells how far an indicator is, and how every edge of the scope
// stands to it.
func (p *Push) Deliveries(ctx context.Context, s access.Scope, id ident.ID) (Way, []Delivery, error) {
	var w Way
	var out []Delivery
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		all, entries, st, err := p.ways(ctx, q, s, []ident.ID{id})
		w, out = all[id], nil
		for _, e := range entries {
			if err != nil {
				return err
			}
			var more []Delivery
			more, err = st.deliveries(ctx, q, e)
			out = append(out, more...)
		}
		return err
	})
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return w, out, fault.Wrap("push.deliveries", err)
}

// deliveries lists the edges of one feed.
func (st *standing) deliveries(ctx context.Context, q ledger.Queryer, e entry) ([]Delivery, error) {
	var out []Delivery
	due := map[ident.ID]bool{} // whose span over the entry is to be found
	for _, x := range st.edges {
		if !reads(x.Org, e.feed) {
			continue
		}
		a := st.acks[ackKey{x.Node, e.feed}]
		out = append(out, Delivery{Node: x.Node, Org: x.Org, Name: x.Name, Feed: e.feed, Seq: a.seq, State: st.of(x, e.feed, e.last)})
		// An edge that joined later was never late for this one.
		if a.seq >= e.first && x.Joined.Before(ledger.Time(e.durable)) {
			due[x.Node] = true
		}
	}
	times, err := spans(ctx, q, e, due)
	for i, d := range out {
		if t, ok := times[d.Node]; ok {
			out[i].Received, out[i].Enforced, out[i].Acknowledged = ledger.Time(t.received), ledger.Time(t.enforced), ledger.Time(t.acked)
		}
	}
	return out, err
}

// longSpan is the length from which a span is found by an index of its own; the
// migration names it too.
const longSpan = "400"

// spans finds, for the nodes that are due, the span that lies over an entry: of
// an edge that followed it ends at the entry or shortly behind.
func spans(ctx context.Context, q ledger.Queryer, e entry, due map[ident.ID]bool) (map[ident.ID]slowest, error) {
	out := map[ident.ID]slowest{}
	find := func(where string, args ...any) error {
		rows, err := q.Query(ctx, `SELECT node, received, enforced, acked FROM edge_ack_span WHERE feed = ? AND seq >= ? AND after_seq < ? AND `+where,
			append([]any{e.feed, int64(e.first), int64(e.first)}, args...)...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var node ident.ID
			var x slowest
			err := scan(&node, &x.received, &x.enforced, &x.acked)
			if due[node] {
				out[node] = x
			}
			return err
		})
	}
	if err := find("seq - after_seq > " + longSpan); err != nil {
		return nil, err
	}
	for _, width := range []int64{1, 20, 400} {
		if len(out) == len(due) {
			break
		}
		if err := find("seq - after_seq <= "+longSpan+" AND seq < ?", int64(e.first)+width); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Clock completes an indicator's clock with what the push knows.
func (w Way) Clock(c indicator.Clock) indicator.Clock {
	c.T3Durable, c.T4Received, c.T5Enforced, c.T6Acknowledged = w.Durable, w.Received, w.Enforced, w.Acknowledged
	return c
}
