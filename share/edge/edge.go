// Package edge is an edge's side of sharing: it follows the feeds that its
// organisation may see, applies their changes in order, keeps the set on disk so
// that a restart enforces at once, and says to the hub what it enforces. A gap
// or a digest that differs makes it ask the hub. It opens no database. The
// resolver asks it for each name; app joins it with the bus.
package edge

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"noroshi/fault"
	"noroshi/share/set"
)

// Line is the edge's way to the hub.
type Line interface {
	Subscribe(feed string, fn func(frame []byte)) (cancel func(), err error)
	Sync(ctx context.Context, req []byte) ([]byte, error)
	Ack(ctx context.Context, ack []byte) error
	// Changed gets a value when the line came back.
	Changed() <-chan struct{}
}

// Config says what to follow and where to keep it.
type Config struct {
	Dir   string
	Feeds []string
	Key   ed25519.PublicKey
}

// Deps is what the follower works with.
type Deps struct {
	Line Line
	Now  func() time.Time
	Log  *slog.Logger
}

// Follower follows feeds.
type Follower struct {
	cfg   Config
	d     Deps
	set   *Set
	feeds map[string]*feed
}

// frame is one frame that arrived, with its time (t4).
type arrived struct {
	raw []byte
	at  time.Time
}

// feed is one feed that is followed; one goroutine owns it.
type feed struct {
	name   string
	state  state
	stale  bool        // the live set does not show the state; only a sync mends it
	fresh  []set.Frame // enforced, and not yet kept on disk
	ack    *set.Ack    // to be said once they are
	due    bool        // the time for that is set
	spread time.Duration
	frames chan arrived
	lost   chan struct{} // frames came faster than they were applied
}

// New opens the follower with what was kept. With nothing kept, or nothing that
// can be used, it is not ready until the hub answered once.
func New(cfg Config, d Deps) (*Follower, error) {
	f := &Follower{cfg: cfg, d: d, set: newSet(cfg.Feeds), feeds: map[string]*feed{}}
	for _, name := range cfg.Feeds {
		x := &feed{name: name, frames: make(chan arrived, 256), lost: make(chan struct{}, 1)}
		var err error
		if x.state, err = load(cfg.Dir, name); err != nil && fault.KindOf(err) != fault.NotFound {
			d.Log.Warn("the kept set is damaged and was put aside; the hub is asked", "feed", name, "usable", x.state.whole > 0, "err", err)
		}
		if x.state.whole > 0 {
			f.set.replace(name, x.state.Members)
			f.set.ready(name)
		}
		f.feeds[name] = x
	}
	return f, nil
}

// Set is what is enforced.
func (f *Follower) Set() *Set { return f.set }

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wake := make(map[string]chan struct{}, len(f.feeds))
	for name, x := range f.feeds {
		w := make(chan struct{}, 1)
		w <- struct{}{} // The first sync is due.
		wake[name] = w
		cancel, err := f.d.Line.Subscribe(name, x.hear(f.d.Now))
		if err != nil {
			return fault.Wrap("edge.subscribe", err)
		}
		defer cancel()
		wg.Go(func() { f.follow(ctx, x, w) })
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.d.Line.Changed():
			for _, w := range wake {
				nudge(w)
			}
		}
	}
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// hear queues the frames that arrive.
func (x *feed) hear(now func() time.Time) func([]byte) {
	return func(b []byte) {
		select {
		case x.frames <- arrived{b, now()}:
		default:
			nudge(x.lost)
		}
	}
}

// follow owns one feed: it applies frames, and asks the hub when it must, again
// and again until it answers.
func (f *Follower) follow(ctx context.Context, x *feed, wake chan struct{}) {
	retry, due := time.NewTimer(0), time.NewTimer(0)
	<-retry.C
	<-due.C
	failures := 0
	for {
		select {
		case <-ctx.Done():
			f.confirm(context.WithoutCancel(ctx), x)
			return
		case a := <-x.frames:
			if f.take(x, a) {
				if x.ack != nil && !x.due {
					x.due = true
					due.Reset(rand.N(x.spread + 1))
				}
				continue
			}
		case <-due.C:
			f.confirm(ctx, x)
			continue
		case <-wake:
		case <-x.lost:
		case <-retry.C:
		}
		f.confirm(ctx, x)
		if err := f.sync(ctx, x); err != nil {
			failures = min(failures+1, 6)
			// Jitter keeps a thousand edges from asking at one moment.
			wait := time.Duration(1<<failures) * 50 * time.Millisecond
			retry.Reset(wait/2 + rand.N(wait))
			f.d.Log.Debug("sync", "feed", x.name, "err", err)
			continue
		}
		failures = 0
	}
}

// maxSpread bounds the time within which what is enforced is kept and
// acknowledged, whatever the hub says. In a storm that gathers many frames.
const maxSpread = 500 * time.Millisecond

// take applies a pushed frame to what is enforced; false asks for a sync.
func (f *Follower) take(x *feed, a arrived) bool {
	fr, said, ok := f.apply(x, a)
	if !said {
		return ok
	}
	x.spread = min(max(fr.Spread, 0), maxSpread)
	x.ack = &set.Ack{Feed: x.name, Seq: x.state.Seq, Digest: x.state.Digest(), Received: a.at.UTC(), Enforced: f.d.Now().UTC()}
	if len(fr.Changes) > 0 {
		x.fresh = append(x.fresh, fr)
	}
	return true
}

