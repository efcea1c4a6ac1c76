// Package ingest is the path of observations through the hub: a bundle of
// batches is checked, judged, stored, and done with on the bus once the store
// and the findings are durable. What cannot be believed goes to the quarantine.
// It owns no data and no rule; app gives it its parts. Where the stores are
// remote, judging is one path and feeding each store another, with the same code
// and other parts left out.
//
// Nothing acknowledged is lost and nothing is counted twice: the bus delivers
// again whatever was not done with, the store is asked which events of a
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
	Reader *bus.Reader
	Check  func(from bus.Node, frame []byte) ([]*event.Event, []Refused)
	Tenant func(org ident.ID) (uint32, bool)
	// Quarantine keeps what could not be used; nil where another path does.
	Quarantine func(ctx context.Context, refused []Refused) error
	// Store takes the events; nil where others feed the stores.
	Store eventstore.Store
	// Judging is nil on a path that only feeds a store.
	Judging *Judging
	// Mine tells that no other hub has taken the path over; nil when there is none.
	Mine func() bool
	Log  *slog.Logger
}

// Judging is what looks at events beside the store.
type Judging struct {
	// Judge looks at events and returns the findings that are to be passed on.
	Judge func(ctx context.Context, events []*event.Event) ([]finding.Finding, error)
	// Pass hands a finding to the next stage, durably.
	Pass func(ctx context.Context, f finding.Finding) error
	// Observe, Cut and Commit keep passive DNS: Cut closes what was observed of
	// bundles up to mark, Commit makes durable what was cut.
	Observe func(seq uint64, org ident.ID, e *event.Event)
	Cut     func(mark uint64)
	Commit  func(ctx context.Context) error
	Full    func() bool // tells that a commit must not wait for the round
	Mark    uint64      // what was committed before
}

// Stats counts what went through since the start.
type Stats struct {
	Batches, Events, Refused, Redelivered, Findings uint64
}

// Add counts another path's in.
func (s *Stats) Add(o Stats) {
	s.Batches, s.Events, s.Refused = s.Batches+o.Batches, s.Events+o.Events, s.Refused+o.Refused
	s.Redelivered, s.Findings = s.Redelivered+o.Redelivered, s.Findings+o.Findings
}

// Ingest is the path.
type Ingest struct {
	d     Deps
	jobs  chan job
	seen  map[ident.ID]uint64 // node → highest sequence stored since the start
	pdns  map[ident.ID]uint64 // node → highest sequence that passive DNS has seen
	asked bool                // the store was made to show everything since the start

	mu       sync.Mutex
	pending  uint64    // the newest bundle that is stored and judged, and not done with
	commits  time.Time // when passive DNS was committed last
	marks    Marks
	observed uint64        // the newest bundle that passive DNS has seen
	taken    uint64        // bundles whose judgement began
	kept     uint64        // and those that are stored
	moved    chan struct{} // closed when kept grows
	stats    struct{ batches, events, refused, redelivered, findings atomic.Uint64 }
}

// New makes the path; Run moves along it.
func New(d Deps) *Ingest {
	start := d.Reader.Start()
	in := &Ingest{d: d, marks: Marks{start, start, start}, seen: map[ident.ID]uint64{}, pdns: map[ident.ID]uint64{}, jobs: make(chan job, maxJobs), moved: make(chan struct{})}
	if d.Judging != nil {
		in.observed = d.Judging.Mark
	}
	return in
}

// maxJobs is how many bundles may be judged and not yet stored.
const maxJobs = 8

// commitEvery is how often the store and passive DNS are made durable, which is
// the dearer the fewer names come twice and the more parts are small. What both
// have, the bus may forget. A path that only feeds a store does so every round.
const (
	roundEvery  = time.Second
	commitEvery = 5 * time.Second
)

// Run moves batches until ctx ends, then makes durable what it has taken.
func (in *Ingest) Run(ctx context.Context) error {
	defer in.d.Reader.Stop() // What it holds but did not hand out is another's to take.
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var beside sync.WaitGroup
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	work, stop := context.WithCancel(ctx)
	defer stop()
	beside.Go(func() { in.settle(work, give) })
	stopping := context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); cause == bus.Lost || errors.Is(cause, eventstore.Lost) {
			cancel()
			return
		}
		bound := stopBound
		if in.d.Mine != nil {
			bound = giveBound
		}
		time.AfterFunc(bound, cancel)
	})
	defer stopping()
	kept := make(chan struct{})
	go func() { defer close(kept); in.keepAll(last) }()
	err := in.take(ctx)
	close(in.jobs)
	<-kept
	stop()
	beside.Wait()
	if cause := context.Cause(ctx); cause == bus.Lost || errors.Is(cause, eventstore.Lost) {
		return cause // What is left is another's by now, or is begun again.
	}
	return errors.Join(err, in.round(last, true))
}

