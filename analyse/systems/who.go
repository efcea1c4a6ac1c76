package systems

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/analyse/affected"
	"noroshi/analyse/vex"
	"noroshi/fault"
	"noroshi/ident"
)

// Hit is one component of one system that a weakness hits.
type Hit struct {
	Org        ident.ID `json:"org"`
	System     ident.ID `json:"system"`
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Owner      string   `json:"owner"`
	Importance string   `json:"importance,omitempty"`
	SeenAs     []string `json:"seen_as"`        // how it is reached from outside, says its owner
	Seen       *Seen    `json:"seen,omitempty"` // what was seen of these from outside
	Weakness   string   `json:"weakness"`
	Component  string   `json:"component"`
	PURL       string   `json:"purl"`
	Fixed      string   `json:"fixed,omitempty"`
	By         []string `json:"by"`
	// Confidence is low where only the names of NVD say so.
	Confidence string   `json:"confidence,omitempty"`
	Path       []string `json:"path,omitempty"` // what the system needs itself first
	Priority   string   `json:"priority"`       // of CISA's tree: track, track*, attend, act
	Why        string   `json:"why"`
	WhyJA      string   `json:"why_ja"`
	// Decision is what was decided about it. A hit that is not_affected or fixed
	// is told and not counted.
	Decision *vex.Decision `json:"decision,omitempty"`
	Action   *Done         `json:"action,omitempty"`
}

// silent tells whether it was decided that nothing need be done.
func (h *Hit) silent() bool { return h.Decision != nil && h.Decision.Silent() }

// Done is where the action about a hit stands.
type Done struct {
	ID       ident.ID     `json:"id"`
	State    action.State `json:"state"`
	Assignee string       `json:"assignee,omitempty"`
	Due      time.Time    `json:"due"`
}

// Who is the answer to who is hit: one page of the hits in the reader's
// organisations, the organisations in order, and how many there are in all.
type Who struct {
	Asked         string `json:"asked"`
	Organisations int    `json:"organisations"`
	Systems       int    `json:"systems"`
	Looked        int    `json:"looked"`  // systems with a bill of materials that the reader may see
	Decided       int    `json:"decided"` // hits that were decided to be none, which no other number counts
	Items         []Hit  `json:"items"`
	Next          string `json:"next,omitempty"`
}

// WhoIsHit answers for a weakness by any of its names. Cursor is Next of the page
// before; limit is at most 500, and 100 when zero.
func (x *Systems) WhoIsHit(ctx context.Context, s access.Scope, name, cursor string, limit int) (Who, error) {
	const op = "systems.who"
	from := 0
	if cursor != "" {
		var err error
		if from, err = strconv.Atoi(cursor); err != nil || from < 0 {
			return Who{}, fault.New(fault.Invalid, op, "the cursor is not one of this list")
		}
	}
	if limit <= 0 || limit > 500 {
		limit = 100
	}
	w, err := x.mem.who(s, name, from, limit)
	if err != nil {
		return w, err
	}
	veil(s, w.Items)
	return w, fault.Wrap(op, x.standing(ctx, s, w.Items))
}

// who looks in memory.
func (m *memory) who(s access.Scope, name string, from, limit int) (w Who, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.loaded(); err != nil {
		return w, err
	}
	w = Who{Asked: name, Items: []Hit{}}
	for _, k := range m.of {
		if k.InForce != nil && k.State == Active && s.Allows(k.Org) {
			w.Looked++
		}
	}
	results, err := m.inventory.WhoIsHit(m.advisories, name)
	if err != nil && !m.names.Has(name) {
		return w, err
	}
	results = m.inventory.WhoByName(results, name)
	type one struct {
		*known
		hits []affected.Hit
	}
	list := make([]one, 0, len(results))
	for _, r := range results {
		if k := m.of[ident.ID(r.System)]; k != nil && s.Allows(k.Org) {
			list = append(list, one{k, m.decide(k, r.Hits)})
		}
	}
	slices.SortFunc(list, func(a, b one) int { return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Name, b.Name)) })
	at, last := 0, ident.ID("")
	for _, o := range list {
		n := countSilent(o.hits)
		if w.Decided += n; n < len(o.hits) {
			if w.Systems++; o.Org != last {
				w.Organisations++
				last = o.Org
			}
		}
		for _, h := range o.hits {
			if at >= from && len(w.Items) < limit {
				w.Items = append(w.Items, m.hit(o.System, h))
			}
			at++
		}
	}
	if from+limit < at {
		w.Next = strconv.Itoa(from + limit)
	}
	return w, nil
}

// veil keeps from a reader below where a decision stands above.
func veil(s access.Scope, list []Hit) {
	for _, h := range list {
		if d := h.Decision; d != nil && !s.Allows(ident.ID(d.From)) {
			d.Record = ""
		}
	}
}

func countSilent(hits []affected.Hit) (n int) {
	for _, h := range hits {
		if h.Silent() {
			n++
		}
	}
	return n
}

func (m *memory) hit(s System, h affected.Hit) Hit {
	a := h.Judge(m.attacks, m.placeOf(s))
	return Hit{Org: s.Org, System: s.ID, Name: s.Name, Version: s.InForce.Version, Owner: s.Owner, Importance: s.Importance, SeenAs: append([]string{}, s.SeenAs...), Seen: m.sighted(s),
		Weakness: h.Weakness.Weakness, Component: h.Component, PURL: h.PURL, Fixed: h.Fixed, By: h.By, Confidence: h.Confidence, Path: h.Path(), Priority: a.Decision.String(), Why: a.Why, WhyJA: a.WhyJA, Decision: h.Decision}
}

// standing adds what became of each hit.
func (x *Systems) standing(ctx context.Context, s access.Scope, list []Hit) error {
	prints, orgs := make([]string, len(list)), map[ident.ID]bool{}
	for i, h := range list {
		prints[i] = fingerprint(h.Name, h.key())
		orgs[h.Org] = true
	}
	of, err := x.d.Actions.Standing(ctx, s, slices.Collect(maps.Keys(orgs)), prints)
	if err != nil {
		return err
	}
	for i := range list {
		if a, ok := of[string(list[i].Org)+prints[i]]; ok {
			list[i].Action = &Done{a.ID, a.State, a.Assignee, a.Due}
		}
	}
	return nil
}

func (h *Hit) key() key {
	return keyOf(affected.Hit{Weakness: &affected.Weakness{Weakness: h.Weakness, Component: h.Component, PURL: h.PURL, Confidence: h.Confidence}})
}

// Found is what hits one system now.
type Found struct {
	Hits     []Hit          `json:"hits"`
	Total    int            `json:"total"`    // without those that were decided to be none
	Decided  int            `json:"decided"`  // to be none
	Unjudged map[string]int `json:"unjudged"` // components, by why they cannot be judged
}

// maxFound is how many hits of one system are told.
const maxFound = 1000

// Found says what hits a system, as of the last look.
func (x *Systems) Found(ctx context.Context, s access.Scope, id ident.ID) (f Found, err error) {
	m := x.mem
	m.mu.RLock()
	f = Found{Hits: []Hit{}, Unjudged: m.inventory.Unjudged(string(id))}
	k := m.of[id]
	if k != nil && s.Allows(k.Org) {
		hits := m.hits(k)
		f.Decided = countSilent(hits)
		f.Total = len(hits) - f.Decided
		for _, h := range hits[:min(len(hits), maxFound)] {
			f.Hits = append(f.Hits, m.hit(k.System, h))
		}
	}
	m.mu.RUnlock()
	veil(s, f.Hits)
	return f, fault.Wrap("systems.found", x.standing(ctx, s, f.Hits))
}
