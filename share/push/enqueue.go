package push

import (
	"context"
	"maps"
	"slices"
	"sort"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/share/set"
)

// feedsOf lists the feeds in which an indicator stands: everybody's, or that of
// each organisation of its audience.
func (p *Push) feedsOf(ind indicator.Indicator) []string {
	realm := ind.Realm.String()
	if realm == "" {
		return nil
	}
	if ind.TLP == label.TLPGreen || ind.TLP == label.TLPClear {
		return []string{realm + "." + everyone}
	}
	var out []string
	for o := range p.d.Tree().Audience(ind.Org, ind.TLP, ind.SharedWith) {
		out = append(out, realm+"."+string(o))
	}
	sort.Strings(out)
	return out
}

// Enqueue notes what the feeds must show of an indicator, inside the transaction
// that decides it; stage gives it its place in them. An indicator that may not be
// acted on is pushed to be observed only.
func (p *Push) Enqueue(ctx context.Context, tx *ledger.Tx, ind indicator.Indicator, op indicator.Op) error {
	wire := ind.Wire()
	if wire.Action.Enforces() && !ind.PAP.MayBlock() {
		wire.Action = indicator.Observe
	}
	p.timing.decide(ind.ID, p.d.Now())
	due, err := shown(ctx, tx, ind.ID)
	if err != nil {
		return fault.Wrap("push.enqueue", err)
	}
	want := map[string]string{}
	if op == indicator.Put {
		body := string(set.Member(wire))
		for _, f := range p.feedsOf(ind) {
			want[f] = body
			due[f] += "" // It is a key, whether or not the feed shows the indicator.
		}
	}
	// One order for all: two transactions never wait for each other.
	for _, f := range slices.Sorted(maps.Keys(due)) {
		if due[f] == want[f] {
			continue // The edges have exactly this, or will.
		}
		if err := wait(ctx, tx, f, flow(tx, ind, op), ind.ID, want[f]); err != nil {
			return fault.Wrap("push.enqueue", err)
		}
	}
	return nil
}

// shown reads what the feeds show of an indicator once nothing waits any more.
func shown(ctx context.Context, tx *ledger.Tx, id ident.ID) (map[string]string, error) {
	out := map[string]string{}
	rows, err := tx.Query(ctx, `SELECT feed, body, 0 AS waits FROM feed_member WHERE indicator = ?
		UNION ALL SELECT feed, body, 1 AS waits FROM feed_waiting WHERE indicator = ? ORDER BY waits`, string(id), string(id))
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var feed, body string
		var waits int
		err := scan(&feed, &body, &waits)
		out[feed] = body
		return err
	})
	return out, err
}

// Kick says that a transaction with entries has committed.
func (p *Push) Kick() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}
