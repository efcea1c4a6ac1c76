package analyse

import (
	"context"
	"strconv"
	"strings"

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

const (
	maxPage = 500
	maxText = 200
	// manyOrgs is the scope from which walking the latest findings of all is
	// faster than collecting those of each organisation and sorting them.
	manyOrgs = 200
)

// List returns findings, the latest first. Only organisations of the scope are
// in the question that the ledger is asked.
func (a *Analyser) List(ctx context.Context, s access.Scope, f Filter) (Page, error) {
	where, args, err := f.where(s)
	if err != nil {
		return Page{}, err
	}
	limit := min(f.Limit, maxPage)
	if limit <= 0 {
		limit = 50
	}
	var p Page
	err = a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, selectFinding+` WHERE `+where+` ORDER BY last_seen DESC, id DESC LIMIT `+strconv.Itoa(limit+1), args...)
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			x, err := scan(scanner(sc))
			p.Items = append(p.Items, x)
			return err
		})
	})
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		last := p.Items[limit-1]
		p.Next = strconv.FormatInt(ledger.Micros(last.LastSeen), 36) + "." + string(last.ID)
	}
	return p, fault.Wrap("analyse.list", err)
}

// where is the condition of a filter within a scope.
func (f Filter) where(s access.Scope) (string, []any, error) {
	orgs := s.Orgs()
	if f.Org != "" {
		orgs = nil
		if s.Allows(f.Org) {
			orgs = []ident.ID{f.Org}
		}
	}
	in, args := ledger.In(orgs)
	where := "org IN " + in
	if len(orgs) > manyOrgs {
		where = "org || '' IN " + in // The index on org is not to be used.
	}
	and := func(clause string, more ...any) {
		where += " AND " + clause
		args = append(args, more...)
	}
	if len(f.States) > 0 {
		in, more := ledger.In(f.States)
		and("state IN "+in, more...)
	}
	if f.Level != "" {
		if f.Level.Rank() == 0 {
			return "", nil, fault.New(fault.Invalid, "analyse.list", "%q is not a level (informational, low, medium, high, critical)", clip(string(f.Level), 40))
		}
		and("level >= ?", f.Level.Rank())
	}
	if f.Realm != label.RealmUnknown {
		and("realm = ?", f.Realm.String())
	}
	if f.Source != "" {
		and("source = ?", string(f.Source))
	}
	if f.Indicator != "" {
		and("indicator = ?", string(f.Indicator))
	}
	if f.Text != "" {
		if len(f.Text) > maxText {
			return "", nil, fault.New(fault.TooLarge, "analyse.list", "the text to look for is longer than %d bytes", maxText)
		}
		and(`search LIKE ? ESCAPE '\'`, ledger.Like(f.Text))
	}
	if f.Cursor != "" {
		us, id, err := readCursor(f.Cursor)
		if err != nil {
			return "", nil, err
		}
		and("(last_seen, id) < (?, ?)", us, string(id))
	}
	return where, args, nil
}

func readCursor(s string) (int64, ident.ID, error) {
	at, rest, _ := strings.Cut(s, ".")
	us, err := strconv.ParseInt(at, 36, 64)
	id, idErr := ident.Parse(ident.Finding, rest)
	if err != nil || idErr != nil {
		return 0, "", fault.New(fault.Invalid, "analyse.list", "the cursor is not one of this list")
	}
	return us, id, nil
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
	where, args, err := Filter{Realm: realm}.where(s)
	if err != nil {
		return nil, err
	}
	err = a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT state, COUNT(*) FROM finding WHERE `+where+` GROUP BY state`, args...)
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
