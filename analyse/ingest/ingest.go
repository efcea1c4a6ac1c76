// Package ingest is the one path of observations through the hub: a batch is
// checked, judged, stored, and acknowledged to the bus once the store and the
// findings are durable. What cannot be believed goes to
// the quarantine. It owns no data and no rule; app gives it its parts.
//
// Nothing acknowledged is lost and nothing is counted twice: the bus delivers
// again whatever was not acknowledged, the store is asked which events of a
// suspicious batch it has, findings remember the highest sequence they counted,
// and passive DNS is committed with the bus's sequence as its mark.
package ingest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"noroshi/bus"
	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
)

// Refused is what could not be used, for the quarantine.
type Refused struct {
	From   bus.Node
	Place  string
	Reason string
	Sample []byte
}

// Deps are the parts of the path.
type Deps struct {
	Pull       *bus.Pull
	Check      func(from bus.Node, frame []byte) ([]*event.Event, []Refused)
	Quarantine func(ctx context.Context, refused []Refused) error
	Tenant     func(org ident.ID) (uint32, bool)
	Store      eventstore.Store
	// Judge looks at events and returns the findings that are to be passed on.
	Judge func(ctx context.Context, events []*event.Event) ([]finding.Finding, error)
	// Observe and Commit keep passive DNS: Commit makes durable what was
	// observed of batches up to mark.
	Observe func(org ident.ID, e *event.Event)
	Commit  func(ctx context.Context, mark uint64) error
	Full    func() bool // tells that a commit must not wait for the round
	Mark    uint64      // what was committed before
	// Pass hands a finding to the next stage, durably.
	Pass func(ctx context.Context, f finding.Finding) error
	Log  *slog.Logger
}

// Stats counts what went through since the start.
type Stats struct {
	Batches, Events, Refused, Redelivered, Findings uint64
}

// Ingest is the path.
type Ingest struct {
	d    Deps
	jobs chan job
	seen map[ident.ID]uint64 // node → highest sequence appended since the start

	mu       sync.Mutex
	pending  *bus.Message // the newest batch that is appended and judged
	observed uint64       // the newest batch that passive DNS has seen
	marks    Marks
	taken    uint64        // batches whose judgement began
	kept     uint64        // and those that are stored
	moved    chan struct{} // closed when kept grows
	stats    struct{ batches, events, refused, redelivered, findings atomic.Uint64 }
}

// New makes the path; Run moves along it.
func New(d Deps) *Ingest {
	return &Ingest{d: d, seen: map[ident.ID]uint64{}, observed: d.Mark, jobs: make(chan job, maxJobs), moved: make(chan struct{})}
}

// maxJobs is how many batches may be judged and not yet stored.
const maxJobs = 64

// roundEvery is how often the store is made durable and the bus acknowledged.
const roundEvery = time.Second

// Run moves batches until ctx ends, then makes durable what it has taken.
func (in *Ingest) Run(ctx context.Context) error {
	defer in.d.Pull.Stop() // What it holds but did not hand out is another's to take.
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stopping := context.AfterFunc(ctx, func() { time.AfterFunc(stopBound, cancel) })
	defer stopping()
	var beside sync.WaitGroup
	work, stop := context.WithCancel(ctx)
	defer stop()
	beside.Go(func() { in.settle(work) })
	kept := make(chan struct{})
	go func() { defer close(kept); in.keepAll(last) }()
	err := in.take(ctx)
	close(in.jobs)
	<-kept
	stop()
	beside.Wait()
	return errors.Join(err, in.round(last))
}

// stopBound is how long what was judged may take to be stored at the end.
const stopBound = 8 * time.Second

// job is a batch that was judged and waits to be stored.
type job struct {
	m       *bus.Message
	tenant  uint32
	events  []*event.Event
	refused []Refused
	found   int
}

