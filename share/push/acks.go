package push

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/share/set"
)

// arrival is an acknowledgement with the hub's time of its arrival (t6).
type arrival struct {
	set.Ack
	node ident.ID
	at   time.Time
}

const (
	maxWaiting = 100_000 // acknowledgements; beyond, edges say it again at the heartbeat
	maxSkew    = 24 * time.Hour
)

// HandleAck takes what an edge says it enforces.
func (p *Push) HandleAck(org, node ident.ID, data []byte) error {
	const op = "push.ack"
	a := arrival{node: node, at: p.d.Now()}
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

// loopAcks writes acknowledgements together: a thousand edges answer one
// change within a few of these ticks.
func (p *Push) loopAcks(ctx context.Context) {
	tick := time.NewTicker(writeAcks)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.mu.Lock()
		batch := p.acks
		p.acks = nil
		p.mu.Unlock()
		if len(batch) == 0 {
			continue
		}
		if err := p.writeAcks(ctx, batch); err != nil && ctx.Err() == nil {
			p.d.Log.Error("acknowledgements cannot be written; edges say them again", "role", "hub", "err", err)
			continue
		}
		nodes := map[ident.ID]bool{}
		var list []ident.ID
		for _, a := range batch {
			if took, first := p.timing.ack(a); first {
				p.OnHop(HopAcknowledge, took)
			}
			if !nodes[a.node] {
				nodes[a.node] = true
				list = append(list, a.node)
			}
		}
		p.OnAck(list)
	}
}

func (p *Push) writeAcks(ctx context.Context, batch []arrival) error {
	return p.d.DB.Write(ctx, "hub:push", func(tx *ledger.Tx) error {
		digests := map[string]string{}
		for _, a := range batch {
			if err := p.writeAck(ctx, tx, a, digests); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeAck records that a node enforces a feed up to a sequence, if its digest
// is the feed's there; else that it has diverged.
func (p *Push) writeAck(ctx context.Context, tx *ledger.Tx, a arrival, digests map[string]string) error {
	key := a.Feed + " " + strconv.FormatUint(a.Seq, 10)
	want, ok := digests[key]
	if !ok {
		err := tx.QueryRow(ctx, `SELECT digest FROM feed_entry WHERE feed = ? AND seq = ?`, a.Feed, int64(a.Seq)).Scan(&want)
		if ledger.NoRows(err) {
			want, err = "", nil
			if a.Seq == 0 {
				want = new(set.Digest).Sum()
			}
		}
		if err != nil {
			return err
		}
		digests[key] = want
	}
	diverged := 0
	if want != a.Digest {
		diverged = 1
	}
	var before int64
	err := tx.QueryRow(ctx, `SELECT seq FROM edge_ack WHERE node = ? AND feed = ?`, string(a.node), a.Feed).Scan(&before)
	if err != nil && !ledger.NoRows(err) {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO edge_ack (node, feed, seq, diverged, at) VALUES (?,?,?,?,?)
		ON CONFLICT (node, feed) DO UPDATE SET seq = excluded.seq, diverged = excluded.diverged, at = excluded.at`,
		string(a.node), a.Feed, int64(a.Seq), diverged, ledger.Micros(a.at)); err != nil {
		return err
	}
	if diverged == 1 || int64(a.Seq) <= before {
		return nil
	}
	_, err = tx.Exec(ctx, `INSERT INTO edge_ack_span (feed, node, after_seq, seq, received, enforced, acked) VALUES (?,?,?,?,?,?,?)
		ON CONFLICT (feed, seq, node) DO NOTHING`, a.Feed, string(a.node), before, int64(a.Seq), ledger.Micros(a.Received), ledger.Micros(a.Enforced), ledger.Micros(a.at))
	return err
}
