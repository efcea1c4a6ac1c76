package hunt

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/analyse"
	"noroshi/analyse/match"
	"noroshi/eventstore"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/observable"
)

// look is one hunt under way.
type look struct {
	store       eventstore.Reader
	scope       access.Scope
	observables []observable.Observable
	matcher     *match.Set

	found map[ident.ID]*sightings // by indicator
	full  int                     // indicators of which no more is counted
}

// sightings is what was found of one indicator.
type sightings struct {
	list  []analyse.Sighting
	at    map[place]int // in list
	count int
}

type place struct{ org, node ident.ID }

var errEnough = errors.New("enough sightings")

// rows asks for the events, as far as record.go needs them. They come in any
// order, and are put into theirs here: sorting them in the engine would read all
// that it finds before the limit.
var rows = "* | fields " + strings.Join(columns, ", ") + " | limit " + strconv.Itoa(eventstore.MaxLimit)

// all looks at every row that the index finds. One query is enough for what is
// rare. For the rest it asks how many there are and since when, and cuts the
// time into answers of a good size.
func (l *look) all(ctx context.Context) error {
	end := time.Now().Add(48 * time.Hour)
	if done, err := l.once(ctx, end.Add(-forever), end); done || err != nil {
		return err
	}
	rows, err := l.store.Search(ctx, l.scope, eventstore.Query{LogsQL: "* | stats min(_time) first, max(_time) last, count() n", Observables: l.observables})
	if fault.KindOf(err) == fault.Exhausted {
		return l.sweep(ctx, end.Add(-forever), end)
	}
	if err != nil || len(rows) == 0 {
		return err
	}
	f := rows[0].Fields
	n, err := strconv.ParseInt(f["n"], 10, 64)
	if err != nil || n == 0 {
		return err
	}
	from, err := time.Parse(time.RFC3339Nano, f["first"])
	if err != nil {
		return err
	}
	to, err := time.Parse(time.RFC3339Nano, f["last"])
	if err != nil {
		return err
	}
	to = to.Add(time.Millisecond)
	step := max(time.Millisecond, to.Sub(from)/time.Duration(1+2*n/eventstore.MaxLimit)).Truncate(time.Millisecond)
	for ; from.Before(to); from = from.Add(step) {
		if err := l.sweep(ctx, from, earlier(to, from.Add(step))); err != nil {
			return err
		}
	}
	return nil
}

// sweep goes through a span of time, from its beginning to its end. A span with
// more rows than an answer holds, or that takes too long, is halved.
func (l *look) sweep(ctx context.Context, from, to time.Time) error {
	if done, err := l.once(ctx, from, to); done || err != nil {
		return err
	}
	middle := from.Add(to.Sub(from) / 2).Truncate(time.Millisecond)
	if err := l.sweep(ctx, from, middle); err != nil {
		return err
	}
	return l.sweep(ctx, middle, to)
}

// once looks at the rows of a span, unless these are more than an answer holds.
// Of ten thousand events in one millisecond the rest is not counted.
func (l *look) once(ctx context.Context, from, to time.Time) (done bool, err error) {
	found, err := l.store.Search(ctx, l.scope, eventstore.Query{LogsQL: rows, From: from, To: to, Observables: l.observables})
	last := to.Sub(from) < 2*time.Millisecond
	if err != nil {
		if k := fault.KindOf(err); !last && (k == fault.Exhausted || k == fault.TooLarge) {
			return false, nil
		}
		return false, err
	}
	if len(found) == eventstore.MaxLimit && !last {
		return false, nil
	}
	// The engine leaves events of one millisecond in any order.
	slices.SortFunc(found, func(x, y eventstore.Record) int {
		return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.Fields["metadata.uid"], y.Fields["metadata.uid"]))
	})
	for _, r := range found {
		if err := l.take(r); err != nil {
			return false, err
		}
	}
	return true, nil
}

// take counts a row for each indicator of which the matcher says that it is a
// sighting.
func (l *look) take(r eventstore.Record) error {
	seq, err := strconv.ParseUint(r.Fields["metadata.sequence"], 10, 64)
	if err != nil {
		return nil // Every stored event has one; a row without is not of the line.
	}
	p := place{ident.ID(r.Fields["metadata.tenant_uid"]), ident.ID(r.Fields["metadata.reporter.uid"])}
	for _, hit := range l.matcher.Match(eventOf(r)) {
		x := l.found[hit.Indicator.ID]
		if x == nil {
			x = &sightings{at: map[place]int{}}
			l.found[hit.Indicator.ID] = x
		}
		if x.count == MaxSightings {
			continue
		}
		n, ok := x.at[p]
		if !ok {
			n = len(x.list)
			x.at[p] = n
			x.list = append(x.list, analyse.Sighting{Org: p.org, Node: p.node, Device: device(r.Fields), First: r.Time})
		}
		s := &x.list[n]
		if len(s.Evidence) < finding.MaxEvidence {
			s.Evidence = append(s.Evidence, evidenceOf(r, hit.Field+": "+clip(hit.Value)))
		}
		s.Seqs, s.Last = append(s.Seqs, seq), r.Time
		if x.count++; x.count == MaxSightings {
			l.full++
		}
	}
	if l.full == l.matcher.Len() {
		return errEnough
	}
	return nil
}

func device(f map[string]string) string {
	if d := f["device.hostname"]; d != "" {
		return d
	}
	return f["metadata.reporter.hostname"]
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
