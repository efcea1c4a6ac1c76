package exposure

import (
	"context"
	"strconv"
	"time"

	"noroshi/access"
	"noroshi/ident"
	"noroshi/ledger"
)

// Filter chooses rows of a list. Empty parts choose all.
type Filter struct {
	Org    ident.ID
	States []string
	Text   string
	Since  time.Time
	Cursor string
	Limit  int
}

// Page is one page of a list.
type Page[T any] struct {
	Items []T
	Next  string
}

// choice is the condition of a query that lists the newest first.
type choice struct {
	ledger.Where
	by    string
	limit int
	err   error
}

// choose begins a choice: what the reader may see, from the cursor on.
func choose(s access.Scope, f Filter, by string, kind ident.Prefix) *choice {
	in, args := ledger.In(s.Within(f.Org))
	c := &choice{by: by, limit: ledger.PageSize(f.Limit)}
	c.And("org IN "+in, args...)
	c.err = c.After("exposure.list", by, f.Cursor, kind)
	return c
}

// pageOf asks for one page; at says by what a row is ordered.
func pageOf[T any](ctx context.Context, db *ledger.DB, c *choice, query string, scan func(func(...any) error) (T, error), at func(T) (time.Time, ident.ID)) (p Page[T], err error) {
	if c.err != nil {
		return p, c.err
	}
	err = db.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, query+" WHERE "+c.SQL+" ORDER BY "+c.by+" DESC, id DESC LIMIT "+strconv.Itoa(c.limit+1), c.Args...)
		return ledger.Each(rows, err, func(s func(...any) error) error {
			x, err := scan(s)
			p.Items = append(p.Items, x)
			return err
		})
	})
	if err == nil && len(p.Items) > c.limit {
		p.Items = p.Items[:c.limit]
		when, id := at(p.Items[c.limit-1])
		p.Next = ledger.Cursor(ledger.Micros(when), id)
	}
	return p, err
}