// take judges batches in order and hands them on to be stored: a judgement does
// not wait for the store, which pauses while it makes itself durable.
func (in *Ingest) take(ctx context.Context) error {
	for {
		m, err := in.d.Pull.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fault.Wrap("ingest.next", err)
		}
		in.mu.Lock()
		in.taken++ // Before the first look at the matcher: see Settled.
		in.mu.Unlock()
		var j job
		if !in.again(ctx, m, func() (err error) { j, err = in.judge(ctx, m); return err }) {
			return nil
		}
		in.mark(func(at *Marks) { at.Judged = m.Seq })
		select {
		case in.jobs <- j:
		case <-ctx.Done():
			return nil
		}
	}
}

// again tries a step until it works. A part that is away (a full disk, a ledger
// that restarts) holds the line; the bus keeps what comes meanwhile and
// publishers wait. False means that ctx ended first.
func (in *Ingest) again(ctx context.Context, m *bus.Message, step func() error) bool {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := step()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		in.d.Log.Error("a batch cannot be processed; it is tried again", "org", m.From.Org, "node", m.From.ID, "seq", m.Seq, "err", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
		m.Again = true // Parts of it may be stored by now.
	}
}

// judge checks a batch, shows it to the rules and the matcher, and passes on
// what they found.
func (in *Ingest) judge(ctx context.Context, m *bus.Message) (job, error) {
	j := job{m: m}
	j.events, j.refused = in.d.Check(m.From, m.Data)
	var known bool
	if j.tenant, known = in.d.Tenant(m.From.Org); !known {
		j.refused = append(j.refused, Refused{Place: "batch", Reason: "the organisation of the node is not known here", Sample: m.Data[:min(len(m.Data), 1024)]})
		j.events = nil
	}
	found, err := in.d.Judge(ctx, j.events)
	if err != nil {
		return j, fault.Wrap("ingest.judge", err)
	}
	j.found = len(found)
	for _, f := range found {
		if err := in.d.Pass(ctx, f); err != nil {
			return j, fault.Wrap("ingest.pass", err)
		}
	}
	return j, nil
}

// keepAll stores what was judged, in order, until there is no more.
func (in *Ingest) keepAll(ctx context.Context) {
	for j := range in.jobs {
		if !in.again(ctx, j.m, func() error { return in.keep(ctx, j) }) {
			return
		}
		in.mu.Lock()
		in.pending, in.marks.Stored = j.m, j.m.Seq
		in.kept++
		close(in.moved)
		in.moved = make(chan struct{})
		in.mu.Unlock()
	}
}

func (in *Ingest) keep(ctx context.Context, j job) error {
	fresh, err := in.missing(ctx, j.tenant, j.events, j.m)
	if err != nil {
		return err
	}
	rows := make([]eventstore.Row, len(fresh))
	for i, e := range fresh {
		rows[i] = eventstore.Row{Tenant: j.tenant, Event: e}
	}
	err = in.d.Store.Append(ctx, rows)
	var bad eventstore.RefusedRows
	if errors.As(err, &bad) { // The others are stored.
		j.refused, err = append(j.refused, refusedRows(rows, bad)...), nil
	}
	if err != nil {
		return fault.Wrap("ingest.append", err)
	}
	if len(j.refused) > 0 {
		for i := range j.refused {
			j.refused[i].From = j.m.From
		}
		if err := in.d.Quarantine(ctx, j.refused); err != nil {
			return fault.Wrap("ingest.quarantine", err)
		}
	}
	in.observe(j.m, j.events)
	if in.d.Full() {
		if err := in.commit(ctx); err != nil {
			return fault.Wrap("ingest.commit", err)
		}
	}
	in.count(j, fresh)
	return nil
}

// Settled waits until everything that was judged, or is being judged, is in the
// store. Whoever loads an indicator into the matcher and then waits here finds in
// the store every event that the matcher has not seen with it.
func (in *Ingest) Settled(ctx context.Context) error {
	in.mu.Lock()
	target := in.taken
	for in.kept < target {
		moved := in.moved
		in.mu.Unlock()
		select {
		case <-ctx.Done():
			return fault.Wrap("ingest.settled", ctx.Err())
		case <-moved:
		}
		in.mu.Lock()
	}
	in.mu.Unlock()
	return nil
}

