package main

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/api"
	"noroshi/bench/kit"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
)

// patience is how long the chain may stand still, once the storm is over, while
// something is not in its place.
const patience = 2 * time.Minute

// verify looks at what is left: events, findings, decisions, and what resolvers
// do with the hub and without it.
func (s *storm) verify(ctx context.Context) error {
	fmt.Fprintln(s.out, "soak: calm; the spools empty")
	for _, e := range s.eyes {
		if err := e.finish(patience); err != nil {
			return err
		}
	}
	seen, err := s.events(ctx)
	if err != nil {
		return err
	}
	if err := s.counted(ctx, seen); err != nil {
		return err
	}
	if err := s.decisions(ctx); err != nil {
		return err
	}
	return s.alone(ctx)
}

// shown is what the store shows: the sequences of each node, and how many of
// its events are the bait.
type shown struct {
	seqs map[ident.ID][]uint64
	bait map[ident.ID]int64
}

// events compares the store with the promises. It waits while the store gets more
// of them: a backlog takes its time on a busy machine.
func (s *storm) events(ctx context.Context) (shown, error) {
	fmt.Fprintln(s.out, "soak: every promised event is looked for")
	least, until := math.MaxInt, time.Now()
	for {
		seen, err := s.read(ctx)
		if err != nil {
			return seen, err
		}
		lost := s.missing(seen)
		if len(lost) < least {
			least, until = len(lost), time.Now().Add(patience)
		}
		if len(lost) > 0 && time.Now().Before(until) && ctx.Err() == nil {
			rest(ctx, time.Second)
			continue
		}
		for _, l := range lost {
			s.report.Lost++
			s.fault("lost: event %s of %s", l.uid, l.at().Format(time.StampMicro))
		}
		for _, e := range s.eyes {
			s.report.Acknowledged += len(e.promises())
		}
		s.twice(seen)
		return seen, nil
	}
}

type lostEvent struct {
	uid string
	seq uint64
}

// at is near when it was emitted: a spool's sequences begin at the clock.
func (l lostEvent) at() time.Time { return time.UnixMicro(int64(l.seq)) }

func (s *storm) missing(seen shown) (lost []lostEvent) {
	for _, e := range s.eyes {
		have := seen.seqs[e.id.Node]
		slices.Sort(have)
		for _, seq := range e.promises() {
			if _, ok := slices.BinarySearch(have, seq); !ok {
				lost = append(lost, lostEvent{string(e.id.Node) + "." + strconv.FormatUint(seq, 36), seq})
			}
		}
	}
	return lost
}

// twice reports what the store shows more than once, of whatever node.
func (s *storm) twice(seen shown) {
	for node, have := range seen.seqs {
		slices.Sort(have)
		for i := range have[1:] {
			if have[i] == have[i+1] {
				s.report.Duplicated++
				s.fault("twice: event %s.%s", node, strconv.FormatUint(have[i], 36))
			}
		}
	}
}

