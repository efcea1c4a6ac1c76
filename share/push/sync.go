package push

import (
	"context"
	"encoding/json"
	"slices"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/ledger"
	"noroshi/share/set"
)

func change(seq uint64, op, id, body string) (set.Change, error) {
	c := set.Change{Seq: seq, Op: indicator.Op(op), ID: ident.ID(id)}
	if c.Op == indicator.Put {
		c.Indicator = new(indicator.Wire)
		if err := json.Unmarshal([]byte(body), c.Indicator); err != nil {
			return c, err
		}
	}
	return c, nil
}

// maxDelta is how many changes an edge may have missed and still get them one
// by one; beyond, the members of the set are fewer or about as many.
const maxDelta = 20_000

// HandleSync answers an edge that wants to catch up with a feed.
func (p *Push) HandleSync(ctx context.Context, org ident.ID, req []byte) ([]byte, error) {
	const op = "push.sync"
	var r set.Request
	if err := json.Unmarshal(req, &r); err != nil || len(req) > 4<<10 {
		return nil, fault.New(fault.Invalid, op, "the request cannot be read")
	}
	if !slices.Contains(FeedsFor(org), r.Feed) {
		return nil, fault.New(fault.Denied, op, "the feed %q is not for this organisation", r.Feed)
	}
	heads, err := p.heads(ctx)
	if err != nil {
		return nil, err
	}
	h, ok := heads[r.Feed]
	if !ok { // A feed that never had anything is the empty set.
		h.digest = new(set.Digest).Sum()
	}
	reply, err := p.answer(ctx, r, h)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	return json.Marshal(reply)
}

func (p *Push) answer(ctx context.Context, r set.Request, h head) (set.Reply, error) {
	switch {
	case r.At != 0 || r.After != "":
		return p.snapshot(ctx, r, h)
	case r.Seq == h.seq && r.Digest == h.digest:
		// The heartbeat proves it to the edge.
		return p.reply(false, set.Frame{Feed: r.Feed, From: h.seq, Seq: h.seq, Digest: h.digest, At: p.d.Now()})
	case r.Seq < h.seq && h.seq-r.Seq <= maxDelta && p.agrees(ctx, r):
		return p.deltas(ctx, r.Feed, r.Seq, h)
	}
	return p.snapshot(ctx, r, h)
}

// agrees tells whether the edge has exactly what the feed was at its sequence.
// Right after a snapshot it says so with an empty digest and is believed: the
// digest at the head will tell.
func (p *Push) agrees(ctx context.Context, r set.Request) bool {
	if r.Digest == "" {
		return true
	}
	if r.Seq == 0 {
		return r.Digest == new(set.Digest).Sum()
	}
	d, err := p.digestAt(ctx, r.Feed, r.Seq)
	return err == nil && d == r.Digest
}

func (p *Push) digestAt(ctx context.Context, feed string, seq uint64) (string, error) {
	var d string
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		return q.QueryRow(ctx, `SELECT digest FROM feed_entry WHERE feed = ? AND seq = ?`, feed, int64(seq)).Scan(&d)
	})
	return d, err
}

func (p *Push) reply(more bool, frames ...set.Frame) (set.Reply, error) {
	r := set.Reply{More: more}
	for _, f := range frames {
		b, err := set.Seal(f, p.d.Key)
		if err != nil {
			return r, err
		}
		r.Frames = append(r.Frames, b)
	}
	return r, nil
}

// deltas answers with the next frames, as many as fit.
func (p *Push) deltas(ctx context.Context, feed string, after uint64, h head) (set.Reply, error) {
	var frames []set.Frame
	size := 0
	for after < h.seq && size < set.MaxReply/4 {
		f, err := p.delta(ctx, feed, after)
		if err != nil {
			return set.Reply{}, err
		}
		frames = append(frames, f)
		after = f.Seq
		for _, c := range f.Changes {
			size += 300
			if c.Indicator != nil {
				size += len(c.Indicator.Value) + len(c.Indicator.Reason) + len(c.Indicator.ReasonJA)
			}
		}
	}
	return p.reply(after < h.seq, frames...)
}

// snapshot answers with one part of the members, in the order of their ids.
func (p *Push) snapshot(ctx context.Context, r set.Request, h head) (set.Reply, error) {
	f := set.Frame{Feed: r.Feed, Seq: h.seq, Digest: h.digest, At: p.d.Now(), Snapshot: true, Head: h.seq}
	if r.After != "" {
		f.Seq = r.At
	}
	size := 0
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT indicator, body FROM feed_member WHERE feed = ? AND indicator > ? ORDER BY indicator LIMIT 2000`, r.Feed, r.After)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var id, body string
			if err := scan(&id, &body); err != nil {
				return err
			}
			if size += len(body) + 200; size > set.MaxReply/4 && len(f.Changes) > 0 || f.More {
				f.More = true
				return nil
			}
			c, err := change(f.Seq, string(indicator.Put), id, body)
			f.Changes = append(f.Changes, c)
			return err
		})
	})
	if len(f.Changes) == 2000 {
		f.More = true
	}
	if err != nil {
		return set.Reply{}, err
	}
	return p.reply(f.More, f)
}
