package push

import (
	"context"
	"math/rand/v2"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/share/set"
)

// Times of the push.
const (
	heartbeat  = 10 * time.Second
	checkAgain = time.Second // another hub on the same ledger may have decided

	// The first change of a quiet feed goes at once. While more follow they are
	// gathered, so that a storm reaches a thousand edges as few frames, at a
	// speed that their lines and the hub's own can take.
	gather   = 50 * time.Millisecond
	feedRate = 256 << 10 // bytes a second, to each edge

	// While much waits, the next of it goes when most edges have answered the last,
	// or after a while: what is on its way nothing can overtake.
	askAgain = 20 * time.Millisecond
	maxHold  = 500 * time.Millisecond

	// One edge after the other answers, in the mean: what the first confirm must
	// not be in the way of what the last has yet to hear.
	answerEvery = 400 * time.Microsecond
)

// rhythm is what a hub that pushes remembers; one that takes over begins anew.
type rhythm struct {
	feeds   map[string]*pace
	edges   map[ident.ID]int // of each organisation that are there
	counted time.Time
}

// pace is when something may and must be said in a feed.
type pace struct {
	next time.Time // not before: the next changes
	hold time.Time // nor before this, while most edges have not answered:
	sent uint64    // the last sequence that was sent
	beat time.Time // not later: a heartbeat
}

// Run pushes until ctx ends. What the ledger does not have as pushed is pushed
// first, whichever hub ran before.
func (p *Push) Run(ctx context.Context) error {
	r := &rhythm{feeds: map[string]*pace{}}
	again := time.NewTicker(checkAgain)
	defer again.Stop()
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		beat := false
		select {
		case <-ctx.Done():
			return nil
		case <-p.kick:
		case <-rest.C:
		case <-again.C:
			beat = true
		}
		wait, err := p.flush(ctx, r)
		if err == nil && beat {
			err = p.beat(ctx, r)
		}
		if err != nil && ctx.Err() == nil {
			p.d.Log.Error("push failed; it goes on with the next change", "role", "hub", "err", err)
		}
		if wait > 0 {
			rest.Reset(wait)
		}
	}
}

// flush pushes what is new in every feed that may speak now, and returns when
// the next one may.
func (p *Push) flush(ctx context.Context, r *rhythm) (wait time.Duration, err error) {
	fresh, waits, err := p.unpushed(ctx)
	if err != nil {
		return 0, err
	}
	var due []string
	for _, feed := range waits {
		if _, ok := fresh[feed]; ok {
			continue // What has its place goes first.
		}
		d, err := p.held(ctx, r, feed)
		if err != nil {
			return 0, err
		}
		if d > 0 {
			wait = soonest(wait, d)
			continue
		}
		due = append(due, feed)
	}
	staged, err := p.stage(ctx, due)
	if err != nil {
		return 0, err
	}
	for feed, s := range staged {
		fresh[feed] = s.after
		if at := r.pace(feed); s.full {
			at.hold = p.d.Now().Add(maxHold)
		} else {
			at.hold = time.Time{}
		}
	}
	var sent []set.Frame
	for feed, after := range fresh {
		at := r.pace(feed)
		now := p.d.Now()
		if d := at.next.Sub(now); d > 0 {
			wait = soonest(wait, d)
			continue
		}
		f, err := p.delta(ctx, feed, after)
		if err != nil {
			return 0, err
		}
		f.Spread = r.spread(feed)
		n, err := p.send(ctx, f)
		if err != nil {
			return 0, err
		}
		// An answer may be written down before the stamp is.
		for _, took := range p.timing.push(f) {
			p.OnHop(HopPush, took)
		}
		sent = append(sent, f)
		at.sent = f.Seq
		at.next = now.Add(gather + time.Duration(n)*time.Second/feedRate)
		at.beat = now.Add(heartbeat/2 + rand.N(heartbeat/2)) // The frame tells the head as a heartbeat would.
		wait = soonest(wait, at.next.Sub(now))
	}
	return wait, p.pushed(ctx, sent)
}

func (r *rhythm) pace(feed string) *pace {
	if r.feeds[feed] == nil {
		r.feeds[feed] = &pace{}
	}
	return r.feeds[feed]
}

// held tells how long what waits for a feed is to wait at least.
func (p *Push) held(ctx context.Context, r *rhythm, feed string) (time.Duration, error) {
	at, now := r.pace(feed), p.d.Now()
	if d := at.next.Sub(now); d > 0 || !at.hold.After(now) {
		return d, nil
	}
	answered := 0
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		return q.QueryRow(ctx, `SELECT COUNT(*) FROM edge_ack WHERE feed = ? AND seq >= ?`, feed, int64(at.sent)).Scan(&answered)
	})
	if err != nil || 4*answered >= 3*r.readers(feed) {
		return 0, fault.Wrap("push.held", err)
	}
	return askAgain, nil
}

