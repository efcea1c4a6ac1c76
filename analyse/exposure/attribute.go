package exposure

import (
	"net/netip"
	"slices"

	"noroshi/ident"
)

// declared is the organisation that has declared the most specific range around
// an address as its own; "" when none has.
func (st *Store) declared(a netip.Addr) (ident.ID, int) {
	var owner ident.ID
	best := -1
	for _, o := range st.d.Tree().All() {
		for _, p := range o.Assets.Prefixes {
			if p.Bits() > best && p.Contains(a) {
				owner, best = o.ID, p.Bits()
			}
		}
	}
	return owner, best
}

// root is the organisation above all, which answers what is nobody's.
func (st *Store) root() ident.ID {
	for _, o := range st.d.Tree().All() {
		if o.Parent == "" {
			return o.ID
		}
	}
	return ""
}

// attribute says whose an address of a scope is: of who declared it most
// specifically, when that is the scope's organisation or one below it, else of
// the scope's organisation, which two people believe to have control of it. Known
// tells whether that is the owner: at a provider of access (sector telecom) the
// subscriber is, and only the provider knows who that is.
func (st *Store) attribute(of ident.ID, a netip.Addr) (owner ident.ID, known bool) {
	o, _ := st.declared(a)
	if o != "" && slices.Contains(st.d.Tree().Subtree(of), o) {
		return o, true
	}
	at, _ := st.d.Tree().Get(of)
	return of, at.Sector != "telecom"
}

// within lists the organisations below one that have declared addresses of a
// scope as their own: a scan speaks of their places, too.
func (st *Store) within(of ident.ID, t Terms) (list []ident.ID) {
	for _, id := range st.d.Tree().Subtree(of) {
		o, _ := st.d.Tree().Get(id)
		if id != of && slices.ContainsFunc(o.Assets.Prefixes, func(p netip.Prefix) bool { return slices.ContainsFunc(t.Ranges, p.Overlaps) }) {
			list = append(list, id)
		}
	}
	return list
}

// foreign lists the ranges that organisations beside this one have declared as
// their own. Nobody authorises a scan of a neighbour; but what an organisation
// has declared within a neighbour's range is its own.
func (st *Store) foreign(of ident.ID) (list []netip.Prefix) {
	tree := st.d.Tree()
	near := append(tree.Subtree(of), tree.Ancestors(of)...)
	var own []netip.Prefix
	for _, id := range tree.Subtree(of) {
		o, _ := tree.Get(id)
		own = append(own, o.Assets.Prefixes...)
	}
	for _, o := range tree.All() {
		if slices.Contains(near, o.ID) {
			continue
		}
		for _, p := range o.Assets.Prefixes {
			if !slices.ContainsFunc(own, func(q netip.Prefix) bool { return q.Bits() >= p.Bits() && p.Overlaps(q) }) {
				list = append(list, p)
			}
		}
	}
	return list
}
