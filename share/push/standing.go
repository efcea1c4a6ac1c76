package push

import (
	"context"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// standing is how the edges of a scope stand to feeds, as it was read at once.
type standing struct {
	edges []Edge
	acks  map[ackKey]stand
	at    map[ackKey]time.Time // when it last stood otherwise
}

// standing reads how the edges of the scope stand; no feeds means all feeds.
func (p *Push) standing(ctx context.Context, q ledger.Queryer, s access.Scope, feeds []string) (*standing, error) {
	st := &standing{acks: map[ackKey]stand{}, at: map[ackKey]time.Time{}}
	for _, e := range p.d.Edges() {
		if s.Allows(e.Org) {
			st.edges = append(st.edges, e)
		}
	}
	where, args := "1 = 1", []any(nil)
	if len(feeds) > 0 {
		in, list := ledger.In(feeds)
		where, args = "feed IN "+in, list
	}
	rows, err := q.Query(ctx, `SELECT node, feed, seq, diverged, at FROM edge_ack WHERE `+where, args...)
	return st, ledger.Each(rows, err, func(scan func(...any) error) error {
		var k ackKey
		var seq, at int64
		var diverged int
		if err := scan(&k.node, &k.feed, &seq, &diverged, &at); err != nil {
			return err
		}
		st.acks[k], st.at[k] = stand{uint64(seq), diverged == 1}, ledger.Time(at)
		return nil
	})
}

// of tells how one edge stands to an entry of a feed.
func (st *standing) of(e Edge, feed string, seq uint64) string {
	a := st.acks[ackKey{e.Node, feed}]
	switch {
	case a.diverged:
		return Diverged
	case a.seq >= seq:
		return Confirmed
	case !e.Here:
		return Away
	}
	return Waiting
}

// EdgeState is how one edge stands to all its feeds.
type EdgeState struct {
	Edge
	State string    // Confirmed, Waiting, Diverged or Away
	Since time.Time // of the last acknowledgement that said something new
}

// EdgeStates tells who is protected and who is not, for the edges of the scope.
func (p *Push) EdgeStates(ctx context.Context, s access.Scope) ([]EdgeState, error) {
	var all map[string]head
	var st *standing
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		if all, err = heads(ctx, q, `1 = 1`); err != nil {
			return err
		}
		waits, err := waiting(ctx, q)
		if err != nil {
			return err
		}
		for _, feed := range waits { // Nobody has what is to come.
			all[feed] = head{seq: notYet}
		}
		st, err = p.standing(ctx, q, s, nil)
		return err
	})
	if err != nil {
		return nil, fault.Wrap("push.edges", err)
	}
	feeds := map[ident.ID][]string{}
	out := make([]EdgeState, 0, len(st.edges))
	for _, e := range st.edges {
		if feeds[e.Org] == nil {
			feeds[e.Org] = FeedsFor(e.Org)
		}
		x := EdgeState{Edge: e, State: Confirmed}
		for _, f := range feeds[e.Org] {
			x.Since = later(x.Since, st.at[ackKey{e.Node, f}])
			if now := st.of(e, f, all[f].seq); now == Diverged || now == Waiting && x.State == Confirmed {
				x.State = now
			}
		}
		if !e.Here {
			x.State = Away
		}
		out = append(out, x)
	}
	return out, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
