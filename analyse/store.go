package analyse

import (
	"context"
	"strconv"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// Filter chooses findings. Empty parts choose all.
type Filter struct {
	States    []finding.State
	Level     finding.Level // at least
	Org       ident.ID
	Realm     label.Realm
	Source    finding.Source
	Indicator ident.ID
	Text      string // in titles, devices and observables
	Cursor    string // Page.Next of the page before
	Limit     int    // 50 when zero, at most 500
}

// Page is one page of a list.
type Page struct {
	Items []finding.Finding
	Next  string // cursor of the next page; "" on the last
}

// manyOrgs is the scope from which walking the latest findings of all is
// faster than collecting those of each organisation and sorting them.
const manyOrgs = 200

// List returns findings, the latest first. Only organisations of the scope are
// in the question that the ledger is asked.
func (a *Analyser) List(ctx context.Context, s access.Scope, f Filter) (Page, error) {
	w, err := f.where(s)
	if err != nil {
		return Page{}, err
	}
	limit := ledger.PageSize(f.Limit)
	var p Page
	err = a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, selectFinding+` WHERE `+w.SQL+` ORDER BY last_seen DESC, id DESC LIMIT `+strconv.Itoa(limit+1), w.Args...)
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			x, err := scan(scanner(sc))
			p.Items = append(p.Items, x)
			return err
		})
	})
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		last := p.Items[limit-1]
		p.Next = ledger.Cursor(ledger.Micros(last.LastSeen), last.ID)
	}
	return p, fault.Wrap("analyse.list", err)
}

// where is the condition of a filter within a scope.
func (f Filter) where(s access.Scope) (w ledger.Where, err error) {
	const op = "analyse.list"
	orgs := s.Within(f.Org)
	in, args := ledger.In(orgs)
	if len(orgs) > manyOrgs {
		w.And("org || '' IN "+in, args...) // The index on org is not to be used.
	} else {
		w.And("org IN "+in, args...)
	}
	ledger.AnyOf(&w, "state", f.States)
	if f.Level != "" {
		if f.Level.Rank() == 0 {
			return w, fault.New(fault.Invalid, op, "%q is not a level (informational, low, medium, high, critical)", clip(string(f.Level), 40))
		}
		w.And("level >= ?", f.Level.Rank())
	}
	if f.Realm != label.RealmUnknown {
		w.And("realm = ?", f.Realm.String())
	}
	if f.Source != "" {
		w.And("source = ?", string(f.Source))
	}
	if f.Indicator != "" {
		w.And("indicator = ?", string(f.Indicator))
	}
	if err := w.Search(op, "search", f.Text); err != nil {
		return w, err
	}
	return w, w.After(op, "last_seen", f.Cursor, ident.Finding)
}

// Get returns one finding. One outside the scope is not there.
func (a *Analyser) Get(ctx context.Context, s access.Scope, id ident.ID) (finding.Finding, error) {
	var f finding.Finding
	err := a.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		f, err = get(ctx, q, s, id)
		return err
	})
	return f, fault.Wrap("analyse.get", err)
}

func get(ctx context.Context, q ledger.Queryer, s access.Scope, id ident.ID) (finding.Finding, error) {
	f, err := scan(q.QueryRow(ctx, selectFinding+` WHERE id = ?`, string(id)))
	if ledger.NoRows(err) || (err == nil && !s.Allows(f.Org)) {
		return finding.Finding{}, fault.New(fault.NotFound, "analyse.get", "there is no such finding here")
	}
	return f, err
}

// Counts counts the findings of the scope by state, of one realm or of both.
func (a *Analyser) Counts(ctx context.Context, s access.Scope, realm label.Realm) (map[finding.State]int64, error) {
	out := map[finding.State]int64{finding.New: 0, finding.Escalated: 0, finding.Closed: 0, finding.Dismissed: 0}
	w, err := Filter{Realm: realm}.where(s)
	if err != nil {
		return nil, err
	}
	err = a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT state, COUNT(*) FROM finding WHERE `+w.SQL+` GROUP BY state`, w.Args...)
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			var state string
			var n int64
			err := sc(&state, &n)
			out[finding.State(state)] = n
			return err
		})
	})
	return out, fault.Wrap("analyse.counts", err)
}