// maxSample is how much of a refused event is kept.
const maxSample = 4 << 10

func refusedRows(rows []eventstore.Row, bad eventstore.RefusedRows) []Refused {
	out := make([]Refused, len(bad))
	for i, x := range bad {
		e := rows[x.Index].Event
		sample, _ := event.AppendJSON(nil, e) // What cannot be written again is named by its uid.
		out[i] = Refused{Place: "event " + e.Metadata.UID, Reason: fault.PublicOf(x.Err), Sample: sample[:min(len(sample), maxSample)]}
	}
	return out
}

// missing returns the events that the store does not have. It is asked only
// when there is a reason: the batch was there before this start, or the node's
// sequence does not go on from what was appended since.
func (in *Ingest) missing(ctx context.Context, tenant uint32, events []*event.Event, m *bus.Message) ([]*event.Event, error) {
	if len(events) == 0 {
		return nil, nil
	}
	high, started := in.seen[m.From.ID]
	if !m.Again && started && events[0].Metadata.Sequence > high {
		return events, nil
	}
	uids := make([]string, len(events))
	from, to := events[0].Time, events[0].Time
	for i, e := range events {
		uids[i] = e.Metadata.UID
		from, to = min(from, e.Time), max(to, e.Time)
	}
	if err := in.d.Store.Flush(ctx); err != nil {
		return nil, fault.Wrap("ingest.flush", err)
	}
	have, err := in.d.Store.Known(ctx, tenant, uids, time.UnixMilli(from), time.UnixMilli(to+1))
	if err != nil {
		return nil, fault.Wrap("ingest.known", err)
	}
	var fresh []*event.Event
	for _, e := range events {
		if !have[e.Metadata.UID] {
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}

// observe shows the events to passive DNS, once: the lock keeps a commit from
// falling between the events and their mark.
func (in *Ingest) observe(m *bus.Message, events []*event.Event) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if m.Seq <= in.observed {
		return
	}
	for _, e := range events {
		in.d.Observe(m.From.Org, e)
	}
	in.observed = m.Seq
}

// commit makes passive DNS durable with its mark.
func (in *Ingest) commit(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.d.Commit(ctx, in.observed)
}

func (in *Ingest) count(j job, fresh []*event.Event) {
	for _, e := range j.events {
		in.seen[j.m.From.ID] = max(in.seen[j.m.From.ID], e.Metadata.Sequence)
	}
	in.stats.batches.Add(1)
	in.stats.events.Add(uint64(len(fresh)))
	in.stats.redelivered.Add(uint64(len(j.events) - len(fresh)))
	in.stats.refused.Add(uint64(len(j.refused)))
	in.stats.findings.Add(uint64(j.found))
}

// settle makes what was taken durable, round by round, beside the path, so that
// a judgement never waits for a disk.
func (in *Ingest) settle(ctx context.Context) {
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := in.round(ctx); err != nil && ctx.Err() == nil {
			in.d.Log.Error("a durable round failed; the bus keeps its batches", "err", err)
		}
	}
}

func (in *Ingest) round(ctx context.Context) error {
	in.mu.Lock()
	m := in.pending
	in.pending = nil
	in.mu.Unlock()
	if m == nil {
		return nil
	}
	err := in.d.Store.Sync(ctx)
	if err == nil {
		err = in.commit(ctx)
	}
	if err == nil {
		err = m.Ack(ctx)
	}
	if err == nil {
		in.mark(func(at *Marks) { at.Durable = m.Seq })
	} else {
		in.mu.Lock()
		if in.pending == nil {
			in.pending = m // The next round takes it along.
		}
		in.mu.Unlock()
	}
	return fault.Wrap("ingest.round", err)
}

// Stats returns the counters.
func (in *Ingest) Stats() Stats {
	return Stats{Batches: in.stats.batches.Load(), Events: in.stats.events.Load(), Refused: in.stats.refused.Load(),
		Redelivered: in.stats.redelivered.Load(), Findings: in.stats.findings.Load()}
}
