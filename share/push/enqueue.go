package push

import (
	"context"
	"encoding/base64"
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

// Enqueue writes the entries of a change into the feeds, inside the transaction
// that decides it. An indicator that may not be acted on is pushed to be
// observed only.
func (p *Push) Enqueue(ctx context.Context, tx *ledger.Tx, ind indicator.Indicator, op indicator.Op) error {
	target := map[string]bool{}
	if op == indicator.Put {
		for _, f := range p.feedsOf(ind) {
			target[f] = true
		}
	}
	wire := ind.Wire()
	if wire.Action.Enforces() && !ind.PAP.MayBlock() {
		wire.Action = indicator.Observe
	}
	p.timing.decide(ind.ID, p.d.Now())
	body := string(set.Member(wire))
	old, err := members(ctx, tx, ind.ID)
	if err != nil {
		return fault.Wrap("push.enqueue", err)
	}
	feeds := make([]string, 0, len(target)+len(old))
	for f := range target {
		feeds = append(feeds, f)
	}
	for f := range old {
		if !target[f] {
			feeds = append(feeds, f)
		}
	}
	sort.Strings(feeds) // One order for all: two transactions never wait for each other.
	for _, f := range feeds {
		do, text := indicator.Put, body
		if !target[f] {
			do, text = indicator.Remove, ""
		}
		if old[f] == text {
			continue // The edges have exactly this.
		}
		if err := p.append(ctx, tx, f, do, ind.ID, old[f], text); err != nil {
			return fault.Wrap("push.enqueue", err)
		}
	}
	return nil
}

func members(ctx context.Context, tx *ledger.Tx, id ident.ID) (map[string]string, error) {
	out := map[string]string{}
	rows, err := tx.Query(ctx, `SELECT feed, body FROM feed_member WHERE indicator = ?`, string(id))
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var feed, body string
		err := scan(&feed, &body)
		out[feed] = body
		return err
	})
	return out, err
}

// append adds one entry to a feed: the sequence, the digest, the member.
func (p *Push) append(ctx context.Context, tx *ledger.Tx, feed string, op indicator.Op, id ident.ID, old, body string) error {
	// The write comes first: it takes the feed's lock on both engines.
	var seq int64
	var state string
	if err := tx.QueryRow(ctx, `INSERT INTO feed (name, seq, state, digest) VALUES (?,1,'','')
		ON CONFLICT (name) DO UPDATE SET seq = feed.seq + 1 RETURNING seq, state`, feed).Scan(&seq, &state); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(state)
	if err != nil {
		return err
	}
	d, err := set.FromBytes(raw)
	if err != nil {
		return err
	}
	if old != "" {
		d.Sub([]byte(old))
	}
	if op == indicator.Put {
		d.Add([]byte(body))
		_, err = tx.Exec(ctx, `INSERT INTO feed_member (feed, indicator, body) VALUES (?,?,?) ON CONFLICT (feed, indicator) DO UPDATE SET body = excluded.body`, feed, string(id), body)
	} else {
		_, err = tx.Exec(ctx, `DELETE FROM feed_member WHERE feed = ? AND indicator = ?`, feed, string(id))
	}
	if err != nil {
		return err
	}
	sum := d.Sum()
	if _, err := tx.Exec(ctx, `UPDATE feed SET state = ?, digest = ? WHERE name = ?`, base64.StdEncoding.EncodeToString(d.Bytes()), sum, feed); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO feed_entry (feed, seq, op, indicator, body, digest, durable) VALUES (?,?,?,?,?,?,0)`, feed, seq, string(op), string(id), body, sum)
	return err
}

// Kick says that a transaction with entries has committed.
func (p *Push) Kick() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}
