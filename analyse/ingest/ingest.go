// Package ingest is the one path of observations through the hub: a batch is
// checked, appended to the event store, judged, and acknowledged to the bus
// once the store and the findings are durable. What cannot be believed goes to
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
	seen map[ident.ID]uint64 // node → highest sequence appended since the start

	mu       sync.Mutex
	pending  *bus.Message // the newest batch that is appended and judged
	observed uint64       // the newest batch that passive DNS has seen
	stats    struct{ batches, events, refused, redelivered, findings atomic.Uint64 }
}

// New makes the path; Run moves along it.
func New(d Deps) *Ingest {
	return &Ingest{d: d, seen: map[ident.ID]uint64{}, observed: d.Mark}
}

// roundEvery is how often the store is made durable and the bus acknowledged.
const roundEvery = time.Second

// Run moves batches until ctx ends, then makes durable what it has taken.
func (in *Ingest) Run(ctx context.Context) error {
	defer in.d.Pull.Stop() // What it holds but did not hand out is another's to take.
	work, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- in.settle(work) }()
	err := in.take(work)
	stop()
	err = errors.Join(err, <-done)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, in.round(last))
}

func (in *Ingest) take(ctx context.Context) error {
	for {
		m, err := in.d.Pull.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fault.Wrap("ingest.next", err)
		}
		// A part that is away (a full disk, a ledger that restarts) holds the
		// line; the bus keeps what comes meanwhile and publishers wait.
		for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
			err := in.batch(ctx, m)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return nil
			}
			in.d.Log.Error("a batch cannot be processed; it is tried again", "org", m.From.Org, "node", m.From.ID, "seq", m.Seq, "err", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(wait):
			}
			m.Again = true // Parts of it may be stored by now.
		}
		in.mu.Lock()
		in.pending = m
		in.mu.Unlock()
	}
}

func (in *Ingest) batch(ctx context.Context, m *bus.Message) error {
	events, refused := in.d.Check(m.From, m.Data)
	tenant, known := in.d.Tenant(m.From.Org)
	if !known {
		refused = append(refused, Refused{Place: "batch", Reason: "the organisation of the node is not known here", Sample: m.Data[:min(len(m.Data), 1024)]})
		events = nil
	}
	fresh, err := in.missing(ctx, tenant, events, m)
	if err != nil {
		return err
	}
	rows := make([]eventstore.Row, len(fresh))
	for i, e := range fresh {
		rows[i] = eventstore.Row{Tenant: tenant, Event: e}
	}
	err = in.d.Store.Append(ctx, rows)
	var bad eventstore.RefusedRows
	if errors.As(err, &bad) { // The others are stored.
		refused, err = append(refused, refusedRows(rows, bad)...), nil
	}
	if err != nil {
		return fault.Wrap("ingest.append", err)
	}
	found, err := in.d.Judge(ctx, events)
	if err != nil {
		return fault.Wrap("ingest.judge", err)
	}
	for _, f := range found {
		if err := in.d.Pass(ctx, f); err != nil {
			return fault.Wrap("ingest.pass", err)
		}
	}
	if len(refused) > 0 {
		for i := range refused {
			refused[i].From = m.From
		}
		if err := in.d.Quarantine(ctx, refused); err != nil {
			return fault.Wrap("ingest.quarantine", err)
		}
	}
	in.observe(m, events)
	if in.d.Full() {
		if err := in.commit(ctx); err != nil {
			return fault.Wrap("ingest.commit", err)
		}
	}
	in.count(m, events, fresh, refused, found)
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

func (in *Ingest) count(m *bus.Message, events, fresh []*event.Event, refused []Refused, found []finding.Finding) {
	for _, e := range events {
		in.seen[m.From.ID] = max(in.seen[m.From.ID], e.Metadata.Sequence)
	}
	in.stats.batches.Add(1)
	in.stats.events.Add(uint64(len(fresh)))
	in.stats.redelivered.Add(uint64(len(events) - len(fresh)))
	in.stats.refused.Add(uint64(len(refused)))
	in.stats.findings.Add(uint64(len(found)))
}

// settle makes what was taken durable, round by round, beside the path, so that
// a judgement never waits for a disk.
func (in *Ingest) settle(ctx context.Context) error {
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
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
	if err != nil {
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