// stopBound is how long what was judged may take to be stored at the end.
// Where another hub goes on at the mark it is shorter than a hub needs to count
// as dead, or a last write could meet the other's.
const (
	stopBound = 8 * time.Second
	giveBound = time.Second
)

// job is a bundle that was judged and waits to be stored.
type job struct {
	m       *bus.Message
	parts   []part
	refused []Refused
	found   int
	tried   bool // it was tried to be stored before
}

// part is one batch of it.
type part struct {
	from   bus.Node
	tenant uint32
	events []*event.Event
}

// take judges bundles in order and hands them on to be stored: a judgement does
// not wait for the store, which pauses while it makes itself durable.
func (in *Ingest) take(ctx context.Context) error {
	for {
		m, err := in.d.Reader.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fault.Wrap("ingest.next", err)
		}
		in.mu.Lock()
		in.taken++ // Before the first look at the matcher: see Settled.
		in.mu.Unlock()
		j := in.open(m)
		if !in.again(ctx, m, func() error { return in.judge(ctx, &j) }) {
			return nil
		}
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
		in.d.Log.Error("a bundle cannot be processed; it is tried again", "role", "hub", "reader", in.d.Reader.Name(), "seq", m.Seq, "err", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
		m.Again = true // Parts of it may be stored by now.
	}
}

// open checks the batches of a bundle.
func (in *Ingest) open(m *bus.Message) job {
	j := job{m: m, parts: make([]part, 0, len(m.Batches))}
	for _, b := range m.Batches {
		events, refused := in.d.Check(b.From, b.Data)
		tenant, known := in.d.Tenant(b.From.Org)
		if !known {
			refused = append(refused, Refused{Place: "batch", Reason: "the organisation of the node is not known here", Sample: b.Data[:min(len(b.Data), 1024)]})
			events = nil
		}
		for i := range refused {
			refused[i].From = b.From
		}
		j.refused = append(j.refused, refused...)
		j.parts = append(j.parts, part{b.From, tenant, events})
	}
	m.Batches = nil // The frames are not needed any more.
	return j
}

// judge shows the events to the rules and the matcher, and passes on what they
// found.
func (in *Ingest) judge(ctx context.Context, j *job) error {
	if in.d.Judging == nil {
		return nil
	}
	var all []*event.Event
	for _, p := range j.parts {
		all = append(all, p.events...)
	}
	found, err := in.d.Judging.Judge(ctx, all)
	if err != nil {
		return fault.Wrap("ingest.judge", err)
	}
	for _, f := range found {
		if err := in.d.Judging.Pass(ctx, f); err != nil {
			return fault.Wrap("ingest.pass", err)
		}
	}
	j.found = len(found)
	in.mu.Lock()
	in.marks.Judged = j.m.Seq
	in.mu.Unlock()
	in.d.Reader.Judged(j.m.Seq)
	return nil
}

// keepAll stores what was judged, in order, until there is no more.
func (in *Ingest) keepAll(ctx context.Context) {
	for j := range in.jobs {
		if !in.again(ctx, j.m, func() error { defer func() { j.tried = true }(); return in.keep(ctx, j) }) {
			return
		}
		in.mu.Lock()
		in.pending, in.marks.Stored = j.m.Seq, j.m.Seq
		in.kept++
		close(in.moved)
		in.moved = make(chan struct{})
		in.mu.Unlock()
	}
}

func (in *Ingest) keep(ctx context.Context, j job) error {
	stored, bad, err := in.store(ctx, j)
	if err != nil {
		return err
	}
	refused := append(j.refused[:len(j.refused):len(j.refused)], bad...)
	if len(refused) > 0 && in.d.Quarantine != nil {
		if err := in.d.Quarantine(ctx, refused); err != nil {
			return fault.Wrap("ingest.quarantine", err)
		}
	}
	if in.d.Judging != nil {
		in.observe(j)
		if in.d.Judging.Full() {
			if err := in.commit(ctx); err != nil {
				return fault.Wrap("ingest.commit", err)
			}
		}
	}
	in.count(j, stored, len(refused))
	return nil
}

