package remediation

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"noroshi/access"
	"noroshi/action"
	"noroshi/ident"
	"noroshi/ledger"
)

// How a page is found. A ledger of millions of actions is never sorted: each way
// below reads the beginnings of sorted pieces of one index and merges them, and
// reads no piece beyond what can still be on the page. What is few is sorted by the
// engine, which hands over no more than the page.
//
//	a small scope     everything that fits, which an index holds together, sorted
//	what waits for a decision  all of it, by an index of its own, sorted
//	no filter         by date and of few organisations, a piece for each of them and
//	                  each state; else a piece for each state in the order asked for
//	by level and such by date, a piece for each state and facet
//	a text            those whose asset begins with it, then those whose topic holds it;
//	                  by date, of few topics, a piece for each topic and state
//
// For the rest, what is rare is sorted as a whole, after it was counted up to where
// it is rare no more; what is not rare is found soon by walking in the order that is
// asked for.

const (
	// manyPieces is from how many pieces on it is better to walk through all
	// organisations and leave out those that are not in the scope.
	manyPieces = 200
	// fewPieces is up to how many beginnings are read where all could be sorted.
	fewPieces = 10
	// fewTried is up to how many beginnings are read where each action is tried for a
	// text: to prepare the trying costs more than to walk past what others have.
	fewTried = 30
	// stride is how many entries of an index are read at once.
	stride = 512
)

// rare is how many actions are sorted before it is walked instead.
var rare = 5000

// spot is where an action stands in a list.
type spot struct {
	key int64
	id  ident.ID
}

// walk finds one page.
type walk struct {
	scope  access.Scope
	orgs   []ident.ID
	tabs   []string
	facets []int // nil for all
	text   string
	asked  bool  // only those whose exception waits to be decided
	before int64 // due before; 0 for any
	sort   Sort
	after  *spot
	limit  int
	topics map[int64]bool // those that hold the text, where each action is tried; else nil
	named  bool           // so many assets begin with the text that each action's is tried, too

	best []spot // the first of what was found, in order, at most one more than limit
}

// piece is a part of an index: conditions that all hold.
type piece struct {
	where []string
	args  []any
}

func (p piece) and(where string, args ...any) piece {
	return piece{append(slices.Clone(p.where), where), append(slices.Clone(p.args), args...)}
}

func (p piece) with(x piece) piece {
	return piece{slices.Concat(p.where, x.where), slices.Concat(p.args, x.args)}
}

func (p piece) sql() string { return strings.Join(p.where, " AND ") }

// in is a condition on a list of numbers.
func in[T any](column string, list []T) piece {
	p := piece{}.and(column + " IN (" + strings.TrimSuffix(strings.Repeat("?,", len(list)), ",") + ")")
	for _, x := range list {
		p.args = append(p.args, x)
	}
	return p
}

func (w *walk) column() string {
	return map[Sort]string{ByDue: "due", ByPriority: "priority", BySeen: "last_seen"}[w.sort]
}

// sorted is the column for the engine to sort by itself, instead of walking through
// an index in that order.
func (w *walk) sorted() string { return w.column() + " + 0" }

// compare is the order of the list.
func (w *walk) compare(a, b spot) int {
	if w.sort == ByDue {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id))
	}
	return cmp.Or(cmp.Compare(b.key, a.key), cmp.Compare(b.id, a.id))
}

// offer puts an action into its place if it is on the page.
func (w *walk) offer(k spot) {
	if w.after != nil && w.compare(k, *w.after) <= 0 {
		return
	}
	i, found := slices.BinarySearchFunc(w.best, k, w.compare)
	if found || i > w.limit {
		return
	}
	w.best = slices.Insert(w.best, i, k)
	w.best = w.best[:min(len(w.best), w.limit+1)]
}

// full tells that nothing from k on can be on the page.
func (w *walk) full(k spot) bool {
	return len(w.best) > w.limit && w.compare(k, w.best[w.limit]) >= 0
}

func (w *walk) find(ctx context.Context, q ledger.Queryer) error {
	if len(w.orgs) == 0 || len(w.tabs) == 0 {
		return nil
	}
	filters := w.filters()
	if w.text != "" {
		rest, done, err := w.findText(ctx, q)
		if err != nil || done {
			return err
		}
		filters = filters.with(rest)
	}
	if w.asked { // Few wait, and they have an index of their own.
		return w.along(ctx, q, piece{}.and("asked = 1").with(in("tab || ''", w.tabs)).with(filters), w.sorted())
	}
	pieces := w.perTab()
	if few := len(w.orgs)*len(w.tabs) <= manyPieces; few {
		small, err := w.small(ctx, q)
		if err != nil {
			return err
		}
		orgs, args := ledger.In(w.orgs)
		if small && (w.sort != ByDue || w.text != "" || w.facets != nil || len(pieces)*len(w.orgs) > fewPieces) {
			return w.along(ctx, q, piece{}.and("org IN "+orgs, args...).with(in("tab", w.tabs)).with(filters), w.sorted())
		}
		if w.sort == ByDue && (w.text == "" || len(pieces)*len(w.orgs) <= fewTried) {
			pieces = w.perOrg()
		}
	}
	switch {
	case w.text != "" || w.facets == nil && (w.before == 0 || w.sort == ByDue):
		return w.each(ctx, q, pieces, filters)
	case w.sort == ByDue && len(w.orgs) > manyPieces:
		return w.each(ctx, q, w.perFacet(), piece{})
	}
	if done, err := w.collect(ctx, q, in("tab", w.tabs).with(in("facet", w.wanted())).with(w.dated())); err != nil || done {
		return err
	}
	return w.each(ctx, q, pieces, filters)
}

