package pdns

import (
	"context"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/observable"
)

// Entry is one pair of name and data, as one organisation saw it.
type Entry struct {
	Org   ident.ID  `json:"org"`
	Name  string    `json:"name"`
	Type  string    `json:"type"`
	Data  string    `json:"data"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Count int64     `json:"count"`
}

// MaxEntries bounds one answer.
const MaxEntries = 500

// Lookup finds entries by name, by "*.name" for everything below one, or by data
// such as an address, the last seen first. Names and addresses may be written as
// people do: defanged, international, in capitals.
func (s *Store) Lookup(ctx context.Context, sc access.Scope, q string, limit int) ([]Entry, error) {
	const op = "pdns.lookup"
	q = strings.TrimSpace(q)
	if q == "" || len(q) > maxData {
		return nil, fault.New(fault.Invalid, op, "give a name, *.name for all below it, or data such as an address")
	}
	if limit <= 0 || limit > MaxEntries {
		limit = MaxEntries
	}
	return s.find(ctx, sc, q, limit)
}

// maxBelow bounds what is told of one domain to a walk.
const maxBelow = 20_000

// Below finds the entries of a domain and of all names below it, the last seen
// first.
func (s *Store) Below(ctx context.Context, sc access.Scope, domain string) ([]Entry, error) {
	at, err := s.find(ctx, sc, domain, MaxEntries)
	if err != nil {
		return nil, err
	}
	below, err := s.find(ctx, sc, "*."+domain, maxBelow)
	return append(at, below...), err
}

func (s *Store) find(ctx context.Context, sc access.Scope, q string, limit int) ([]Entry, error) {
	const op = "pdns.find"
	orgs := sc.Orgs()
	if len(orgs) == 0 {
		return nil, nil
	}
	where, found := condition(q)
	in, args := ledger.In(orgs)
	args = append(append(args, found...), limit)
	var out []Entry
	err := s.db.Read(ctx, func(r ledger.Queryer) error {
		out = nil
		rows, err := r.Query(ctx, `SELECT org, name, type, data, first, last, count FROM passive_dns WHERE org IN `+in+` AND `+where+`
			ORDER BY last DESC, org, name, type, data LIMIT ?`, args...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var e Entry
			var first, last int64
			if err := scan(&e.Org, &e.Name, &e.Type, &e.Data, &first, &last, &e.Count); err != nil {
				return err
			}
			e.First, e.Last = ledger.Time(first), ledger.Time(last)
			out = append(out, e)
			return nil
		})
	})
	return out, fault.Wrap(op, err)
}

func condition(q string) (where string, args []any) {
	if below, ok := strings.CutPrefix(q, "*."); ok {
		// The names below one begin, from their end, with it and a dot; "/" comes
		// after the dot.
		from := reversed("." + written(below))
		return `reversed >= ? AND reversed < ?`, []any{from, strings.TrimSuffix(from, ".") + "/"}
	}
	w := written(q)
	return `(name = ? OR data = ? OR data = ?)`, []any{w, w, keepable(q)}
}

// written is a name or an address as it is kept.
func written(q string) string {
	if o, err := observable.Parse(q); err == nil && o.Kind != observable.URL {
		return o.Value
	}
	return normal(q)
}
