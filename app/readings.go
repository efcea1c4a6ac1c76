package app

import (
	"context"
	"sync"
	"time"

	"noroshi/access"
	"noroshi/analyse/ingest"
	"noroshi/analyse/systems"
	"noroshi/bus"
	"noroshi/disk"
	"noroshi/eventstore"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/indicator"
	"noroshi/intel"
	"noroshi/label"
	"noroshi/sense/rollcall"
	"noroshi/share/mail"
	"noroshi/share/push"
)

// readings is what the hub's parts say of themselves at one moment. Metrics and
// status are both made of it, so they tell the same story. A part that does not
// answer leaves its error and hides no other.
type readings struct {
	at time.Time

	received        bus.Received
	bundles, stages bus.Backlog
	unjudged        time.Time // when the oldest bundle was taken that was not judged; zero when all were
	busErr          error
	connections     int
	connectionsErr  error
	strangers       map[identity.Refusal]uint64 // and others who were not let in, by reason

	ingest ingest.Stats
	marks  ingest.Marks

	store    eventstore.Stats
	storeErr error

	nodes      []nodeReading
	edges      []push.EdgeState
	behind     push.Behind
	findings   map[finding.State]int64
	indicators map[indicator.State]int64
	ledgerErr  error
	ledgerTook time.Duration // what these looks at the ledger took

	own      []identity.Ending // certificates of the hub itself
	hunts    intel.Hunts
	exposure systems.Stats
	mail     mail.Stats
	disk     disk.State
	rate     rates
}

// nodeReading is a node with its newest report.
type nodeReading struct {
	identity.Node
	rollcall.State
	reported, here bool
	dropping       bool // it lost events lately
}

func (n nodeReading) oldest() time.Duration { return time.Duration(n.OldestMS) * time.Millisecond }

// rates are per second, over the last ten seconds or so; nil before there were
// two readings.
type rates struct{ batches, events, findings *float64 }

// gauge keeps the newest readings, so that many who ask cost as much as one.
type gauge struct {
	mu    sync.Mutex
	last  *readings
	past  *readings // what rates are counted from
	tally tally
}

// fresh is how old readings may be that somebody gets.
const fresh = time.Second

// readTime is how long the parts may take to answer. It is the hub's, not the
// asking reader's, who may be gone while others wait for the same.
const readTime = 5 * time.Second

func (h *hub) read(ctx context.Context) *readings {
	h.gauge.mu.Lock()
	defer h.gauge.mu.Unlock()
	now := time.Now()
	if r := h.gauge.last; r != nil && now.Sub(r.at) < fresh {
		return r
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTime)
	defer cancel()
	r := &readings{at: now, ingest: h.paths.stats(), received: h.receiver.Stats(), strangers: h.nodes.Refused(), own: h.ca.Own(), disk: h.brake.State()}
	r.connections, r.connectionsErr = h.server.Connected(ctx)
	h.readBus(ctx, r)
	r.store, r.storeErr = h.events.Stats(ctx)
	began := time.Now()
	r.ledgerErr = h.readLedger(ctx, r)
	r.ledgerTook = time.Since(began)
	h.gauge.keep(r)
	return r
}

func (h *hub) readBus(ctx context.Context, r *readings) {
	if r.bundles, r.busErr = h.line.Backlog(ctx); r.busErr != nil {
		return
	}
	if r.stages, r.busErr = h.line.Stages(ctx); r.busErr != nil {
		return
	}
	r.busErr = h.readJudged(ctx, r)
}

func (h *hub) readLedger(ctx context.Context, r *readings) error {
	s := access.Hub(h.orgs.Current(), "status")
	list, err := h.nodes.List(ctx, s)
	if err != nil {
		return err
	}
	for _, n := range list {
		x := nodeReading{Node: n}
		if x.State, x.reported = h.roll.Get(n.ID); x.reported {
			x.here = h.roll.Here(n.ID) && n.State == identity.NodeActive
		}
		x.dropping = h.gauge.tally.take(n.ID, x.State, r.at)
		r.nodes = append(r.nodes, x)
	}
	if r.edges, err = h.push.EdgeStates(ctx, s); err != nil {
		return err
	}
	if r.behind, err = h.push.Behind(ctx); err != nil {
		return err
	}
	if r.findings, err = h.findings.Counts(ctx, s, label.Real); err != nil {
		return err
	}
	if r.indicators, err = h.intel.Counts(ctx, s, label.Real); err != nil {
		return err
	}
	if r.hunts, err = h.intel.Hunts(ctx); err != nil {
		return err
	}
	if r.exposure, err = h.systems.Stats(ctx); err != nil {
		return err
	}
	r.mail, err = h.mail.Stats(ctx)
	return err
}

// keep counts the rates from readings that are ten to twenty seconds old, once
// there are such.
func (g *gauge) keep(r *readings) {
	const span = 10 * time.Second
	if g.past == nil {
		g.past = r
	}
	if d := r.at.Sub(g.past.at).Seconds(); d > 0 {
		per := func(now, then uint64) *float64 {
			v := float64(now-min(now, then)) / d
			return &v
		}
		r.rate = rates{per(r.received.Taken, g.past.received.Taken), per(r.ingest.Events, g.past.ingest.Events), per(r.ingest.Findings, g.past.ingest.Findings)}
	}
	if g.last != nil && r.at.Sub(g.past.at) > 2*span && r.at.Sub(g.last.at) < span {
		g.past = g.last
	}
	g.last = r
}

// tally turns the counters of nodes, which begin anew when one restarts, into
// counters of organisations, which only grow.
type tally struct {
	seen map[ident.ID]counted
	orgs map[ident.ID]*orgTally
}

type counted struct {
	started         time.Time
	events, dropped uint64
	dropAt          time.Time
}

type orgTally struct{ events, dropped uint64 }

// lately is how long a node that lost events is said to have trouble.
const lately = 10 * time.Minute

// take adds what a node did since its last report that was taken, and tells
// whether it lost events lately.
func (t *tally) take(node ident.ID, s rollcall.State, now time.Time) bool {
	if t.seen == nil {
		t.seen, t.orgs = map[ident.ID]counted{}, map[ident.ID]*orgTally{}
	}
	c, known := t.seen[node]
	if s.Org == "" { // It has not reported.
		return known && now.Sub(c.dropAt) < lately
	}
	if !c.started.Equal(s.Started) {
		c.started, c.events, c.dropped = s.Started, 0, 0
	}
	o := t.orgs[s.Org]
	if o == nil {
		o = &orgTally{}
		t.orgs[s.Org] = o
	}
	if s.Dropped > c.dropped {
		if known || now.Sub(s.Started) < lately { // What it lost long before this hub started is no news.
			c.dropAt = now
		}
		o.dropped += s.Dropped - c.dropped
	}
	o.events += s.Events - min(s.Events, c.events)
	c.events, c.dropped = s.Events, s.Dropped
	t.seen[node] = c
	return now.Sub(c.dropAt) < lately
}