// read reads the whole store, in spans that fit into a page.
func (s *storm) read(ctx context.Context) (shown, error) {
	out := shown{map[ident.ID][]uint64{}, map[ident.ID]int64{}}
	end := time.Now().Add(time.Minute)
	for from := s.began.Add(-time.Minute).Truncate(time.Millisecond); from.Before(end); from = from.Add(10 * time.Second) {
		if err := s.span(ctx, from, from.Add(10*time.Second), &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

const page = 10_000

func (s *storm) span(ctx context.Context, from, to time.Time, out *shown) error {
	q := url.Values{"q": {`* | fields _time, metadata.uid, query.hostname`}, "limit": {strconv.Itoa(page)},
		"from": {from.UTC().Format(time.RFC3339Nano)}, "to": {to.UTC().Format(time.RFC3339Nano)}}
	var r api.SearchResult
	if err := s.hub.API.Get(ctx, "/api/v1/search?"+q.Encode(), &r); err != nil {
		return err
	}
	if r.Truncated && to.Sub(from) > time.Millisecond {
		middle := from.Add(to.Sub(from) / 2).Truncate(time.Millisecond)
		if err := s.span(ctx, from, middle, out); err != nil {
			return err
		}
		return s.span(ctx, middle, to, out)
	}
	for _, row := range r.Rows {
		node, number, _ := strings.Cut(row.Fields["metadata.uid"], ".")
		seq, err := strconv.ParseUint(number, 36, 64)
		if err != nil {
			return fmt.Errorf("a stored event has the uid %q", row.Fields["metadata.uid"])
		}
		id := ident.ID(node)
		out.seqs[id] = append(out.seqs[id], seq)
		if row.Fields["query.hostname"] == bait {
			out.bait[id]++
		}
	}
	return nil
}

// counted compares the findings with the events that made them.
func (s *storm) counted(ctx context.Context, seen shown) error {
	fmt.Fprintln(s.out, "soak: findings are counted")
	for _, e := range s.eyes {
		var n int64
		err := s.settle(ctx, func() (bool, error) {
			var list api.Page[finding.Finding, finding.State]
			err := s.hub.API.Get(ctx, "/api/v1/findings?limit=500&org="+string(e.id.Org), &list)
			n = 0
			for _, f := range list.Items {
				if f.Rule.ID == baitRule && f.Node == e.id.Node {
					n += f.Count
				}
			}
			return n >= seen.bait[e.id.Node], err
		})
		if err != nil {
			return err
		}
		switch want := seen.bait[e.id.Node]; {
		case n < want:
			s.report.Lost += int(want - n)
			s.fault("%s: the finding counts %d of %d events", e.id.Node, n, want)
		case n > want:
			s.report.Duplicated += int(n - want)
			s.fault("%s: the finding counts %d, but there are %d events", e.id.Node, n, want)
		}
	}
	return nil
}

// settle asks until it is so, or patience ends; then what is, counts.
func (s *storm) settle(ctx context.Context, ask func() (bool, error)) error {
	for until := time.Now().Add(patience); ; {
		ok, err := ask()
		if ok || err != nil || time.Now().After(until) || ctx.Err() != nil {
			return err
		}
		rest(ctx, 100*time.Millisecond)
	}
}

// decisions compares the ledger with what people were told, and every resolver
// with the ledger.
func (s *storm) decisions(ctx context.Context) error {
	fmt.Fprintf(s.out, "soak: %d decisions are looked at on every resolver\n", len(s.people.made))
	for _, d := range s.people.made {
		var detail api.IndicatorDetail
		if err := s.hub.API.Get(ctx, "/api/v1/indicators/"+string(d.id), &detail); err != nil {
			s.report.Lost++
			s.fault("lost: the decision on %s (%s): %v", d.name, d.id, err)
			continue
		}
		if d.want != "" {
			s.report.Acknowledged++
		}
		if is := detail.Indicator.State; d.want != "" && is != d.want {
			s.report.Lost++
			s.fault("lost: %s was confirmed to be %s, and is %s", d.name, d.want, is)
		}
		d.want = detail.Indicator.State
		if err := s.enforced(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// enforced waits until every resolver does what the ledger says of a name.
func (s *storm) enforced(ctx context.Context, d *decided) error {
	want := map[indicator.State]string{indicator.Active: kit.Blocked, indicator.Revoked: kit.Through}[d.want]
	for _, r := range s.resolvers {
		var said string
		err := s.settle(ctx, func() (bool, error) {
			said = kit.Ask(ctx, kit.Loopback, r.Addr, "udp", d.name, wire.TypeA)
			return said == want, nil
		})
		switch {
		case err != nil:
			return err
		case said == kit.Through:
			if want != kit.Through {
				s.unfiltered(fmt.Sprintf("%s says %s of %s, which is %s", r.Dir, said, d.name, d.want))
			}
		case said != want:
			s.fault("%s says %s of %s, which is %s", r.Dir, said, d.name, d.want)
		}
	}
	return nil
}

// alone kills the hub for good and every resolver once: they must still block
// what they blocked, and serve the rest.
func (s *storm) alone(ctx context.Context) error {
	fmt.Fprintln(s.out, "soak: the hub is gone, and every resolver starts anew")
	if err := s.killing(s.hub.Kill)(); err != nil {
		return err
	}
	for _, r := range s.resolvers {
		if err := s.killing(r.Kill)(); err != nil {
			return err
		}
		if err := r.Start(ctx); err != nil {
			return err
		}
	}
	for _, d := range s.people.made {
		if err := s.enforced(ctx, d); err != nil {
			return err
		}
	}
	return nil
}
