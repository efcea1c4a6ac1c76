package exposure

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

const maxPage = 500

// choice is the condition of a query that lists the newest first.
type choice struct {
	where, by string
	args      []any
	limit     int
	err       error
}

// choose begins a choice: what the reader may see, from the cursor on.
func choose(s access.Scope, f Filter, by string) *choice {
	in, args := ledger.In(s.Orgs())
	c := &choice{where: "org IN " + in, by: by, args: args, limit: f.Limit}
	if c.limit <= 0 || c.limit > maxPage {
		c.limit = 50
	}
	if f.Org != "" {
		c.and("org = ?", f.Org)
	}
	if f.Cursor != "" {
		at, id, ok := strings.Cut(f.Cursor, ".")
		us, err := strconv.ParseInt(at, 36, 64)
		if !ok || err != nil {
			c.err = fault.New(fault.Invalid, "exposure.list", "the cursor is not one of this list")
		}
		c.and("("+by+", id) < (?, ?)", us, id)
	}
	return c
}

func (c *choice) and(clause string, args ...any) {
	c.where += " AND " + clause
	c.args = append(c.args, args...)
}

// pageOf asks for one page; at says by what a row is ordered.
func pageOf[T any](ctx context.Context, db *ledger.DB, c *choice, query string, scan func(func(...any) error) (T, error), at func(T) (time.Time, ident.ID)) (p Page[T], err error) {
	if c.err != nil {
		return p, c.err
	}
	err = db.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, query+" WHERE "+c.where+" ORDER BY "+c.by+" DESC, id DESC LIMIT "+strconv.Itoa(c.limit+1), c.args...)
		return ledger.Each(rows, err, func(s func(...any) error) error {
			x, err := scan(s)
			p.Items = append(p.Items, x)
			return err
		})
	})
	if err == nil && len(p.Items) > c.limit {
		p.Items = p.Items[:c.limit]
		when, id := at(p.Items[c.limit-1])
		p.Next = strconv.FormatInt(ledger.Micros(when), 36) + "." + string(id)
	}
	return p, err
}
