package attribute

import (
	"context"
	"strconv"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Filter chooses discoveries. Empty parts choose all.
type Filter struct {
	States     []State
	Org        ident.ID
	Confidence int       // at least
	Since      time.Time // first seen since
	Own        bool      // without names of third parties
	Text       string    // in the name or address
	Cursor     string    // Page.Next of the page before
	Limit      int       // 50 when zero, at most 500
}

// Page is one page of a list.
type Page struct {
	Items []Discovery
	Next  string
}

// NewSince is since when a discovery is new: for a week, and the rest of the day.
func NewSince(now time.Time) time.Time { return now.UTC().AddDate(0, 0, -7).Truncate(24 * time.Hour) }

// List returns discoveries, the newest first.
func (a *Attribution) List(ctx context.Context, s access.Scope, f Filter) (Page, error) {
	const op = "attribute.list"
	w, err := f.where(op)
	if err != nil {
		return Page{}, err
	}
	limit, orgs := ledger.PageSize(f.Limit), s.Within(f.Org)
	in, args := ledger.In(orgs)
	var p Page
	err = a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		p.Items = nil
		org := "org"
		if many, err := f.many(ctx, q, orgs); err != nil {
			return err
		} else if many {
			org = "org || ''" // The index on org is not to be used.
		}
		w := w // Read may run this again.
		w.And(org+" IN "+in, args...)
		rows, err := q.Query(ctx, `SELECT b.body FROM (SELECT id, first_seen FROM discovery WHERE `+w.SQL+` ORDER BY first_seen DESC, id DESC LIMIT `+strconv.Itoa(limit+1)+`) d
			JOIN discovery_body b ON b.id = d.id ORDER BY d.first_seen DESC, d.id DESC`, w.Args...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			r, err := scanRow(scan)
			p.Items = append(p.Items, r.Discovery)
			return err
		})
	})
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		last := p.Items[limit-1]
		p.Next = ledger.Cursor(ledger.Micros(last.FirstSeen), last.ID)
	}
	return p, fault.Wrap(op, err)
}

// many tells whether a page is found sooner among the newest of all than by sorting
// those of the scope: that is so where it has a good part of all.
func (f Filter) many(ctx context.Context, q ledger.Queryer, orgs []ident.ID) (bool, error) {
	states := f.States
	if len(states) == 0 {
		states = []State{Candidate, Certain, Confirmed, Rejected}
	}
	in, args := ledger.In(orgs)
	tabs, more := ledger.In(states)
	var own, all int64
	err := q.QueryRow(ctx, `SELECT CAST(COALESCE(SUM(CASE WHEN tab IN `+tabs+` AND org IN `+in+` THEN n ELSE 0 END), 0) AS BIGINT), CAST(COALESCE(SUM(n), 0) AS BIGINT)
		FROM discovery_count WHERE tab >= 'a'`, append(more, args...)...).Scan(&own, &all)
	return own*4 >= all, err
}

// where are the conditions of a filter but for the organisations: what is wanted is
// rarer than what is allowed, and so is asked first.
func (f Filter) where(op string) (w ledger.Where, err error) {
	ledger.AnyOf(&w, "state", f.States)
	if f.Confidence > 0 {
		w.And("confidence >= ?", f.Confidence)
	}
	if !f.Since.IsZero() {
		w.And("first_seen >= ?", ledger.Micros(f.Since))
	}
	if f.Own {
		w.And("third_party = 0")
	}
	if err := w.Search(op, "value", f.Text); err != nil {
		return w, err
	}
	return w, w.After(op, "first_seen", f.Cursor, ident.Discovery)
}

// Counts counts the discoveries of the scope by state, and those that are new
// since last week as "new".
func (a *Attribution) Counts(ctx context.Context, s access.Scope) (map[string]int64, error) {
	out := map[string]int64{string(Candidate): 0, string(Certain): 0, string(Confirmed): 0, string(Rejected): 0, "new": 0}
	in, args := ledger.In(s.Orgs())
	err := a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		// States stand behind every day.
		rows, err := q.Query(ctx, `SELECT tab, CAST(SUM(n) AS BIGINT) FROM discovery_count WHERE org IN `+in+` AND tab >= ? GROUP BY tab`, append(args, day(NewSince(a.d.Now())))...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var tab string
			var n int64
			err := scan(&tab, &n)
			if _, ok := out[tab]; !ok {
				tab = "new"
			}
			out[tab] += n
			return err
		})
	})
	return out, fault.Wrap("attribute.counts", err)
}

// Get returns one discovery with its evidence. One outside the scope is not
// there.
func (a *Attribution) Get(ctx context.Context, s access.Scope, id ident.ID) (Discovery, error) {
	var r row
	err := a.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		r, err = get(ctx, q, s, id)
		return err
	})
	r.Evidence = Explain(r.Facts, a.d.Now())
	return r.Discovery, fault.Wrap("attribute.get", err)
}

func get(ctx context.Context, q ledger.Queryer, s access.Scope, id ident.ID) (row, error) {
	r, err := scanRow(q.QueryRow(ctx, selectRow+` WHERE d.id = ?`, string(id)).Scan)
	if ledger.NoRows(err) || (err == nil && !s.Allows(r.Org)) {
		return row{}, fault.New(fault.NotFound, "attribute.get", "there is no such discovery here")
	}
	return r, err
}

// History is what became of a discovery.
func (a *Attribution) History(ctx context.Context, s access.Scope, id ident.ID) ([]ledger.Change, error) {
	if _, err := a.Get(ctx, s, id); err != nil {
		return nil, err
	}
	return a.d.DB.History(ctx, id)
}
