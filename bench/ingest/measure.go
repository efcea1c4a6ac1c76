package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"noroshi/api"
	"noroshi/bench/kit"
	"noroshi/finding"
)

// stored asks the hub how many events it finds.
func stored(ctx context.Context, h *kit.Hub) (int, error) {
	var r api.SearchResult
	if err := h.API.Get(ctx, "/api/v1/search?q="+url.QueryEscape("* | stats count() n"), &r); err != nil || len(r.Rows) == 0 {
		return 0, err
	}
	return strconv.Atoi(r.Rows[0].Fields["n"])
}

// settle is how long the hub is watched after it has everything, so that what it
// does later on (the last durable round, passive DNS, findings) is counted too.
const settle = 3 * time.Second

// ceilings are what a hub takes when it is offered more.
type ceilings struct {
	burst     float64 // events acknowledged in a second, of the first ten seconds
	sustained float64 // stored, judged and found, of the whole time
	perCPU    float64
}

// burst is how long a hub may leave for later what it must do in the end, such as
// merging what it stored.
const burst = 10 * time.Second

// ceiling sends events as fast as the hub takes them, for some time, and waits
// until all are stored. Each event is judged on its way, before or while it is
// stored.
func ceiling(ctx context.Context, h *kit.Hub, all []*node, last time.Duration, size int) (c ceilings, err error) {
	before, err := stored(ctx, h)
	if err != nil {
		return c, err
	}
	cpu, err := kit.CPU(h.PID())
	if err != nil {
		return c, err
	}
	began := time.Now()
	var taken, early atomic.Int64
	first := time.AfterFunc(burst, func() { early.Store(taken.Load()) })
	defer first.Stop()
	if err := flood(ctx, all, last, size, &taken); err != nil {
		return c, err
	}
	c.burst = float64(early.Load()) / burst.Seconds()
	events := int(taken.Load())
	for have := 0; have < events; {
		if have, err = stored(ctx, h); err != nil {
			return c, err
		}
		have -= before
		// Asking is work too: half the time that is left is waited first.
		left := time.Since(began) * time.Duration(events-have) / time.Duration(max(have, events/100))
		select {
		case <-ctx.Done():
			return c, fmt.Errorf("the hub stored %d of %d events: %w", have, events, ctx.Err())
		case <-time.After(min(max(left/2, 50*time.Millisecond), 5*time.Second)):
		}
	}
	c.sustained = float64(events) / time.Since(began).Seconds()
	time.Sleep(settle)
	after, err := kit.CPU(h.PID())
	c.perCPU = float64(events) / (after - cpu).Seconds()
	return c, err
}

// lags is how long probes took until they were found by a search, and until they
// were judged, and how busy the hub was meanwhile.
type lags struct {
	searchable, judged []time.Duration
	processors         float64
}

// lag follows probes while the hub is at work at a rate. They are sent at random
// moments, so that they do not fall into step with anything that the hub does
// regularly.
func lag(ctx context.Context, h *kit.Hub, all []*node, rate float64, probes, offset int) (l lags, err error) {
	cpu, err := kit.CPU(h.PID())
	if err != nil {
		return l, err
	}
	work, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- pace(work, all, rate) }()
	defer func() {
		stop()
		if perr := <-ended; err == nil {
			err = perr
		}
	}()
	sent := map[string]time.Time{}
	began := time.Now()
	next := began.Add(2 * time.Second) // Until it runs evenly.
	for n := 0; n < probes || len(sent) > 0; {
		if now := time.Now(); n < probes && now.After(next) {
			name := probe(offset + n)
			all[rand.N(len(all))].follow(name, now)
			sent[name] = now
			next = now.Add(time.Duration(rand.ExpFloat64() * float64(100*time.Millisecond)))
			n++
		}
		found, err := seen(ctx, h, oldest(sent))
		if err != nil {
			return l, err
		}
		for _, name := range found {
			if at, ok := sent[name]; ok {
				l.searchable = append(l.searchable, time.Since(at))
				delete(sent, name)
			}
		}
		select {
		case <-ctx.Done():
			return l, fmt.Errorf("%d probes were not found: %w", len(sent), ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	after, err := kit.CPU(h.PID())
	if err != nil {
		return l, err
	}
	l.processors = (after - cpu).Seconds() / time.Since(began).Seconds()
	l.judged, err = judged(ctx, h, began)
	return l, err
}

// oldest is shortly before the first probe that was not found yet.
func oldest(sent map[string]time.Time) time.Time {
	first := time.Now()
	for _, at := range sent {
		if at.Before(first) {
			first = at
		}
	}
	return first.Add(-time.Second)
}

// seen lists the probes that a search finds.
func seen(ctx context.Context, h *kit.Hub, since time.Time) ([]string, error) {
	var r api.SearchResult
	q := url.Values{"q": {`query.hostname:"lag-probe.com" | fields query.hostname`}, "from": {since.UTC().Format(time.RFC3339Nano)}, "limit": {"10000"}}
	err := h.API.Get(ctx, "/api/v1/search?"+q.Encode(), &r)
	var out []string
	for _, row := range r.Rows {
		out = append(out, row.Fields["query.hostname"])
	}
	return out, err
}

// judged is how long after their event the findings of the probes were made.
func judged(ctx context.Context, h *kit.Hub, since time.Time) (out []time.Duration, err error) {
	q := url.Values{"q": {"lag-probe.com"}, "limit": {"500"}}
	for {
		var p api.Page[finding.Finding, finding.State]
		if err := h.API.Get(ctx, "/api/v1/findings?"+q.Encode(), &p); err != nil {
			return nil, err
		}
		for _, f := range p.Items {
			if f.FirstSeen.After(since) {
				out = append(out, f.FoundAt.Sub(f.FirstSeen))
			}
		}
		if p.Next == "" {
			return out, nil
		}
		q.Set("cursor", p.Next)
	}
}
