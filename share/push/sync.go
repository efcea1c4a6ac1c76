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
// by one; beyond, the members of the set are fewer or about as many. So many of
// the newest entries of each feed are always kept.
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
	h, agrees, err := p.compare(ctx, r)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	reply, err := p.answer(ctx, r, h, agrees)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	return json.Marshal(reply)
}

// compare reads the feed's head, and whether the edge has exactly what the feed
// was at its sequence. Right after a snapshot an edge says so with an empty
// digest and is believed: the digest at the head will tell.
func (p *Push) compare(ctx context.Context, r set.Request) (h head, agrees bool, err error) {
	err = p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		all, err := heads(ctx, q, `name = ?`, r.Feed)
		if err != nil {
			return err
		}
		var ok bool
		if h, ok = all[r.Feed]; !ok { // A feed that never had anything is the empty set.
			h.digest = new(set.Digest).Sum()
		}
		d, err := digestAt(ctx, q, r.Feed, r.Seq)
		agrees = r.Digest == "" || r.Digest == d
		return err
	})
	return h, agrees, err
}

func (p *Push) answer(ctx context.Context, r set.Request, h head, agrees bool) (set.Reply, error) {
	switch {
	case r.At != 0 || r.After != "":
		return p.snapshot(ctx, r)
	case r.Seq == h.seq && r.Digest == h.digest:
		// The heartbeat proves it to the edge.
		return p.reply(set.Frame{Feed: r.Feed, From: h.seq, Seq: h.seq, Digest: h.digest, At: p.d.Now()})
	case r.Seq < h.seq && h.seq-r.Seq <= maxDelta && agrees:
		return p.deltas(ctx, r.Feed, r.Seq, h)
	}
	return p.snapshot(ctx, r)
}

func (p *Push) reply(f set.Frame) (set.Reply, error) {
	b, err := set.Seal(f, p.d.Key)
	return set.Reply{More: f.More, Frames: [][]byte{b}}, err
}

// deltas answers with the next frames, as many as fit.
func (p *Push) deltas(ctx context.Context, feed string, after uint64, h head) (set.Reply, error) {
	var r set.Reply
	for size := 0; after < h.seq; {
		s, err := p.seal(ctx, feed, after, h)
		if err != nil {
			return r, err
		}
		if size += len(s.frame); size > set.MaxReply/2 && len(r.Frames) > 0 {
			break
		}
		r.Frames = append(r.Frames, s.frame)
		after = s.seq
	}
	r.More = after < h.seq
	return r, nil
}

// maxPart is how many members one part of a snapshot holds.
const maxPart = 2000

// snapshot answers with one part of the members, in the order of their ids, and
// where the feed was at the moment of this part.
func (p *Push) snapshot(ctx context.Context, r set.Request) (set.Reply, error) {
	f := set.Frame{Feed: r.Feed, Digest: new(set.Digest).Sum(), At: p.d.Now(), Snapshot: true}
	size := 0
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		all, err := heads(ctx, q, `name = ?`, r.Feed)
		if err != nil {
			return err
		}
		if h, ok := all[r.Feed]; ok {
			f.Seq, f.Head, f.Digest = h.seq, h.seq, h.digest
		}
		if r.After != "" {
			f.Seq = r.At
		}
		rows, err := q.Query(ctx, `SELECT indicator, body FROM feed_member WHERE feed = ? AND indicator > ? ORDER BY indicator LIMIT ?`, r.Feed, r.After, maxPart+1)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var id, body string
			if err := scan(&id, &body); err != nil {
				return err
			}
			if size += len(body) + 200; f.More || len(f.Changes) == maxPart || size > set.MaxReply/2 && len(f.Changes) > 0 {
				f.More = true
				return nil
			}
			c, err := change(f.Seq, string(indicator.Put), id, body)
			f.Changes = append(f.Changes, c)
			return err
		})
	})
	if err != nil {
		return set.Reply{}, err
	}
	return p.reply(f)
}
