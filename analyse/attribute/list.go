package attribute

import (
	"context"
	"strconv"
	"strings"
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

const (
	maxPage = 500
	maxText = 200
	// manyOrgs is the scope from which walking the newest of all is faster than
	// collecting those of each organisation and sorting them, as for findings.
	manyOrgs = 200
)

// Week is for how long a discovery is new.
const Week = 7 * 24 * time.Hour

// List returns discoveries, the newest first.
func (a *Attribution) List(ctx context.Context, s access.Scope, f Filter) (Page, error) {
	const op = "attribute.list"
	where, args, err := f.where(s)
	if err != nil {
		return Page{}, err
	}
	if f.Cursor != "" {
		at, rest, _ := strings.Cut(f.Cursor, ".")
		us, err := strconv.ParseInt(at, 36, 64)
		id, idErr := ident.Parse(ident.Discovery, rest)
		if err != nil || idErr != nil {
			return Page{}, fault.New(fault.Invalid, op, "the cursor is not one of this list")
		}
		where, args = where+" AND (first_seen, id) < (?, ?)", append(args, us, string(id))
	}
	limit := min(f.Limit, maxPage)
	if limit <= 0 {
		limit = 50
	}
	var p Page
	err = a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		p.Items = nil
		rows, err := q.Query(ctx, selectRow+` WHERE `+where+` ORDER BY first_seen DESC, id DESC LIMIT `+strconv.Itoa(limit+1), args...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			r, err := scanRow(scan)
			p.Items = append(p.Items, r.Discovery)
			return err
		})
	})
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		last := p.Items[limit-1]
		p.Next = strconv.FormatInt(ledger.Micros(last.FirstSeen), 36) + "." + string(last.ID)
	}
	return p, fault.Wrap(op, err)
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
	if f.Confidence > 0 {
		and("confidence >= ?", f.Confidence)
	}
	if !f.Since.IsZero() {
		and("first_seen >= ?", ledger.Micros(f.Since))
	}
	if f.Own {
		and("third_party = 0")
	}
	if f.Text != "" {
		if len(f.Text) > maxText {
			return "", nil, fault.New(fault.TooLarge, "attribute.list", "the text to look for is longer than %d bytes", maxText)
		}
		and(`value LIKE ? ESCAPE '\'`, ledger.Like(f.Text))
	}
	return where, args, nil
}

// Counts counts the discoveries of the scope by state, and those that are new
// since last week as "new".
func (a *Attribution) Counts(ctx context.Context, s access.Scope) (map[string]int64, error) {
	out := map[string]int64{string(Candidate): 0, string(Certain): 0, string(Confirmed): 0, string(Rejected): 0, "new": 0}
	in, args := ledger.In(s.Orgs())
	err := a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT state, COUNT(*) FROM discovery WHERE org IN `+in+` GROUP BY state`, args...)
		if err := ledger.Each(rows, err, func(scan func(...any) error) error {
			var state string
			var n int64
			err := scan(&state, &n)
			out[state] = n
			return err
		}); err != nil {
			return err
		}
		var n int64
		err = q.QueryRow(ctx, `SELECT COUNT(*) FROM discovery WHERE org IN `+in+` AND first_seen >= ?`, append(args, ledger.Micros(a.d.Now().Add(-Week)))...).Scan(&n)
		out["new"] = n
		return err
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
	r, err := scanRow(q.QueryRow(ctx, selectRow+` WHERE id = ?`, string(id)).Scan)
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
