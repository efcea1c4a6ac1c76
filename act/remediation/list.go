package remediation

import (
	"context"
	"slices"
	"strings"

	"noroshi/access"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// Filter chooses actions. Empty parts choose all.
type Filter struct {
	States       []action.State
	Level        action.Level // at least
	Source       action.Source
	Org          ident.ID
	Realm        label.Realm
	KEV          bool   // known to be exploited
	Overdue      bool   // live, and past its date
	OwnerUnknown bool   // whose owner has to be found
	Asked        bool   // an exception waits to be decided
	Text         string // in the name and title, or how the asset's key or name begins
	Sort         Sort
	Cursor       string // Page.Next of the page before
	Limit        int    // 50 when zero, at most 500
}

// Sort is the order of a list.
type Sort string

// The orders.
const (
	ByDue      Sort = "due" // the earliest first; the order when none is named
	ByPriority Sort = "priority"
	BySeen     Sort = "seen" // the latest first
)

// Page is one page of a list.
type Page struct {
	Items []action.Action
	Next  string // cursor of the next page; "" on the last
}

const opList = "remediation.list"

// List returns one page of the actions of the scope.
func (r *Remediation) List(ctx context.Context, s access.Scope, f Filter) (Page, error) {
	w, err := r.plan(s, f)
	if err != nil {
		return Page{}, err
	}
	var p Page
	err = r.d.DB.Read(ctx, func(q ledger.Queryer) error {
		p = Page{}
		w.best = nil
		if err := w.find(ctx, q); err != nil {
			return err
		}
		if len(w.best) > w.limit {
			w.best = w.best[:w.limit]
			last := w.best[w.limit-1]
			p.Next = ledger.Cursor(last.key, last.id)
		}
		p.Items, err = fetch(ctx, q, s, w.best)
		return err
	})
	return p, fault.Wrap(opList, err)
}

// Each calls fn for every action of the filter, page by page, so that nothing is
// held up for long.
func (r *Remediation) Each(ctx context.Context, s access.Scope, f Filter, fn func(a action.Action) error) error {
	f.Limit = ledger.MaxPage
	for {
		p, err := r.List(ctx, s, f)
		if err != nil {
			return err
		}
		for _, a := range p.Items {
			if err := fn(a); err != nil {
				return err
			}
		}
		if f.Cursor = p.Next; p.Next == "" {
			return nil
		}
	}
}

// plan reads a filter within a scope.
func (r *Remediation) plan(s access.Scope, f Filter) (*walk, error) {
	bad := func(format string, args ...any) (*walk, error) {
		return nil, fault.New(fault.Invalid, opList, format, args...)
	}
	w := &walk{scope: s, orgs: s.Within(f.Org), asked: f.Asked, sort: f.Sort, limit: ledger.PageSize(f.Limit)}
	states := f.States
	for _, st := range states {
		if !slices.Contains(action.States, st) {
			return bad("%.40q is not a state (open, claimed, excepted, proved, refuted)", string(st))
		}
	}
	if len(states) == 0 {
		states = action.States
	}
	for _, realm := range realms(f.Realm) {
		for _, st := range states {
			if !f.Overdue || st.Live() {
				w.tabs = append(w.tabs, tabOf(st, realm))
			}
		}
	}
	slices.Sort(w.tabs)
	w.tabs = slices.Compact(w.tabs)
	switch {
	case f.Level != "" && f.Level.Rank() == 0:
		return bad("%.40q is not a level (low, medium, high, critical)", string(f.Level))
	case f.Source != "" && !slices.Contains(action.Sources, f.Source):
		return bad("%.40q is not a source (surface, sbom, iot)", string(f.Source))
	case f.Sort != "" && f.Sort != ByDue && f.Sort != ByPriority && f.Sort != BySeen:
		return bad("%.40q is not an order (due, priority, seen)", string(f.Sort))
	case len(f.Text) > ledger.MaxText:
		return nil, fault.New(fault.TooLarge, opList, "the text to look for is longer than %d bytes", ledger.MaxText)
	}
	if w.sort == "" {
		w.sort = ByDue
	}
	w.facets = facetsOf(f)
	w.text = strings.ToLower(strings.TrimSpace(f.Text))
	if f.Overdue {
		w.before = ledger.Micros(r.now())
	}
	if f.Cursor != "" {
		key, id, err := ledger.ReadCursor(opList, f.Cursor, ident.Action)
		if err != nil {
			return nil, err
		}
		w.after = &spot{key: key, id: id}
	}
	return w, nil
}

// realms are those that a filter means.
func realms(r label.Realm) []label.Realm {
	if r == label.RealmUnknown {
		return []label.Realm{label.Real, label.Exercise}
	}
	return []label.Realm{r}
}

// facetsOf lists the facets that a filter wants; nil when all are.
func facetsOf(f Filter) (list []int) {
	if f.Level == "" && f.Source == "" && !f.KEV && !f.OwnerUnknown {
		return nil
	}
	for _, src := range action.Sources {
		for _, l := range action.Levels {
			for _, kev := range []bool{false, true} {
				for _, owned := range []bool{false, true} {
					if (f.Source == "" || f.Source == src) && (f.Level == "" || l.Rank() >= f.Level.Rank()) && (kev || !f.KEV) && (!owned || !f.OwnerUnknown) {
						list = append(list, facet(src, l, kev, owned))
					}
				}
			}
		}
	}
	return list
}

// fetch reads the actions that were found, in their order.
func fetch(ctx context.Context, q ledger.Queryer, s access.Scope, keys []spot) ([]action.Action, error) {
	ids := make([]ident.ID, len(keys))
	for i, k := range keys {
		ids[i] = k.id
	}
	in, args := ledger.In(ids)
	list, err := readRows(ctx, q, `id IN `+in, args...)
	if err != nil {
		return nil, err
	}
	at := make(map[ident.ID]action.Action, len(list))
	for _, a := range list {
		at[a.ID] = a.Action
	}
	out := make([]action.Action, 0, len(list))
	for _, id := range ids {
		if a, ok := at[id]; ok && s.Allows(a.Org) {
			out = append(out, a)
		}
	}
	return out, nil
}

// Counts counts the actions of the scope by state, of one organisation or of all.
func (r *Remediation) Counts(ctx context.Context, s access.Scope, o ident.ID, realm label.Realm) (map[action.State]int64, error) {
	out := map[action.State]int64{}
	for _, st := range action.States {
		out[st] = 0
	}
	in, args := ledger.In(s.Within(o))
	err := r.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT tab, CAST(SUM(n) AS BIGINT) FROM action_count WHERE org IN `+in+` GROUP BY tab`, args...)
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			var tab string
			var n int64
			err := sc(&tab, &n)
			name, exercise := strings.CutPrefix(tab, "x-")
			if realm == label.RealmUnknown || exercise == (realm == label.Exercise) {
				out[action.State(name)] += n
			}
			return err
		})
	})
	return out, fault.Wrap("remediation.counts", err)
}