// readers counts the edges that read a feed.
func (r *rhythm) readers(feed string) (n int) {
	for o, edges := range r.edges {
		if reads(o, feed) {
			n += edges
		}
	}
	return n
}

// spread is over how long those who read a feed are to answer.
func (r *rhythm) spread(feed string) time.Duration {
	return time.Duration(r.readers(feed)) * answerEvery
}

// count counts the edges that are there, now and then: it reads them all.
func (p *Push) count(r *rhythm, now time.Time) {
	if now.Sub(r.counted) < heartbeat {
		return
	}
	r.counted, r.edges = now, map[ident.ID]int{}
	for _, e := range p.d.Edges() {
		if e.Here {
			r.edges[e.Org]++
		}
	}
}

func soonest(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// unpushed lists the feeds that hold something new, each with the sequence after
// which it begins, and those for which something waits.
func (p *Push) unpushed(ctx context.Context) (fresh map[string]uint64, waits []string, err error) {
	fresh = map[string]uint64{}
	err = p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		if waits, err = waiting(ctx, q); err != nil {
			return err
		}
		rows, err := q.Query(ctx, `SELECT feed, MIN(seq) FROM feed_entry WHERE durable = 0 GROUP BY feed`)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var feed string
			var first int64
			err := scan(&feed, &first)
			fresh[feed] = uint64(first - 1)
			return err
		})
	})
	return fresh, waits, fault.Wrap("push.unpushed", err)
}

// beat tells where a feed is that said nothing for a while. The feeds take turns,
// so that a thousand edges do not all answer at one moment.
func (p *Push) beat(ctx context.Context, r *rhythm) error {
	var all map[string]head
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		// What waits to be pushed is told by its frame, not as a gap.
		all, err = heads(ctx, q, `NOT EXISTS (SELECT 1 FROM feed_entry WHERE feed = name AND durable = 0)`)
		return err
	})
	if err != nil {
		return fault.Wrap("push.beat", err)
	}
	now := p.d.Now()
	p.count(r, now)
	for feed, h := range all {
		at := r.pace(feed)
		if at.beat.After(now) {
			continue
		}
		at.beat = now.Add(heartbeat/2 + rand.N(heartbeat/2))
		if _, err := p.send(ctx, set.Frame{Feed: feed, From: h.seq, Seq: h.seq, Digest: h.digest, At: now, Spread: r.spread(feed)}); err != nil {
			return err
		}
	}
	return nil
}

func (p *Push) send(ctx context.Context, f set.Frame) (bytes int, err error) {
	b, err := set.Seal(f, p.d.Key)
	if err != nil {
		return 0, err
	}
	return len(b), p.d.Wire.Publish(ctx, f.Feed, b)
}

// pushed stamps t3, the moment after the commit at which the hub could read the
// entries back; it also says that they need not be pushed again. An edge that
// gets a frame twice knows it.
func (p *Push) pushed(ctx context.Context, frames []set.Frame) error {
	if len(frames) == 0 {
		return nil
	}
	err := p.d.DB.Write(ctx, "hub:push", func(tx *ledger.Tx) error {
		for _, f := range frames {
			if _, err := tx.Exec(ctx, `UPDATE feed_entry SET durable = ? WHERE feed = ? AND seq > ? AND seq <= ? AND durable = 0`,
				ledger.Micros(f.At), f.Feed, int64(f.From), int64(f.Seq)); err != nil {
				return err
			}
		}
		return nil
	})
	return fault.Wrap("push.pushed", err)
}

// delta reads the next entries of a feed as one frame.
func (p *Push) delta(ctx context.Context, feed string, after uint64) (set.Frame, error) {
	f := set.Frame{Feed: feed, From: after, Seq: after, At: p.d.Now()}
	size := 0
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT seq, op, indicator, body, digest FROM feed_entry WHERE feed = ? AND seq > ? ORDER BY seq LIMIT ?`, feed, int64(after), set.MaxChanges)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var seq int64
			var op, id, body, digest string
			if err := scan(&seq, &op, &id, &body, &digest); err != nil {
				return err
			}
			if size += len(body) + 200; size > set.MaxFrame/2 && len(f.Changes) > 0 {
				return nil // The rest is the next frame's.
			}
			c, err := change(uint64(seq), op, id, body)
			if err != nil {
				return err
			}
			f.Changes = append(f.Changes, c)
			f.Seq, f.Digest = c.Seq, digest
			return nil
		})
	})
	return f, fault.Wrap("push.delta", err)
}
