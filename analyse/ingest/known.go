package ingest

import (
	"context"
	"time"

	"noroshi/event"
	"noroshi/fault"
)

// known asks the store, once for each tenant, which events of a bundle it has. It
// is asked only when there is a reason: the bundle was there before this start,
// or a node's sequence does not go on from what was stored since. What was stored
// since must be made findable first, which costs, and is the rarer reason.
func (in *Ingest) known(ctx context.Context, j job) (map[uint32]map[string]bool, error) {
	doubts := map[uint32]*doubt{}
	flush := !in.asked // Another hub, which fed the store until now, may have stored it a moment ago.
	for _, p := range j.parts {
		if len(p.events) == 0 {
			continue
		}
		high, started := in.seen[p.from.ID]
		grows := started && p.events[0].Metadata.Sequence > high
		if grows && !j.m.Again {
			continue
		}
		flush = flush || started && !grows || j.tried
		d := doubts[p.tenant]
		if d == nil {
			d = &doubt{from: p.events[0].Time, to: p.events[0].Time}
			doubts[p.tenant] = d
		}
		d.add(p.events, j.m.Again)
	}
	if flush && len(doubts) > 0 {
		if err := in.d.Store.Flush(ctx); err != nil {
			return nil, fault.Wrap("ingest.flush", err)
		}
		in.asked = true
	}
	have := map[uint32]map[string]bool{}
	for tenant, d := range doubts {
		from, to := d.span()
		var err error
		if have[tenant], err = in.d.Store.Known(ctx, tenant, d.uids, from, to); err != nil {
			return nil, fault.Wrap("ingest.known", err)
		}
	}
	return have, nil
}

// doubt is what a tenant may have sent before.
type doubt struct {
	uids     []string
	from, to int64 // milliseconds
	anywhere bool  // a node that repeats itself may lie about the time
}

func (d *doubt) add(events []*event.Event, again bool) {
	for _, e := range events {
		d.uids = append(d.uids, e.Metadata.UID)
		d.from, d.to = min(d.from, e.Time), max(d.to, e.Time)
	}
	d.anywhere = d.anywhere || !again
}

func (d *doubt) span() (from, to time.Time) {
	if d.anywhere {
		return time.Unix(0, 0), time.Now().Add(forever)
	}
	return time.UnixMilli(d.from), time.UnixMilli(d.to + 1)
}

// forever is further ahead than a store takes events.
const forever = 10 * 24 * time.Hour
