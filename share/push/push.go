// Package push is the hub's side of sharing: feeds of indicators, each a
// sequence of changes with the digest of the whole set after every one. A change
// is written to the ledger in the transaction that decides it, then pushed, and
// every edge says when it enforces it. An edge that was away catches up from the
// ledger. Who may see an indicator decides in which feeds it stands. It decides
// nothing; package intel calls Enqueue, app joins it with the bus, share/edge is
// the other side.
package push

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"log/slog"
	"sort"
	"sync"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/org"
	"noroshi/share/set"
)

// Wire carries frames to whoever may see the feed. A frame may be lost: the
// next one, or the heartbeat, shows the gap.
type Wire interface {
	Publish(ctx context.Context, feed string, frame []byte) error
}

// Edge is a node that enforces.
type Edge struct {
	Node, Org ident.ID
	Name      string
	Joined    time.Time
	Here      bool // it reported lately
}

// Deps is what the stage works with.
type Deps struct {
	DB    *ledger.DB
	Wire  Wire
	Key   ed25519.PrivateKey
	Tree  func() *org.Tree
	Edges func() []Edge
	Now   func() time.Time
	Log   *slog.Logger
}

// Push keeps the feeds.
type Push struct {
	d    Deps
	kick chan struct{}
	// OnAck is called after acknowledgements became durable.
	OnAck func(nodes []ident.ID)
	// OnHop hears how long a change took over one hop of sharing.
	OnHop  func(hop string, took time.Duration)
	timing *timing

	mu        sync.Mutex
	published map[string]uint64 // feed → last sequence pushed
	acks      []arrival         // waiting to be written
}

// New makes the stage; Run pushes.
func New(d Deps) *Push {
	return &Push{d: d, kick: make(chan struct{}, 1), OnAck: func([]ident.ID) {}, OnHop: func(string, time.Duration) {}, timing: newTiming(), published: map[string]uint64{}}
}

const everyone = "all"

// FeedsFor lists the feeds that an organisation may read.
func FeedsFor(o ident.ID) []string {
	return []string{"real." + everyone, "real." + string(o), "exercise." + everyone, "exercise." + string(o)}
}

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
	if _, err := tx.Exec(ctx, `INSERT INTO feed (name, seq, state, digest) VALUES (?,1,'','') ON CONFLICT (name) DO UPDATE SET seq = feed.seq + 1`, feed); err != nil {
		return err
	}
	var seq int64
	var state string
	if err := tx.QueryRow(ctx, `SELECT seq, state FROM feed WHERE name = ?`, feed).Scan(&seq, &state); err != nil {
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
	if _, err := tx.Exec(ctx, `UPDATE feed SET state = ?, digest = ? WHERE name = ?`, base64.StdEncoding.EncodeToString(d.Bytes()), d.Sum(), feed); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO feed_entry (feed, seq, op, indicator, body, digest, durable) VALUES (?,?,?,?,?,?,0)`, feed, seq, string(op), string(id), body, d.Sum())
	return err
}

// Kick says that a transaction with entries has committed.
func (p *Push) Kick() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// Times of the push.
const (
	heartbeat  = 10 * time.Second
	writeAcks  = 20 * time.Millisecond
	checkAgain = time.Second // another hub on the same ledger may have decided
)

// Run pushes until ctx ends.
func (p *Push) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { p.loopAcks(ctx) })
	again, beat := time.NewTicker(checkAgain), time.NewTicker(heartbeat)
	defer again.Stop()
	defer beat.Stop()
	p.resume(ctx)
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-p.kick:
			err = p.flush(ctx, false)
		case <-again.C:
			err = p.flush(ctx, false)
		case <-beat.C:
			err = p.flush(ctx, true)
		}
		if err != nil && ctx.Err() == nil {
			p.d.Log.Error("push failed; it goes on with the next change", "role", "hub", "err", err)
		}
	}
}

// resume takes what the ledger has as pushed: edges that missed it see the gap
// in the first heartbeat.
func (p *Push) resume(ctx context.Context) {
	heads, err := p.heads(ctx)
	if err != nil {
		p.d.Log.Error("feeds cannot be read", "role", "hub", "err", err)
	}
	for name, h := range heads {
		if _, ok := p.published[name]; !ok {
			p.published[name] = h.seq
		}
	}
	if err := p.flush(ctx, true); err != nil {
		p.d.Log.Error("push failed", "role", "hub", "err", err)
	}
}

type head struct {
	seq    uint64
	digest string
}

func (p *Push) heads(ctx context.Context) (map[string]head, error) {
	out := map[string]head{}
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT name, seq, digest FROM feed`)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var name, digest string
			var seq int64
			err := scan(&name, &seq, &digest)
			out[name] = head{uint64(seq), digest}
			return err
		})
	})
	return out, fault.Wrap("push.heads", err)
}

// flush pushes what is new in every feed, and heartbeats where nothing is.
func (p *Push) flush(ctx context.Context, beat bool) error {
	heads, err := p.heads(ctx)
	if err != nil {
		return err
	}
	for feed, h := range heads {
		for p.published[feed] < h.seq {
			f, err := p.delta(ctx, feed, p.published[feed])
			if err != nil {
				return err
			}
			if err := p.send(ctx, f); err != nil {
				return err
			}
			p.markDurable(ctx, feed, p.published[feed], f.Seq, f.At)
			p.published[feed] = f.Seq
			for _, took := range p.timing.push(f) {
				p.OnHop(HopPush, took)
			}
			beat = true // The last frame tells the head; others get theirs now.
		}
		if beat {
			if err := p.send(ctx, set.Frame{Feed: feed, From: h.seq, Seq: h.seq, Digest: h.digest, At: p.d.Now()}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Push) send(ctx context.Context, f set.Frame) error {
	b, err := set.Seal(f, p.d.Key)
	if err != nil {
		return err
	}
	return p.d.Wire.Publish(ctx, f.Feed, b)
}

// markDurable stamps t3: the moment after the commit at which the hub could
// read the entries back.
func (p *Push) markDurable(ctx context.Context, feed string, after, seq uint64, at time.Time) {
	err := p.d.DB.Write(ctx, "hub:push", func(tx *ledger.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE feed_entry SET durable = ? WHERE feed = ? AND seq > ? AND seq <= ? AND durable = 0`, ledger.Micros(at), feed, int64(after), int64(seq))
		return err
	})
	if err != nil {
		p.d.Log.Error("the clock of a change cannot be kept", "role", "hub", "err", err)
	}
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