// store appends what the store does not have yet, and returns how much that was and
// what the store can never take.
func (in *Ingest) store(ctx context.Context, j job) (stored int, bad []Refused, err error) {
	if in.d.Store == nil {
		return 0, nil, nil
	}
	have, err := in.known(ctx, j)
	if err != nil {
		return 0, nil, err
	}
	var rows []eventstore.Row
	for _, p := range j.parts {
		for _, e := range p.events {
			if !have[p.tenant][e.Metadata.UID] {
				rows = append(rows, eventstore.Row{Tenant: p.tenant, Event: e})
			}
		}
	}
	if in.d.Mine != nil && !in.d.Mine() {
		return 0, nil, bus.Lost
	}
	err = in.d.Store.Append(ctx, rows)
	var r eventstore.RefusedRows
	if errors.As(err, &r) { // The others are stored.
		bad, err = refusedRows(rows, r), nil
	}
	return len(rows), bad, fault.Wrap("ingest.append", err)
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
		out[i] = Refused{From: bus.Node{Org: e.Metadata.Tenant, ID: e.Metadata.Reporter.UID}, Place: "event " + e.Metadata.UID, Reason: fault.PublicOf(x.Err), Sample: sample[:min(len(sample), maxSample)]}
	}
	return out
}

// observe shows the events to passive DNS, once: the lock keeps a cut from
// falling between the events and their mark. What a node sent twice is in two
// bundles, and known by its sequence.
func (in *Ingest) observe(j job) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if j.m.Seq <= in.observed {
		return
	}
	for _, p := range j.parts {
		high := in.pdns[p.from.ID]
		for _, e := range p.events {
			if e.Metadata.Sequence > high {
				in.d.Judging.Observe(j.m.Seq, p.from.Org, e)
				in.pdns[p.from.ID] = max(in.pdns[p.from.ID], e.Metadata.Sequence)
			}
		}
	}
	in.observed = j.m.Seq
}

// commit makes passive DNS durable with its mark, while events are judged.
func (in *Ingest) commit(ctx context.Context) error {
	if in.d.Judging == nil {
		return nil
	}
	in.mu.Lock()
	in.d.Judging.Cut(in.observed)
	in.mu.Unlock()
	return in.d.Judging.Commit(ctx)
}

func (in *Ingest) count(j job, stored, refused int) {
	sent := 0
	for _, p := range j.parts {
		sent += len(p.events)
		for _, e := range p.events {
			in.seen[p.from.ID] = max(in.seen[p.from.ID], e.Metadata.Sequence)
		}
	}
	if in.d.Store == nil {
		stored = sent
	}
	in.stats.batches.Add(uint64(len(j.parts)))
	in.stats.events.Add(uint64(stored))
	in.stats.redelivered.Add(uint64(sent - stored))
	in.stats.refused.Add(uint64(refused))
	in.stats.findings.Add(uint64(j.found))
}

// settle makes what was taken durable, round by round, beside the path, so that
// a judgement never waits for a disk.
func (in *Ingest) settle(ctx context.Context, give context.CancelCauseFunc) {
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := in.round(ctx, false)
		if errors.Is(err, eventstore.Lost) {
			give(err) // Whoever began this path begins it again at the mark.
			return
		}
		if err != nil && ctx.Err() == nil {
			in.d.Log.Error("a durable round failed; the bus keeps its bundles", "role", "hub", "reader", in.d.Reader.Name(), "err", err)
		}
	}
}

// round makes durable what was taken, and tells the bus what it may forget.
func (in *Ingest) round(ctx context.Context, whole bool) error {
	in.mu.Lock()
	seq, judged := in.pending, in.marks.Judged
	whole = whole || in.d.Judging == nil || time.Since(in.commits) >= commitEvery
	in.mu.Unlock()
	if in.d.Judging != nil {
		in.d.Reader.Judged(judged) // A receiver that missed it hears it now.
	}
	if seq == 0 || !whole {
		return nil
	}
	var err error
	if in.d.Store != nil {
		err = in.d.Store.Sync(ctx)
	}
	if err == nil {
		err = in.commit(ctx)
	}
	if err != nil {
		return fault.Wrap("ingest.round", err)
	}
	if err := in.d.Reader.Done(ctx, seq); err != nil {
		return fault.Wrap("ingest.round", err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.pending == seq {
		in.pending = 0
	}
	in.commits, in.marks.Durable = time.Now(), seq
	return nil
}

// Stats returns the counters.
func (in *Ingest) Stats() Stats {
	return Stats{Batches: in.stats.batches.Load(), Events: in.stats.events.Load(), Refused: in.stats.refused.Load(),
		Redelivered: in.stats.redelivered.Load(), Findings: in.stats.findings.Load()}
}
