package push

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/share/set"
)

// arrival is an acknowledgement with the hub's time of its arrival (t6).
type arrival struct {
	set.Ack
	node, org ident.ID
	at        time.Time
}

const (
	maxWaiting = 100_000 // acknowledgements; beyond, edges say it again at the heartbeat
	maxSkew    = 24 * time.Hour
	writeAcks  = 20 * time.Millisecond
)

// HandleAck takes what an edge says it enforces.
func (p *Push) HandleAck(org, node ident.ID, data []byte) error {
	const op = "push.ack"
	a := arrival{node: node, org: org, at: p.d.Now()}
	if len(data) > 4<<10 {
		return fault.New(fault.TooLarge, op, "the acknowledgement is %d bytes", len(data))
	}
	if err := json.Unmarshal(data, &a.Ack); err != nil {
		return fault.As(fault.Invalid, op, err, "the acknowledgement cannot be read")
	}
	if !slices.Contains(FeedsFor(org), a.Feed) {
		return fault.New(fault.Denied, op, "the feed %q is not for this organisation", a.Feed)
	}
	if d := a.at.Sub(a.Enforced); d > maxSkew || d < -maxSkew || a.Enforced.Before(a.Received) {
		return fault.New(fault.Invalid, op, "the times of the acknowledgement cannot be: is the node's clock right?")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.acks) >= maxWaiting {
		return fault.New(fault.Exhausted, op, "too many acknowledgements wait to be written")
	}
	p.acks = append(p.acks, a)
	return nil
}

// Acknowledge writes acknowledgements until ctx ends, many together: a thousand
// edges answer one change within a few of these ticks. Every hub runs it for the
// edges that speak to it.
func (p *Push) Acknowledge(ctx context.Context) error {
	tick := time.NewTicker(writeAcks)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		p.mu.Lock()
		batch := p.acks
		p.acks = nil
		p.mu.Unlock()
		if len(batch) == 0 {
			continue
		}
		news, err := p.writeAcks(ctx, batch)
		if err != nil && ctx.Err() == nil {
			p.d.Log.Error("acknowledgements cannot be written; edges say them again", "role", "hub", "err", err)
		}
		if len(news) > 0 {
			p.OnAck(news)
		}
	}
}

// writeAcks records what the ledger does not have, and returns whose it was. In
// a quiet hour every edge says at each heartbeat what it said before, which
// costs a look and no write.
func (p *Push) writeAcks(ctx context.Context, batch []arrival) ([]ident.ID, error) {
	var known map[string]string
	var before map[ackKey]stand
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		if known, err = digests(ctx, q, batch); err == nil {
			before, err = stands(ctx, q, batch)
		}
		return err
	})
	if err != nil {
		return nil, fault.Wrap("push.acks", err)
	}
	batch = slices.DeleteFunc(batch, func(a arrival) bool {
		old, ok := before[ackKey{a.node, a.Feed}]
		return ok && old == stand{a.Seq, a.diverged(known)}
	})
	if len(batch) == 0 {
		return nil, nil
	}
	joined := p.joined(batch, before)
	err = p.d.DB.Write(ctx, "hub:push", func(tx *ledger.Tx) error {
		// Another hub may have written since; what counts is what stands now.
		before, err := stands(ctx, tx, batch)
		if err == nil {
			err = begin(ctx, tx, batch, before, joined)
		}
		if err != nil {
			return err
		}
		return p.record(ctx, tx, batch, known, before)
	})
	if err != nil {
		return nil, fault.Wrap("push.acks", err)
	}
	var nodes []ident.ID
	for _, a := range batch {
		nodes = append(nodes, a.node)
		if a.diverged(known) {
			continue
		}
		if took, first := p.timing.ack(a); first {
			p.OnHop(HopAcknowledge, took)
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes), nil
}

type ackKey struct {
	node ident.ID
	feed string
}

// stand is what the ledger has of an edge in a feed.
type stand struct {
	seq      uint64
	diverged bool
}

// diverged tells that an edge's set is not what the feed was at its sequence.
func (a *arrival) diverged(known map[string]string) bool {
	return known[place(a.Feed, a.Seq)] != a.Digest
}

// record writes how each edge stands now and the span of every step.
func (p *Push) record(ctx context.Context, tx *ledger.Tx, batch []arrival, known map[string]string, before map[ackKey]stand) error {
	var acks, spans [][]any
	clocks := clocks{}
	last := map[ackKey]arrival{}
	for _, a := range batch {
		key := ackKey{a.node, a.Feed}
		old := before[key]
		diverged := a.diverged(known)
		before[key], last[key] = stand{a.Seq, diverged}, a
		if diverged || a.Seq <= old.seq {
			continue
		}
		spans = append(spans, []any{a.Feed, string(a.node), int64(old.seq), int64(a.Seq), ledger.Micros(a.Received), ledger.Micros(a.Enforced), ledger.Micros(a.at)})
		clocks.add(a, old.seq)
	}
	for key, a := range last {
		diverged := 0
		if before[key].diverged {
			diverged = 1
		}
		acks = append(acks, []any{string(key.node), key.feed, int64(a.Seq), diverged, ledger.Micros(a.at)})
	}
	if err := many(ctx, tx, `INSERT INTO edge_ack (node, feed, seq, diverged, at) VALUES `,
		` ON CONFLICT (node, feed) DO UPDATE SET seq = excluded.seq, diverged = excluded.diverged, at = excluded.at`, acks); err != nil {
		return err
	}
	if err := many(ctx, tx, `INSERT INTO edge_ack_span (feed, node, after_seq, seq, received, enforced, acked) VALUES `,
		` ON CONFLICT (feed, seq, node) DO NOTHING`, spans); err != nil {
		return err
	}
	return clocks.write(ctx, tx, p.d.Now())
}
