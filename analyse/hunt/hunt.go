// Package hunt looks back: it finds the past sightings of an indicator in
// everything that is stored. App calls it for each indicator that becomes
// active, after the live matcher has it, so that no event falls between. What a
// sighting is the live matcher says, here as there; findings and their counts
// are package analyse's.
package hunt

import (
	"context"
	"errors"
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
	"noroshi/indicator"
)

// MaxSightings bounds how many past events of one indicator are counted. Who
// shows an indicator more often has it known.
const MaxSightings = 1_000_000

// forever is a span that holds whatever a store may hold.
const forever = 20 * 365 * 24 * time.Hour

// Hunter looks back in a store.
type Hunter struct{ store eventstore.Store }

// New makes a hunter.
func New(store eventstore.Store) *Hunter { return &Hunter{store} }

// Hunt returns the past sightings of an indicator, one per organisation and
// node, the earliest first. The scope says where it may look.
func (h *Hunter) Hunt(ctx context.Context, s access.Scope, ind indicator.Indicator) ([]analyse.Sighting, error) {
	q, err := Query(ind.Observable)
	if err != nil {
		return nil, err
	}
	if len(s.Tenants()) == 0 {
		return nil, nil
	}
	if err := h.store.Flush(ctx); err != nil {
		return nil, fault.Wrap("hunt.flush", err)
	}
	look := &look{store: h.store, scope: s, filter: q, matcher: match.New(), at: map[place]int{}}
	// What the indicator is good for today does not matter for what was seen.
	ind.State, ind.ValidUntil = indicator.Active, time.Now().Add(forever)
	look.matcher.Put(ind)
	if err := look.all(ctx); err != nil && !errors.Is(err, errEnough) {
		return nil, fault.Wrap("hunt.sweep", err)
	}
	if err := look.evidence(ctx); err != nil {
		return nil, fault.Wrap("hunt.evidence", err)
	}
	return look.found, nil
}

// needed are the fields that the matcher looks at and a sighting is made of.
var needed = ` | fields ` + quoteAll(fields) + ` | sort by (_time)`

var fields = []string{"_time", "class", "metadata.tenant_uid", "metadata.reporter.uid", "metadata.reporter.hostname", "metadata.sequence", "metadata.uid",
	"device.hostname", "query.hostname", "answers.rdata", "src_endpoint.ip", "src_endpoint.hostname", "dst_endpoint.ip", "dst_endpoint.hostname",
	"process.pid", "process.cmd_line", "process.file.hashes.md5", "process.file.hashes.sha1", "process.file.hashes.sha256",
	"actor.process.cmd_line", "actor.process.file.hashes.md5", "actor.process.file.hashes.sha1", "actor.process.file.hashes.sha256"}

func quoteAll(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = quote(n)
	}
	return strings.Join(out, ", ")
}

type place struct{ org, node ident.ID }

// look is one hunt under way.
type look struct {
	store   eventstore.Store
	scope   access.Scope
	filter  string
	matcher *match.Set

	found []analyse.Sighting
	at    map[place]int // in found
	count int
	first []shown // the events that become evidence
}

type shown struct {
	sighting int
	uid      string
	matched  string
}

var errEnough = errors.New("enough sightings")

// all looks at every row that the filter finds. One query is enough for what is
// rare. For the rest it asks how many there are and since when, and cuts the
// time into answers of a good size.
func (l *look) all(ctx context.Context) error {
	end := time.Now().Add(48 * time.Hour)
	if done, err := l.once(ctx, end.Add(-forever), end); done || err != nil {
		return err
	}
	rows, err := l.store.Search(ctx, l.scope, eventstore.Query{LogsQL: l.filter + " | stats min(_time) first, max(_time) last, count() n"})
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
	rows, err := l.store.Search(ctx, l.scope, eventstore.Query{LogsQL: l.filter + needed, From: from, To: to})
	last := to.Sub(from) < 2*time.Millisecond
	if err != nil {
		if k := fault.KindOf(err); !last && (k == fault.Exhausted || k == fault.TooLarge) {
			return false, nil
		}
		return false, err
	}
	if len(rows) == eventstore.MaxLimit && !last {
		return false, nil
	}
	for _, r := range rows {
		if l.count++; l.count > MaxSightings {
			return false, errEnough
		}
		l.take(r)
	}
	return true, nil
}

// take counts a row if the matcher says that it is a sighting.
func (l *look) take(r eventstore.Record) {
	seq, err := strconv.ParseUint(r.Fields["metadata.sequence"], 10, 64)
	if err != nil {
		return // Every stored event has one; a row without is not of the line.
	}
	hits := l.matcher.Match(eventOf(r))
	if len(hits) == 0 {
		return
	}
	p := place{ident.ID(r.Fields["metadata.tenant_uid"]), ident.ID(r.Fields["metadata.reporter.uid"])}
	n, ok := l.at[p]
	if !ok {
		n = len(l.found)
		l.at[p] = n
		l.found = append(l.found, analyse.Sighting{Org: p.org, Node: p.node, Device: device(r.Fields), First: r.Time})
	}
	s := &l.found[n]
	if len(s.Seqs) < finding.MaxEvidence {
		l.first = append(l.first, shown{n, r.Fields["metadata.uid"], hits[0].Field + ": " + clip(hits[0].Value)})
	}
	s.Seqs, s.Last = append(s.Seqs, seq), r.Time
}

func device(f map[string]string) string {
	if d := f["device.hostname"]; d != "" {
		return d
	}
	return f["metadata.reporter.hostname"]
}

// evidence fetches the first events of each sighting whole.
func (l *look) evidence(ctx context.Context) error {
	for len(l.first) > 0 {
		list, n := identifiers(l.first)
		part := l.first[:n]
		l.first = l.first[n:]
		from, to := l.found[part[0].sighting].First, l.found[part[0].sighting].Last
		for _, x := range part {
			from, to = earlier(from, l.found[x.sighting].First), later(to, l.found[x.sighting].Last)
		}
		rows, err := l.store.Search(ctx, l.scope, eventstore.Query{LogsQL: `"metadata.uid":in(` + list + `) | limit ` + strconv.Itoa(eventstore.MaxLimit), From: from, To: to.Add(time.Millisecond)})
		if err != nil {
			return err
		}
		whole := map[string]eventstore.Record{}
		for _, r := range rows {
			whole[r.Fields["metadata.uid"]] = r
		}
		for _, x := range part {
			if r, ok := whole[x.uid]; ok {
				s := &l.found[x.sighting]
				s.Evidence = append(s.Evidence, evidenceOf(r, x.matched))
			}
		}
	}
	return nil
}

// Bounds of one query for whole events. What others name their events may be
// written four times as long in a query.
const (
	maxList   = eventstore.MaxQuery - 100
	maxEvents = 100
)

// identifiers writes the list of as many events as one query takes, at least one.
func identifiers(all []shown) (list string, n int) {
	for n < len(all) && n < maxEvents {
		next := quote(all[n].uid)
		if n > 0 && len(list)+1+len(next) > maxList {
			break
		}
		if n > 0 {
			list += ","
		}
		list += next
		n++
	}
	return list, n
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