// small tells whether the organisations have so little that it is read as a whole.
func (w *walk) small(ctx context.Context, q ledger.Queryer) (bool, error) {
	orgs, args := ledger.In(w.orgs)
	tabs := in("tab", w.tabs)
	var n int64
	err := q.QueryRow(ctx, `SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM action_count WHERE org IN `+orgs+` AND `+tabs.sql(), append(args, tabs.args...)...).Scan(&n)
	return n <= int64(rare), err
}

// filters are the conditions, but for the date and a text, on an action that is met
// in another order. What is written with + 0 or || ” is not to choose the index.
func (w *walk) filters() (p piece) {
	if w.facets != nil {
		p = in("facet + 0", w.facets)
	}
	if len(w.orgs) <= manyPieces { // else it is better not to name them
		p = p.with(in("org || ''", w.orgs))
	}
	return p
}

// dated is the condition on the date.
func (w *walk) dated() piece {
	if w.before == 0 {
		return piece{}
	}
	return piece{}.and("due < ?", w.before)
}

func (w *walk) perTab() (list []piece) {
	for _, t := range w.tabs {
		list = append(list, piece{}.and("tab = ?", t))
	}
	return list
}

func (w *walk) perOrg() (list []piece) {
	for _, o := range w.orgs {
		for _, p := range w.perTab() {
			list = append(list, piece{}.and("org = ?", string(o)).with(p))
		}
	}
	return list
}

// wanted are the facets that fit, each by its number.
func (w *walk) wanted() []int {
	if w.facets == nil {
		return facetsOf(Filter{Level: action.Low})
	}
	return w.facets
}

func (w *walk) perFacet() (list []piece) {
	for _, p := range w.perTab() {
		for _, f := range w.wanted() {
			list = append(list, p.and("facet = ?", f))
		}
	}
	return list
}

// each merges the beginnings of pieces.
func (w *walk) each(ctx context.Context, q ledger.Queryer, pieces []piece, filters piece) error {
	for _, p := range pieces {
		if err := w.along(ctx, q, p.with(filters), w.column()); err != nil {
			return err
		}
	}
	return nil
}

// along reads a piece by its key until the page is full or the piece ends.
func (w *walk) along(ctx context.Context, q ledger.Queryer, p piece, key string) error {
	beyond, within, order := ">", "<=", "ASC"
	if w.sort != ByDue {
		beyond, within, order = "<", ">=", "DESC"
	}
	from := w.after
	for n := w.limit + 1; ; n = stride {
		x := p
		if from != nil {
			x = x.and("("+key+", id) "+beyond+" (?, ?)", from.key, string(from.id))
		}
		// One bound at a time: of two, the engine may take the wider.
		full := len(w.best) > w.limit
		if full {
			x = x.and(key+" "+within+" ?", w.best[w.limit].key)
		}
		if !full || w.sort != ByDue {
			x = x.with(w.dated())
		}
		read, ended := 0, false
		var k spot
		var o ident.ID
		var topic int64
		var asset, name string
		what, into := `id, org, `+key, []any{&k.id, &o, &k.key}
		if w.topics != nil {
			what, into = what+`, topic`, append(into, &topic)
		}
		if w.named {
			what, into = what+`, asset_key, asset_name`, append(into, &asset, &name)
		}
		rows, err := q.Query(ctx, `SELECT `+what+` FROM action WHERE `+x.sql()+` ORDER BY `+key+` `+order+`, id `+order+` LIMIT `+itoa(n), x.args...)
		err = ledger.Each(rows, err, func(sc func(...any) error) error {
			err := sc(into...)
			read++
			if ended = w.full(k); !ended && w.among(o) && w.holds(topic, asset, name) {
				w.offer(k)
			}
			return err
		})
		if err != nil || ended || read < n || w.full(k) {
			return err
		}
		from = &k
	}
}

// among tells whether an organisation is one that is asked for.
func (w *walk) among(o ident.ID) bool {
	return w.scope.Allows(o) && (len(w.orgs) > 1 || o == w.orgs[0])
}

// collect sorts what is rare as a whole; done tells that it was rare.
func (w *walk) collect(ctx context.Context, q ledger.Queryer, pieces ...piece) (done bool, err error) {
	bound := rare
	if w.sort == BySeen {
		bound /= 5 // No index of the rare holds when it was seen.
	}
	for _, p := range pieces {
		var n int
		err := q.QueryRow(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM action WHERE `+p.sql()+` LIMIT `+itoa(bound)+`) AS few`, p.args...).Scan(&n)
		if bound -= n; err != nil || bound <= 0 {
			return false, err
		}
	}
	for _, p := range pieces {
		if err := w.along(ctx, q, p.with(w.filters()), w.sorted()); err != nil {
			return false, err
		}
	}
	return true, nil
}
