// Package intake is what the hub checks of a batch before it believes it: that
// it can be opened, that every line is an event, and that no event lies about
// the organisation, the node or the time. What fails goes to the quarantine
// with its place and its reason; the rest goes on. It keeps nothing itself: the
// ingest loop calls Check and stores both halves.
package intake

import (
	"math"
	"strconv"
	"time"

	"noroshi/bus"
	"noroshi/event"
	"noroshi/fault"
)

// Bounds of an event's time, seen from the hub's clock. A node that was away
// for a month still delivers; a clock that runs ahead is refused soon, because
// an event from the future would stand above all others.
const (
	MaxAge   = 30 * 24 * time.Hour
	MaxAhead = 5 * time.Minute
)

// Refused is what could not be used.
type Refused struct {
	Place  string // "line 12", or "batch"
	Reason string
	Sample []byte // at most MaxSample bytes of it
}

// MaxSample is how much of refused input is kept for the person who looks.
const MaxSample = 4 << 10

// Check opens a batch that came from a node and splits it into events that can
// be believed and what cannot.
func Check(from bus.Node, frame []byte, now time.Time) ([]*event.Event, []Refused) {
	events, bad, err := bus.DecodeBatch(frame)
	if err != nil {
		return nil, []Refused{{Place: "batch", Reason: fault.PublicOf(err), Sample: clip(frame)}}
	}
	var refused []Refused
	for _, b := range bad {
		refused = append(refused, Refused{Place: "line " + strconv.Itoa(b.Line), Reason: fault.PublicOf(b.Err), Sample: clip(b.Raw)})
	}
	good := events[:0]
	var last uint64
	for _, e := range events {
		err := believe(from, e, now)
		if err == nil && e.Metadata.Sequence <= last {
			err = fault.New(fault.Denied, "intake.check", "the sequence %d does not follow %d: the event is there twice, or out of order", e.Metadata.Sequence, last)
		}
		if err != nil {
			sample, _ := event.AppendJSON(nil, e)
			refused = append(refused, Refused{Place: "event " + e.Metadata.UID, Reason: fault.PublicOf(err), Sample: clip(sample)})
			continue
		}
		last = e.Metadata.Sequence
		e.FindObservables() // Both the matcher and the store will ask.
		good = append(good, e)
	}
	return good, refused
}

func believe(from bus.Node, e *event.Event, now time.Time) error {
	const op = "intake.believe"
	m := &e.Metadata
	switch {
	case m.Tenant != from.Org:
		return fault.New(fault.Denied, op, "the event claims the organisation %s, but the node belongs to %s", m.Tenant, from.Org)
	case m.Reporter.UID != from.ID:
		return fault.New(fault.Denied, op, "the event claims the node %s, but %s sent it", m.Reporter.UID, from.ID)
	case m.UID != string(from.ID)+"."+strconv.FormatUint(m.Sequence, 36):
		return fault.New(fault.Denied, op, "the event's uid is not made of its node and its sequence, so it could be shown twice")
	}
	if m.Sequence > math.MaxInt64 {
		return fault.New(fault.Invalid, op, "the sequence %d is larger than any record of it could be", m.Sequence)
	}
	t := time.UnixMilli(e.Time)
	if d := t.Sub(now); d > MaxAhead {
		return fault.New(fault.Invalid, op, "the event's time is %s ahead of the hub; is the node's clock right?", d.Round(time.Second))
	}
	if d := now.Sub(t); d > MaxAge {
		return fault.New(fault.Invalid, op, "the event is %d days old; %d are accepted", int(d.Hours()/24), int(MaxAge.Hours()/24))
	}
	return nil
}

func clip(b []byte) []byte { return b[:min(len(b), MaxSample)] }