// confirm keeps on disk what was enforced since the last time, and says so to
// the hub: what is acknowledged must be enforced after a restart too.
func (f *Follower) confirm(ctx context.Context, x *feed) {
	ack, frames := x.ack, x.fresh
	x.ack, x.fresh, x.due = nil, nil, false
	if ack == nil || x.stale { // What is stale is not kept: a sync mends it first.
		return
	}
	if err := x.state.keep(f.cfg.Dir, x.name, frames); err != nil {
		f.d.Log.Error("the set cannot be kept on disk; it is not acknowledged", "feed", x.name, "err", err)
		return
	}
	f.ack(ctx, *ack)
}

// apply applies one pushed frame to what is enforced. Said tells that the edge
// is now where the frame says; false for ok asks for a sync.
func (f *Follower) apply(x *feed, a arrived) (fr set.Frame, said, ok bool) {
	fr, err := set.Open(a.raw, x.name, f.cfg.Key)
	if err != nil {
		f.d.Log.Warn("a frame was refused", "feed", x.name, "err", err)
		return fr, false, true // Whoever sent it, it says nothing about the feed.
	}
	switch {
	case fr.Snapshot:
		return fr, false, true // Snapshots are answers, never pushed.
	case x.stale:
		return fr, false, false
	case fr.Seq == x.state.Seq && len(fr.Changes) == 0:
		same := fr.Digest == x.state.Digest()
		return fr, same, same
	case fr.Seq < x.state.Seq && len(fr.Changes) == 0:
		return fr, false, false // The hub is behind: it was restored from a backup, and is asked what holds now.
	case fr.Seq <= x.state.Seq:
		return fr, false, true // Known.
	case fr.From != x.state.Seq:
		return fr, false, false // Something is missing in between.
	case !x.state.apply(fr):
		x.stale = true
		return fr, false, false
	}
	f.set.apply(x.name, fr.Changes)
	f.set.ready(x.name)
	return fr, true, true
}

// sync asks the hub until the feed is at its head with the same digest.
func (f *Follower) sync(ctx context.Context, x *feed) error {
	at := f.d.Now()
	req := set.Request{Feed: x.name, Seq: x.state.Seq, Digest: x.state.Digest()}
	building := newState()
	var frames []set.Frame // that led here
	for {
		reply, err := f.ask(ctx, req)
		if err != nil {
			return err
		}
		for _, raw := range reply.Frames {
			fr, err := set.Open(raw, x.name, f.cfg.Key)
			if err != nil {
				return err
			}
			if fr.Snapshot {
				x.stale = true
				if req, err = f.part(x, &building, fr, req.After); err != nil {
					return err
				}
				continue
			}
			if !x.state.apply(fr) {
				x.stale = true
				// What was kept is wrong in a way that changes cannot mend.
				x.state = newState()
				return fault.New(fault.Conflict, "edge.sync", "the digest differs after %d; the whole set is asked for", fr.Seq)
			}
			if len(fr.Changes) > 0 {
				frames = append(frames, fr)
			}
			if !x.stale {
				f.set.apply(x.name, fr.Changes)
			}
			req = set.Request{Feed: x.name, Seq: x.state.Seq, Digest: x.state.Digest()}
		}
		if !reply.More && req.After == "" && x.state.Verified() {
			break
		}
		if len(reply.Frames) == 0 {
			return fault.New(fault.Conflict, "edge.sync", "the hub's answer leads nowhere")
		}
	}
	if x.stale {
		f.set.replace(x.name, x.state.Members)
		x.stale = false
	}
	f.set.ready(x.name)
	ack := set.Ack{Feed: x.name, Seq: x.state.Seq, Digest: x.state.Digest(), Received: at.UTC(), Enforced: f.d.Now().UTC()}
	if err := x.state.keep(f.cfg.Dir, x.name, frames); err != nil {
		return err
	}
	f.ack(ctx, ack)
	return nil
}

// part adds one part of a snapshot and returns what to ask next.
func (f *Follower) part(x *feed, building *state, fr set.Frame, after string) (set.Request, error) {
	if after == "" {
		*building = newState()
		building.Seq = fr.Seq
	}
	for _, c := range fr.Changes {
		building.change(c)
		after = string(c.ID)
	}
	if fr.More {
		return set.Request{Feed: x.name, After: after, At: building.Seq}, nil
	}
	building.verifyFrom = fr.Head
	x.state = *building
	if fr.Head == building.Seq && x.state.Digest() != fr.Digest {
		return set.Request{}, fault.New(fault.Conflict, "edge.sync", "the snapshot does not have the digest that it claims")
	}
	if fr.Head == building.Seq {
		x.state.verifyFrom = 0
		return set.Request{Feed: x.name, Seq: x.state.Seq, Digest: x.state.Digest()}, nil
	}
	return set.Request{Feed: x.name, Seq: x.state.Seq}, nil // No digest yet: it is in between.
}

func (f *Follower) ask(ctx context.Context, req set.Request) (set.Reply, error) {
	var reply set.Reply
	b, err := json.Marshal(req)
	if err != nil {
		return reply, fault.Wrap("edge.ask", err)
	}
	out, err := f.d.Line.Sync(ctx, b)
	if err != nil {
		return reply, err
	}
	if err := json.Unmarshal(out, &reply); err != nil {
		return reply, fault.As(fault.Invalid, "edge.ask", err, "the hub's answer cannot be read")
	}
	return reply, nil
}

// ack says to the hub what is enforced. A lost one is said again at the next
// heartbeat.
func (f *Follower) ack(ctx context.Context, a set.Ack) {
	b, err := json.Marshal(a)
	if err == nil {
		err = f.d.Line.Ack(ctx, b)
	}
	if err != nil {
		f.d.Log.Debug("acknowledgement not sent", "feed", a.Feed, "err", err)
	}
}
